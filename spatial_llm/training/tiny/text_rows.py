"""Rows of token ids: a scene, then each question in BAT's prompt with its answer."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

from spatial_llm.model.padding import IGNORED
from spatial_llm.prompts import PROMPT_FORMATS

PROMPT = PROMPT_FORMATS["bat"]
PADDING = -1  # where a row of a batch has no token

Ids = list[int]
Turn = tuple[Ids, Ids]  # prompt, answer and EOS
Batch = dict[str, torch.Tensor]


def turns_of(tokenizer: Any, asked: Iterable[tuple[str, str]]) -> list[Turn]:
    """Encodes questions and answers: a prompt is BOS and BAT's prompt with the question; an answer ends with EOS.

    Args:
        tokenizer: a tokenizer that puts BOS before a text.
        asked: questions with their answers.
    """
    questions, answers = zip(*asked, strict=True)
    prompts = tokenizer([PROMPT.format(question=question) for question in questions])["input_ids"]
    encoded = tokenizer(list(answers), add_special_tokens=False)["input_ids"]
    return [(prompt, [*answer, tokenizer.eos_token_id]) for prompt, answer in zip(prompts, encoded, strict=True)]


def text_collator(pad_token_id: int) -> Callable[[list[tuple[Ids, list[Turn]]]], Batch]:
    """Returns a collator that puts each scene and all its questions into one row.

    A question attends to the scene and to itself, but not to the other questions. The loss equals that of one row per
    question, and the scene is computed once for all of them.

    Returns:
        A function from a list of (scene, turns) to `input_ids`, `position_ids` (as if each question stood alone after its
        scene), `labels` (B, length), with loss on answers and EOS only, and `attention_mask` (B, 1, length, length), true
        where a token is attended to.
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
    """Returns a scene and its questions as one row; `turn` is 0 in the scene and counts the questions from 1."""
    row = {"input_ids": [*scene], "position_ids": [*range(len(scene))], "turn": [0] * len(scene)}
    row["labels"] = [IGNORED] * len(scene)
    for number, (prompt, answer) in enumerate(turns, start=1):
        length = len(prompt) + len(answer)
        row["input_ids"] += [*prompt, *answer]
        row["position_ids"] += range(len(scene), len(scene) + length)
        row["turn"] += [number] * length
        row["labels"] += [*[IGNORED] * len(prompt), *answer]
    return row
