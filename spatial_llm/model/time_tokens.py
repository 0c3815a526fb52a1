"""Tokens of their own for times in seconds, as ids behind the vocabulary of the language model.

There are two forms. "digits", as the third vocabulary of TimeAudio (arXiv 2511.11039): 20 tokens, `<a_d>` for a digit of the
whole part and `<f_d>` for one of the fraction, so that "12.4" is `<a_1><a_2><f_4>` and "2" is `<a_2>`. "absolute", as TAC
(arXiv 2602.15766): one token `<t_x.xx>` for each hundredth of a second from 0 to a longest time.

The tokens have ids and no text: no tokenizer knows them, so no text that a person writes can hold one. The processor puts
them in the place of the numbers that `answers.text.times` finds, and takes them back when it decodes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from spatial_llm.errors import SpatialLLMError

TimeForm = Literal["none", "digits", "absolute"]

LONGEST_S = 10.0  # longest time of the form "absolute" by default
MOST_S = 600.0
_DIGITS = "0123456789"
_BREAK = ","  # between two numbers without text between them: then no parser takes them for one


@dataclass(frozen=True)
class TimeTokens:
    """The tokens of one form.

    Attributes:
        form: "digits" or "absolute".
        first_id: id of the first token, the number of rows of the language model's vocabulary.
        longest_s: longest time of the form "absolute", in seconds; None with "digits".
    """

    form: str
    first_id: int
    longest_s: float | None = None

    @property
    def count(self) -> int:
        """Returns the number of tokens."""
        return 2 * len(_DIGITS) if self.longest_s is None else round(100 * self.longest_s) + 1

    @property
    def settings(self) -> dict[str, Any]:
        """Returns what `read_time_tokens` reads."""
        longest = {} if self.longest_s is None else {"longest_s": self.longest_s}
        return {"form": self.form, **longest, "first_id": self.first_id}

    def __contains__(self, token_id: int) -> bool:
        return self.first_id <= token_id < self.first_id + self.count

    def ids(self, number: str) -> list[int] | None:
        """Returns the ids for a number such as "1.25"; None if this form has none: beyond the longest time, or finer than
        a hundredth of a second."""
        if self.longest_s is None:
            whole, _, fraction = number.partition(".")
            return [self.first_id + int(digit) for digit in whole] + [self.first_id + 10 + int(digit) for digit in fraction]
        hundredths = 100 * Decimal(number)
        known = hundredths == int(hundredths) and hundredths < self.count
        return [self.first_id + int(hundredths)] if known else None

    def spelled(self, token_id: int) -> str:
        """Returns the text that a token stands for where a number begins with it: "1", ".1", or "1.1" and "1.25"."""
        index = token_id - self.first_id
        if self.longest_s is None:
            return str(index) if index < 10 else f".{index - 10}"
        return f"{index // 100}.{index % 100:02d}".removesuffix("0")

    def plain(self, ids: list[int], characters: Mapping[str, int]) -> list[int]:
        """Returns ids in which every token of a time is replaced by the ids of the characters that it stands for.

        A beginning of `ids` gives a beginning of the result, so that a text can be handed on while it is written.

        Args:
            ids: of an answer.
            characters: ids of `CHARACTERS` in the tokenizer.
        """
        plain: list[int] = []
        before = ""  # text of the number that the last ids wrote
        for token_id in ids:
            if token_id not in self:
                plain.append(token_id)
                before = ""
                continue
            text = self.spelled(token_id)
            if "." in before:
                goes_on = self.longest_s is None and text.startswith(".")
                text = text.removeprefix(".") if goes_on else _BREAK + text
            before = text if text.startswith(_BREAK) else before + text
            plain += [characters[character] for character in text]
        return plain


CHARACTERS = (*_DIGITS, ".", _BREAK)


def read_time_tokens(settings: Mapping[str, Any] | None, first_id: int | None = None) -> TimeTokens | None:
    """Returns the tokens that `config.time_tokens` describes: {"form": "digits"}, {"form": "absolute", "longest_s": 10.0},
    or None for none.

    Args:
        settings: of the config, or with `first_id`, of the processor.
        first_id: of the tokens; None if `settings` have it.

    Raises:
        SpatialLLMError: unknown keys or form, or a longest time that is no multiple of 0.01 s between 0.01 and 600 s.
    """
    if settings is None:
        return None
    given = dict(settings) if isinstance(settings, Mapping) else {}
    form, longest_s = given.pop("form", None), given.pop("longest_s", None)
    first_id = given.pop("first_id", None) if first_id is None else first_id
    if not isinstance(first_id, int) or first_id < 1:
        raise SpatialLLMError(f"time_tokens.first_id is {first_id!r}; expected the number of rows of the language model.")
    if form not in ("digits", "absolute") or given or (form == "digits" and longest_s is not None):
        raise SpatialLLMError(
            f'time_tokens is {settings!r}; expected None, {{"form": "digits"}} or '
            '{"form": "absolute", "longest_s": seconds}.'
        )
    if form == "digits":
        return TimeTokens(form, first_id)
    longest_s = LONGEST_S if longest_s is None else longest_s
    is_number = isinstance(longest_s, int | float) and not isinstance(longest_s, bool)
    if not is_number or not 0.01 <= longest_s <= MOST_S or abs(100 * longest_s - round(100 * longest_s)) > 1e-6:
        raise SpatialLLMError(
            f"time_tokens.longest_s is {longest_s!r}; expected seconds, 0.01 to {MOST_S:g}, a multiple of 0.01."
        )
    return TimeTokens(form, first_id, float(longest_s))


def time_settings(form: TimeForm, longest_s: float) -> dict[str, Any] | None:
    """Returns `config.time_tokens` for a form of the recipe; `longest_s` counts for "absolute" alone."""
    if form == "none":
        return None
    return {"form": form} if form == "digits" else {"form": form, "longest_s": longest_s}


def check_free(times: TimeTokens | None, audio_token_id: int) -> None:
    """Raises SpatialLLMError if the audio placeholder has the id of a time token."""
    if times is not None and audio_token_id in times:
        raise SpatialLLMError(
            f"audio_token_id is {audio_token_id}, but time_tokens take the ids {times.first_id} to "
            f"{times.first_id + times.count - 1}: give {times.first_id + times.count}, or a token of the vocabulary."
        )
