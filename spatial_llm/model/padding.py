"""Pads prompts and answers of one batch to a rectangle: prompts on the left, answers on the right."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from spatial_llm.errors import SpatialLLMError

IGNORED = -100  # label of tokens without loss
TOKEN_WEIGHTS = "token_weights"  # name in a batch


@dataclass
class Row:
    """The tokens of one conversation.

    Attributes:
        ids: token ids (length).
        labels: (length), `IGNORED` on tokens without loss.
        border: tokens before the first answer; all of them, if the last answer is to be generated.
        times: places in `ids` of the tokens that write a time in an answer.
    """

    ids: list[int]
    labels: list[int]
    border: int
    times: set[int] = field(default_factory=set)


def pad_rows(
    rows: Sequence[Row],
    pad_id: int,
    with_labels: bool,
    padding: bool = True,
    max_length: int | None = None,
    time_weight: float = 0.0,
) -> dict[str, list[list[Any]]]:
    """Pads rows to one rectangle.

    What is before the border is padded on the left, so that all prompts end in one column, the rest on the right.
    `max_length` widens the left.

    Returns:
        `input_ids`, `attention_mask` and, if `with_labels`, `labels`: lists (B, length). With a `time_weight` also
        `token_weights`: 1 + `time_weight` on labels that write a time, 1 on other labels, 0 on ignored ones.
    """
    before = max(row.border for row in rows)
    after = max(len(row.ids) - row.border for row in rows)
    before = max(before, (max_length or 0) - after)
    batch: dict[str, list[list[Any]]] = {"input_ids": [], "attention_mask": []}
    if with_labels:
        batch["labels"] = []
    for row in rows:
        left, right = (before - row.border, after - len(row.ids) + row.border) if padding else (0, 0)
        batch["input_ids"].append([pad_id] * left + row.ids + [pad_id] * right)
        batch["attention_mask"].append([0] * left + [1] * len(row.ids) + [0] * right)
        if with_labels:
            batch["labels"].append([IGNORED] * left + row.labels + [IGNORED] * right)
        if with_labels and time_weight > 0:
            weights = [
                0.0 if label == IGNORED else 1.0 + time_weight * (place in row.times)
                for place, label in enumerate(row.labels)
            ]
            batch.setdefault(TOKEN_WEIGHTS, []).append([0.0] * left + weights + [0.0] * right)
    return batch


def padding_options(options: dict[str, Any]) -> dict[str, Any]:
    """Converts transformers' `padding`, `max_length` and `truncation` to arguments of `pad_rows`.

    Raises:
        SpatialLLMError: the options demand truncation, or padding to a length that is not given.
    """
    if options.get("truncation"):
        raise SpatialLLMError("truncation was asked for; a prompt that is cut loses its question: shorten the text instead.")
    padding = options.get("padding", True)
    padding = getattr(padding, "value", padding)
    fixed = padding == "max_length"
    if fixed and options.get("max_length") is None:
        raise SpatialLLMError("padding='max_length' needs max_length, the number of tokens to pad to.")
    return {"padding": padding not in (False, "do_not_pad"), "max_length": options["max_length"] if fixed else None}
