"""Encodes texts with times, and decodes them: as time tokens if the model has them, else with the places of their tokens.

A text is cut at its times, and each piece of text after a time is encoded as after a digit, because many tokenizers encode
the beginning of a text in another way than its middle.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spatial_llm.answers.text.times import find_times
from spatial_llm.errors import SpatialLLMError
from spatial_llm.model.time_tokens import CHARACTERS, TimeTokens

Encode = Callable[[str, bool], list[int]]  # (text, whether it is the first of its row) -> ids


def encode_timed(encode: Encode, times: TimeTokens | None, prompt: str, answer: str = "", first: bool = True) -> list[int]:
    """Returns the ids of a prompt and its answer, with time tokens in the place of times, in both.

    A time in a prompt that the form cannot write (`TimeTokens.ids`) stays text, because a person may ask anything.

    Args:
        encode: the tokenizer.
        times: the tokens; None encodes the text as it is.
        prompt, answer: they are joined without a space.
        first: whether the text is the first of its row.

    Raises:
        SpatialLLMError: such a time is in the answer.
    """
    text = prompt + answer
    ids: list[int] = []
    begin = 0
    for start, end in [] if times is None else _times_in(prompt, answer):
        number = times.ids(text[start:end])
        if number is not None:
            ids += encode(text[:start], first) if begin == 0 else _after_digit(encode, text[begin:start])
            ids += number
            begin = end
        elif start >= len(prompt):
            raise SpatialLLMError(
                f"the answer {answer!r} holds the time {text[start:end]} s, which has no token: time_tokens write "
                f"hundredths of a second up to {times.longest_s:g} s. Give a longer longest_time_s, or the form digits."
            )
    return ids + (encode(text, first) if begin == 0 else _after_digit(encode, text[begin:]))


def places_of_times(encode: Encode, prompt: str, answer: str, first: bool) -> set[int]:
    """Returns which ids of a prompt and its answer, encoded as plain text, hold a digit or the point of a time in the
    answer."""
    text, places = prompt + answer, set()
    found = [span for span in _times_in(prompt, answer) if span[0] >= len(prompt)]
    whole = encode(text, first) if found else []
    for start, end in found:
        # With another digit in its place, the ids differ from the first token on that holds one of the number.
        other = encode(text[:start] + ("2" if text[start] == "1" else "1"), first)
        # A token may hold the end of a time and what follows: then the text up to the time ends in another token.
        up_to_end = encode(text[:end], first)
        last = _common(up_to_end, whole)
        places |= set(range(_common(other, whole), last + (last < len(up_to_end))))
    return places


def characters_of(tokenizer: Any) -> dict[str, int]:
    """Returns the ids of the characters that write times, each of which must be a token.

    Raises:
        SpatialLLMError: one is not.
    """
    vocabulary = tokenizer.get_vocab()
    if missing := [character for character in CHARACTERS if character not in vocabulary]:
        raise SpatialLLMError(
            f"time_tokens need a tokenizer in which each digit, the point and the comma is a token; {missing} are none: set "
            "time_tokens to none."
        )
    return {character: vocabulary[character] for character in CHARACTERS}


def check_ids_free(times: TimeTokens, tokenizer: Any) -> None:
    """Raises SpatialLLMError if a token of the tokenizer has the id of a time token."""
    if taken := [token for token, token_id in tokenizer.get_vocab().items() if token_id in times]:
        raise SpatialLLMError(
            f"the tokenizer's token {taken[0]!r} lies behind the {times.first_id} rows of the language model, where "
            "time_tokens have their ids: resize the language model to its tokenizer, or set time_tokens to none."
        )


def plain_ids(ids: Any, times: TimeTokens, characters: Mapping[str, int]) -> Any:
    """Returns ids, or lists of ids, as lists in which times are written in characters; see `TimeTokens.plain`."""
    ids = ids.tolist() if hasattr(ids, "tolist") else ids
    if isinstance(ids, int):
        ids = [ids]
    if ids and not isinstance(ids[0], int):
        return [plain_ids(each, times, characters) for each in ids]
    return times.plain(list(ids), characters)


def _times_in(prompt: str, answer: str) -> list[tuple[int, int]]:
    """Returns the times of a prompt and of its answer, none across the border; places are in the joined text."""
    shift = len(prompt)
    return find_times(prompt) + [(start + shift, end + shift) for start, end in find_times(answer)]


def _after_digit(encode: Encode, text: str) -> list[int]:
    digit, both = encode("1", False), encode("1" + text, False)
    return both[len(digit) :] if both[: len(digit)] == digit else encode(text, False)


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Returns the length of the common beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
