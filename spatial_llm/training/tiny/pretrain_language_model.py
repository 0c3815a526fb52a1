"""Pre-trains the tiny language model on text, before it gets audio tokens.

A sample is a scene, in words or in tokens (`scene_tokens`), in the position of the later audio tokens; then BAT's prompt
with a question; then the answer. The model learns questions and answers here; fine-tuning then connects the encoder.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import Dataset
from tqdm import tqdm
from transformers import AutoModelForCausalLM, AutoTokenizer

from spatial_llm.data.dataset import distinct_recordings
from spatial_llm.data.records import read_manifest
from spatial_llm.data.targets import targets_of
from spatial_llm.questions.families import CONVENTIONS
from spatial_llm.questions.text_corpus import AskedScene, asked_scenes, in_words
from spatial_llm.training.engine.base_models import load_base
from spatial_llm.training.engine.launching import prepare
from spatial_llm.training.engine.run_folder import RunFolder
from spatial_llm.training.engine.trainable import format_what_trains, what_trains
from spatial_llm.training.engine.trainer import train
from spatial_llm.training.tiny.arguments import TextArguments
from spatial_llm.training.tiny.language_model import build_language_model, build_tokenizer
from spatial_llm.training.tiny.scene_tokens import SceneTokenDataset, SceneTokens, scene_token_collator
from spatial_llm.training.tiny.text_rows import PROMPT, Ids, Turn, text_collator, turns_of


class TextDataset(Dataset):
    """Scenes in words with all their questions, as unpadded token ids: items (scene, [(prompt, answer), ...]).

    Args:
        examples: from `questions.text_corpus.in_words`; those of a scene follow each other.
        tokenizer: a tokenizer that puts BOS before a text.
    """

    def __init__(self, examples: Sequence[dict[str, str]], tokenizer: Any) -> None:
        turns = turns_of(tokenizer, [(e["question"], e["answer"]) for e in examples])
        self.items: list[tuple[Ids, list[Turn]]] = []
        for scene, group in itertools.groupby(zip(examples, turns, strict=True), key=lambda row: row[0]["scene"]):
            ids = tokenizer(scene, add_special_tokens=False)["input_ids"]
            self.items.append((ids, [turn for _, turn in group]))

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Ids, list[Turn]]:
        return self.items[index]

    def questions(self) -> list[Turn]:
        """Returns (scene and prompt, answer) for every question."""
        return [(scene + prompt, answer) for scene, turns in self.items for prompt, answer in turns]


@torch.no_grad()
def exact_answers(model: Any, tokenizer: Any, dataset: TextDataset | SceneTokenDataset, batch_size: int = 64) -> list[bool]:
    """Returns for each question whether the greedy answer equals the true one, token by token up to EOS.

    Args:
        model: a language model for a `TextDataset`, or `SceneTokens` for a `SceneTokenDataset`.
        tokenizer: the tokenizer of the language model.
        dataset: scenes with their questions.
        batch_size: questions per batch.
    """
    model.eval()
    in_tokens = isinstance(model, SceneTokens)
    language_model = model.language_model if in_tokens else model
    questions, right = dataset.questions(), list[bool]()
    for start in tqdm(range(0, len(questions), batch_size), desc="held-out answers", unit="batch"):
        prompts, answers = zip(*questions[start : start + batch_size], strict=True)
        if in_tokens:
            padded, length = model.prompts(prompts), 0  # after embeddings, only new tokens are returned
        else:
            padded = tokenizer.pad({"input_ids": list(prompts)}, padding_side="left", return_tensors="pt").to(model.device)
            length = padded["input_ids"].shape[1]
        generated = language_model.generate(
            **padded, max_new_tokens=max(map(len, answers)), do_sample=False, pad_token_id=tokenizer.pad_token_id
        )[:, length:]
        right += [row[: len(answer)].tolist() == answer for row, answer in zip(generated, answers, strict=True)]
    return right


def _begin(arguments: TextArguments, scenes: Sequence[AskedScene]) -> tuple[Any, Any]:
    """Returns the language model and its tokenizer: fresh ones, or those of an earlier run."""
    if arguments.initial_language_model is not None:
        model = load_base(AutoModelForCausalLM, arguments.initial_language_model, "initial_language_model")
        return model.train(), load_base(AutoTokenizer, arguments.initial_language_model, "its tokenizer")
    tokenizer = build_tokenizer(
        (text for e in in_words(scenes, arguments.questions) for text in (e["scene"], e["question"], e["answer"])),
        arguments.vocab_size,
        phrases=[*PROMPT.split("{question}"), *CONVENTIONS],
    )
    return build_language_model(arguments, tokenizer), tokenizer


def _of_types(scenes: Sequence[AskedScene], types: Sequence[str] | None) -> list[AskedScene]:
    """Returns the scenes with their questions of these types; scenes without one are left out."""
    kept = [(scene, [item for item in asked if types is None or item.type in types]) for scene, asked in scenes]
    return [(scene, asked) for scene, asked in kept if asked]


def pretrain_text(arguments: TextArguments) -> dict[str, float]:
    """Builds, trains and saves tokenizer and language model; returns shares of exact answers on held-out scenes by type."""
    prepare(arguments.seed, arguments.cpu_threads)
    recordings = distinct_recordings(read_manifest(arguments.manifest))
    labels = sorted({label for record in recordings for source in targets_of(record) for label in source.labels})
    # Training and held-out text have different seeds; scenes are drawn from continuous ranges, so none occurs in both.
    drawn = {"labels": labels, "config": arguments.questions, "most_sources": arguments.most_sources}
    scenes = list(asked_scenes(n=arguments.examples, seed=2 * arguments.seed, **drawn))
    held_out = list(asked_scenes(n=arguments.eval_examples, seed=2 * arguments.seed + 1, **drawn))
    model, tokenizer = _begin(arguments, scenes)
    scenes, held_out = (_of_types(each, arguments.types) for each in (scenes, held_out))
    run = RunFolder(arguments, arguments.manifest)
    saves = [model.save_pretrained, tokenizer.save_pretrained]
    if arguments.scene_tokens:
        learner, collate = SceneTokens(model, tokenizer, labels), scene_token_collator(tokenizer.pad_token_id)
        learner.go_on_from(arguments.initial_language_model)
        saves.append(learner.save)
        datasets = [SceneTokenDataset(each, labels, tokenizer, arguments.scene_tokens) for each in (scenes, held_out)]
    else:
        learner, collate = model, text_collator(tokenizer.pad_token_id)
        datasets = [TextDataset(in_words(each, arguments.questions), tokenizer) for each in (scenes, held_out)]
    questions = sum(len(asked) for _, asked in scenes)
    print(f"{questions} questions about {len(scenes)} scenes, {len(labels)} classes; {len(tokenizer)} tokens")
    print(format_what_trains(what_trains(learner)))
    train(learner, datasets[0], collate, arguments.schedule, run, arguments.seed)
    right = exact_answers(learner, tokenizer, datasets[1])
    scores = {"exact": sum(right) / len(right)}
    kinds = [item.question_type for _, asked in held_out for item in asked]
    for kind in sorted(set(kinds)):
        chosen = [ok for ok, each in zip(right, kinds, strict=True) if each == kind]
        scores[kind] = sum(chosen) / len(chosen)
    run.log({"eval": scores})
    print("answers exactly right on held-out scenes: " + "  ".join(f"{k} {v:.3f}" for k, v in scores.items()))
    run.save(*saves)
    return scores
