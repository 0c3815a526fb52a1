"""Teaching the tiny language model on words alone: a scene told in words stands where audio tokens will stand, then BAT's
prompt with a question, then the answer. Afterwards it knows the questions and needs only ears.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset
from tqdm import tqdm
from transformers import AutoModelForCausalLM, AutoTokenizer

from spatial_llm.data.dataset import distinct_recordings
from spatial_llm.data.records import read_manifest
from spatial_llm.data.targets import targets_of
from spatial_llm.model.processing_spatial_llm import IGNORED, PROMPT_FORMATS
from spatial_llm.questions.phrasings import CONVENTIONS
from spatial_llm.questions.text_corpus import text_examples
from spatial_llm.training.base_models import load_base
from spatial_llm.training.run_folder import RunFolder
from spatial_llm.training.text_arguments import TextArguments
from spatial_llm.training.text_model import build_language_model, build_tokenizer
from spatial_llm.training.trainable import format_what_trains, what_trains
from spatial_llm.training.trainer import train
from spatial_llm.training.trainer_arguments import prepare

PROMPT = PROMPT_FORMATS["bat"]
PADDING = -1  # where a row of a batch has no token

Ids = list[int]
Turn = tuple[Ids, Ids]  # prompt, answer and EOS
Batch = dict[str, torch.Tensor]


class TextDataset(Dataset):
    """Scenes in words with all their questions, as token ids, not padded: item (scene, [(prompt, answer), ...]).

    A prompt is BOS and BAT's prompt with the question; an answer ends with EOS.

    Args:
        examples: of `spatial_llm.questions.text_corpus.text_examples`; those of a scene follow each other.
        tokenizer: that puts BOS before a text.
    """

    def __init__(self, examples: Sequence[dict[str, str]], tokenizer: Any) -> None:
        prompts = tokenizer([PROMPT.format(question=e["question"]) for e in examples])["input_ids"]
        answers = tokenizer([e["answer"] for e in examples], add_special_tokens=False)["input_ids"]
        self.items: list[tuple[Ids, list[Turn]]] = []
        rows = zip(examples, prompts, answers, strict=True)
        for scene, group in itertools.groupby(rows, key=lambda row: row[0]["scene"]):
            turns = [(prompt, [*answer, tokenizer.eos_token_id]) for _, prompt, answer in group]
            self.items.append((tokenizer(scene, add_special_tokens=False)["input_ids"], turns))

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Ids, list[Turn]]:
        return self.items[index]

    def questions(self) -> list[Turn]:
        """(Scene and prompt, answer) of every question."""
        return [(scene + prompt, answer) for scene, turns in self.items for prompt, answer in turns]


def text_collator(pad_token_id: int) -> Callable[[list[tuple[Ids, list[Turn]]]], Batch]:
    """Collator to a batch of scenes, each followed by its questions, which see the scene and themselves but not each other:
    the loss is that of one row a question, and the scene is read once for all of them.

    Returns:
        `input_ids`, `position_ids` (those of a scene with one question), `labels` (B, length) and `attention_mask`
        (B, 1, length, length), true where a token is seen. The loss is on answers and EOS.
    """

    def collate(samples: list[tuple[Ids, list[Turn]]]) -> Batch:
        rows = [_row(scene, turns) for scene, turns in samples]
        fill = {"input_ids": pad_token_id, "position_ids": 0, "labels": IGNORED, "turn": PADDING}
        batch = {
            name: pad_sequence([torch.tensor(row[name]) for row in rows], batch_first=True, padding_value=value)
            for name, value in fill.items()
        }
        turn = batch.pop("turn")
        asks, seen = turn[:, :, None], turn[:, None, :]
        visible = (asks == seen) | ((seen == 0) & (asks > 0))
        return batch | {"attention_mask": visible.tril()[:, None]}

    return collate


def _row(scene: Ids, turns: list[Turn]) -> dict[str, Ids]:
    """A scene and its questions in one row; `turn` is 0 in the scene and counts the questions from 1."""
    row = {"input_ids": [*scene], "position_ids": [*range(len(scene))], "turn": [0] * len(scene)}
    row["labels"] = [IGNORED] * len(scene)
    for number, (prompt, answer) in enumerate(turns, start=1):
        length = len(prompt) + len(answer)
        row["input_ids"] += [*prompt, *answer]
        row["position_ids"] += range(len(scene), len(scene) + length)
        row["turn"] += [number] * length
        row["labels"] += [*[IGNORED] * len(prompt), *answer]
    return row


@torch.no_grad()
def exact_answers(model: Any, tokenizer: Any, dataset: TextDataset, batch_size: int = 64) -> list[bool]:
    """For each example, whether the greedy answer equals the true one, token for token up to EOS."""
    model.eval()
    questions, right = dataset.questions(), list[bool]()
    for start in tqdm(range(0, len(questions), batch_size), desc="held-out answers", unit="batch"):
        prompts, answers = zip(*questions[start : start + batch_size], strict=True)
        padded = tokenizer.pad({"input_ids": list(prompts)}, padding_side="left", return_tensors="pt").to(model.device)
        generated = model.generate(
            **padded, max_new_tokens=max(map(len, answers)), do_sample=False, pad_token_id=tokenizer.pad_token_id
        )[:, padded["input_ids"].shape[1] :]
        right += [row[: len(answer)].tolist() == answer for row, answer in zip(generated, answers, strict=True)]
    return right


def _begin(arguments: TextArguments, examples: Sequence[dict[str, str]]) -> tuple[Any, Any]:
    """The language model that is to learn, and its tokenizer: fresh ones, or those of an earlier run."""
    if arguments.initial_language_model is not None:
        model = load_base(AutoModelForCausalLM, arguments.initial_language_model, "initial_language_model")
        return model.train(), load_base(AutoTokenizer, arguments.initial_language_model, "its tokenizer")
    tokenizer = build_tokenizer(
        (text for e in examples for text in (e["scene"], e["question"], e["answer"])),
        arguments.vocab_size,
        phrases=[*PROMPT.split("{question}"), *CONVENTIONS],
    )
    return build_language_model(arguments, tokenizer), tokenizer


def pretrain_text(arguments: TextArguments) -> dict[str, float]:
    """Makes, trains and saves tokenizer and language model; returns exact-match shares on held-out scenes by type."""
    prepare(arguments.seed, arguments.cpu_threads)
    recordings = distinct_recordings(read_manifest(arguments.manifest))
    labels = {label for record in recordings for source in targets_of(record) for label in source.labels}
    # Seeds of training and held-out text: scenes are drawn from continuous ranges, so no scene comes twice.
    asked = {"config": arguments.questions, "most_sources": arguments.most_sources}
    halved = {"half_told": arguments.half_told}
    examples = text_examples(labels, arguments.examples, seed=2 * arguments.seed, **asked, **halved)
    held_out = text_examples(labels, arguments.eval_examples, seed=2 * arguments.seed + 1, **asked)
    model, tokenizer = _begin(arguments, examples)
    run = RunFolder(arguments, arguments.manifest)
    print(f"{len(examples)} questions about scenes in words, {len(labels)} classes; {len(tokenizer)} tokens")
    print(format_what_trains(what_trains(model)))
    train(
        model,
        TextDataset(examples, tokenizer),
        text_collator(tokenizer.pad_token_id),
        arguments.schedule,
        run,
        arguments.seed,
    )
    right = exact_answers(model, tokenizer, TextDataset(held_out, tokenizer))
    scores = {"exact": sum(right) / len(right)}
    for kind in sorted({example["question_type"] for example in held_out}):
        chosen = [ok for ok, example in zip(right, held_out, strict=True) if example["question_type"] == kind]
        scores[kind] = sum(chosen) / len(chosen)
    run.log({"eval": scores})
    print("answers exactly right on held-out scenes: " + "  ".join(f"{k} {v:.3f}" for k, v in scores.items()))
    run.save(model.save_pretrained, tokenizer.save_pretrained)
    return scores
