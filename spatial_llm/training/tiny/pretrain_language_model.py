"""Teaching the tiny language model before it hears: a scene, told in words or in tokens (`scene_tokens`), stands where audio
tokens will stand, then BAT's prompt with a question, then the answer. Afterwards it knows the questions and needs only ears.
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
    """Scenes in words with all their questions, as token ids, not padded: item (scene, [(prompt, answer), ...]).

    Args:
        examples: of `spatial_llm.questions.text_corpus.text_examples`; those of a scene follow each other.
        tokenizer: that puts BOS before a text.
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
        """(Scene and prompt, answer) of every question."""
        return [(scene + prompt, answer) for scene, turns in self.items for prompt, answer in turns]


@torch.no_grad()
def exact_answers(model: Any, tokenizer: Any, dataset: TextDataset | SceneTokenDataset, batch_size: int = 64) -> list[bool]:
    """For each example, whether the greedy answer equals the true one, token for token up to EOS.

    model: a language model on scenes in words, or `SceneTokens` on a SceneTokenDataset.
    """
    model.eval()
    told = isinstance(model, SceneTokens)
    language_model = model.language_model if told else model
    questions, right = dataset.questions(), list[bool]()
    for start in tqdm(range(0, len(questions), batch_size), desc="held-out answers", unit="batch"):
        prompts, answers = zip(*questions[start : start + batch_size], strict=True)
        if told:
            padded, length = model.prompts(prompts), 0  # of embeddings, new tokens come back alone
        else:
            padded = tokenizer.pad({"input_ids": list(prompts)}, padding_side="left", return_tensors="pt").to(model.device)
            length = padded["input_ids"].shape[1]
        generated = language_model.generate(
            **padded, max_new_tokens=max(map(len, answers)), do_sample=False, pad_token_id=tokenizer.pad_token_id
        )[:, length:]
        right += [row[: len(answer)].tolist() == answer for row, answer in zip(generated, answers, strict=True)]
    return right


def _begin(arguments: TextArguments, scenes: Sequence[AskedScene]) -> tuple[Any, Any]:
    """The language model that is to learn, and its tokenizer: fresh ones, or those of an earlier run."""
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
    """Those questions that are of these types, and the scenes that have some."""
    kept = [(scene, [item for item in asked if types is None or item.type in types]) for scene, asked in scenes]
    return [(scene, asked) for scene, asked in kept if asked]


def pretrain_text(arguments: TextArguments) -> dict[str, float]:
    """Makes, trains and saves tokenizer and language model; returns exact-match shares on held-out scenes by type."""
    prepare(arguments.seed, arguments.cpu_threads)
    recordings = distinct_recordings(read_manifest(arguments.manifest))
    labels = sorted({label for record in recordings for source in targets_of(record) for label in source.labels})
    # Seeds of training and held-out text: scenes are drawn from continuous ranges, so no scene comes twice.
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
