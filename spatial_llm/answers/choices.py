"""Multiple choice: the option that an answer names, by its letter or by its text.

Peculiar: a letter and a text that name different options cancel each other. An option may carry its letter in its own
text ("(B) left"), as some released benchmarks have it.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence

from spatial_llm.answers.axes import Reading, is_lenient
from spatial_llm.answers.lenient.words import Words, words_of
from spatial_llm.errors import SpatialLLMError

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_END = ".,;:!? "
_OWN_LETTER = re.compile(r"\(?([a-z])[).:]\s*|\(([a-z])\)\s*")
_MASK = "\x00"
# a letter is meant where it opens the text with a mark, stands in brackets, or follows "answer", "option" and the like
_LETTER = re.compile(
    r"(?:^[\s\"'(\[]*([a-z])(?=\s*(?:[).:,\]\"']|-\s|\n|$)))|[(\[]([a-z])[)\]]"
    r"|(?<!\w)(?:option|choice|letter|choose|select|pick|go with)(?: is)?:?\s*[\"'(\[]?([a-z])(?!\w)"
    r"|(?<!\w)answer(?: is| would be| should be)?:?\s*(?:option |choice |letter )?[\"'(\[]?"
    r"(?:([b-hj-z])(?![\w'])|([ai])(?=\s*(?:[).:,\]\"'!?]|$|\n|because|since|as )))",
    re.IGNORECASE,
)
_CAPITAL = re.compile(r"(?<![\w'-])(?:([B-HJ-Z])(?![\w'-])|([AI])(?=\s*(?:[).:,!?\]]|$)))")


def parse_choice(text: str, choices: Sequence[str], reading: Reading = "strict") -> int | None:
    """The index of the one option that a text names, or None.

    Strict: a letter alone (A is the first option), or exactly the text of one option, save case, spaces and marks at the
    end. Lenient: also "(b)", "Answer: B", "option B", or the text of exactly one option inside a sentence, not denied; a
    letter and an option's text must agree, and so must several of either.

    Raises:
        SpatialLLMError: no option or more than 26.
    """
    if not 1 <= len(choices) <= len(_LETTERS):
        raise SpatialLLMError(f"choices has {len(choices)} options; give 1 to {len(_LETTERS)}.")
    lenient = is_lenient(reading)
    options = [_option(choice, index) for index, choice in enumerate(choices)]
    line = _line(text)
    named = {i for i, option in enumerate(options) if line and line in (option, _line(choices[i]))}
    index = _agreed(named | _letter(line, len(options)))
    return _inside(text, options) if index is None and lenient else index


def _line(text: str) -> str:
    return " ".join(text.lower().split()).strip(_END)


def _option(choice: str, index: int) -> str:
    """An option in lower case, without the letter of its place."""
    line = _line(choice)
    own = _OWN_LETTER.match(line)
    if own and (own[1] or own[2]) == _LETTERS[index] and len(line) > own.end():
        line = line[own.end() :]
    return line


def _letter(line: str, options: int) -> set[int]:
    return {_LETTERS.index(line)} if len(line) == 1 and line in _LETTERS[:options] else set()


def _agreed(indices: set[int]) -> int | None:
    return next(iter(indices)) if len(indices) == 1 else None


def _inside(text: str, options: list[str]) -> int | None:
    """The option that a sentence names by letter, by text or by both."""
    words = words_of(text)
    found, places = _options_in(words, options)
    masked = list(words.text)
    for start, end in places:
        masked[start:end] = _MASK * (end - start)
    remaining = "".join(masked)
    letters = [(match, True) for match in _LETTER.finditer(remaining)]
    letters += [(match, False) for match in _CAPITAL.finditer(remaining)]
    starts = [token.start for token in words.tokens]
    for match, outright in letters:
        index = _LETTERS.find(next(filter(None, match.groups())).lower())
        if index < 0:
            continue  # a letter that only looks like one of ours in lower case
        if index < len(options):
            denied = words.denied[bisect_right(starts, match.start(match.lastindex or 0)) - 1]
            found.append((index, denied))
        elif outright:
            return None  # an option that does not exist
    return _agreed({index for index, _ in found}) if not any(denied for _, denied in found) else None


def _options_in(words: Words, options: list[str]) -> tuple[list[tuple[int, bool]], list[tuple[int, int]]]:
    """The options whose text occurs, each as (index, denied), and where they stand as (first, last) characters.

    A longer option hides a shorter one in the same place ("front left" hides "left"); two options of the same text are
    both found.
    """
    sought: dict[str, list[tuple[list[str], int]]] = {}
    for index, option in enumerate(options):
        strings = words_of(option).strings[:-1]
        if strings:
            sought.setdefault(strings[0], []).append((strings, index))
    found, places, position = [], [], 0
    while position < len(words.tokens):
        fitting = [
            (len(strings), index)
            for strings, index in sought.get(words.strings[position], ())
            if words.strings[position : position + len(strings)] == strings
        ]
        length = max((length for length, _ in fitting), default=0)
        found += [(index, words.denied[position]) for longest, index in fitting if longest == length]
        if length:
            places.append((words.tokens[position].start, words.tokens[position + length - 1].end))
        position += length or 1
    return found, places
