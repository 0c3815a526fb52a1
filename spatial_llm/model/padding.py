"""Pads prompts and answers of one batch to a rectangle: prompts on the left, answers on the right."""

from collections.abc import Sequence
from typing import Any

from spatial_llm.errors import SpatialLLMError

IGNORED = -100  # label of tokens without loss


def pad_rows(
    rows: Sequence[tuple[Sequence[int], Sequence[int]]],
    pad_id: int,
    with_labels: bool,
    padding: bool = True,
    max_length: int | None = None,
) -> dict[str, list[list[int]]]:
    """Pads (placeholders and prompt, answer and EOS) rows to one rectangle.

    The first part is padded on the left, so that all prompts end in one column, the second on the right. `max_length` widens
    the left.

    Returns:
        `input_ids`, `attention_mask` and, if `with_labels`, `labels`: lists (B, length).
    """
    before = max(len(prompt) for prompt, _ in rows)
    after = max(len(answer) for _, answer in rows)
    before = max(before, (max_length or 0) - after)
    batch: dict[str, list[list[int]]] = {"input_ids": [], "attention_mask": []}
    if with_labels:
        batch["labels"] = []
    for prompt, answer in rows:
        left, right = (before - len(prompt), after - len(answer)) if padding else (0, 0)
        batch["input_ids"].append([pad_id] * left + [*prompt, *answer] + [pad_id] * right)
        batch["attention_mask"].append([0] * left + [1] * (len(prompt) + len(answer)) + [0] * right)
        if with_labels:
            batch["labels"].append([IGNORED] * (left + len(prompt)) + list(answer) + [IGNORED] * right)
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
