"""Multiple choice: finds the option that an answer names, by its letter or by its text.

Note: a letter and a text that name different options cancel each other, and so do a denial ("B is wrong") and an alternative
("either A or C", "B or something else"), because such a text commits to nothing. An option may carry its letter in its own
text ("(B) left"), as in some released benchmarks.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence

from spatial_llm.answers.axes import Reading, is_lenient
from spatial_llm.answers.text.words import Words, words_of
from spatial_llm.errors import SpatialLLMError

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_END = ".,;:!? "
_OWN_LETTER = re.compile(r"\(?([a-z])[).:]\s*|\(([a-z])\)\s*")
_MASK = "\x00"
_OR = r"(?:or|and|nor|vs|versus|to|as well as|/|&|\+)"
_CLOSE = r"[\s\"')\]}>`$]{0,8}"  # bounded, like all patterns below, so that no text takes quadratic time
_OPEN = r"[\s\"'(\[{<`$]{0,8}"
# A letter names an option if it opens the text with a mark, stands in brackets, or follows "answer", "option" and the like
_LETTER = re.compile(
    r"(?:^[\s\"'(\[]*([a-z])(?=\s*(?:[).:,\]\"]|'(?!\w)|-\s|-$|\n|$)))|[(\[{<]\s*([a-z])\s*[)\]}>]|\$([a-z])\$"
    r"|(?<!\w)(?:option|choice|letter|choose|select|pick|go with)(?: is)?:?\s*[\"'(\[]?([a-z])(?!\w)"
    r"|(?<!\w)answer(?: is| would be| should be)?:?\s*(?:option |choice |letter )?[\"'(\[]?"
    r"(?:([b-hj-z])(?!\w|'\w)|([ai])(?=\s*(?:[).:,\]\"'!?]|$|\n|because|since|as )))",
    re.IGNORECASE,
)
# "A" is an article and "I" a pronoun, except before a mark, before a verb that follows no article, or before another letter.
_CAPITAL = re.compile(
    r"(?<![\w'-])(?:([B-HJ-Z])(?![\w'-])|([AI])(?=\s*(?:[).:,!?\]]|$))"
    rf"|(A)(?=\s+(?:is|was|are|seems|sounds|looks|fits|can|could|or|and|nor|vs|versus|rather|instead|but|not)(?!\w))"
    rf"|([AI])(?={_CLOSE}{_OR}{_OPEN}[A-Z](?![\w'])))"
)
_HEDGE = r"(?:(?:maybe|possibly|perhaps|even|also|else|option|choice|answer|then) ){0,4}"
_ALTERNATIVE = re.compile(
    rf"{_CLOSE}(?:,?\s{{0,8}}{_OR}{_OPEN}{_HEDGE}{_OPEN}([a-z])(?![\w'])|,\s{{0,8}}([a-z])(?=\s{{0,8}},|\s{{1,8}}(?:or|and)\b))",
    re.IGNORECASE,
)
_BOLD = re.compile(r"<([a-z])>(?=[^<]*</\1>)|</[a-z]>", re.IGNORECASE)
_OPEN_END = re.compile(rf"{_CLOSE},?\s{{0,8}}(?:or|/)(?!\w)")
_OPEN_BEGINNING = re.compile(
    r"(?<!\w)(?:or|either|neither|between|whether|if)(?:\s+(?:a|an|the|in|on|at|to|from|maybe|perhaps|option|choice|answer))*\W*$",
    re.IGNORECASE,
)
_REASON = {"as", "since", "because", "for", "so", "while", "and", "though", "but", "which", "that", "if", "when"}
_UNSURE = {"sure", "certain", "confident", "positive", "only", "wrong", "incorrect", "false", "bad"}
_CLOSING_MARKS = {")", "]", ">", "}", '"', "'", "`", "$"}
_FAR = 12  # a "not" within this many tokens after an option denies it
_LONGEST_LINK = 60  # longest text, in characters, between an "or" and the option after it


def parse_choice(text: str, choices: Sequence[str], reading: Reading = "strict") -> int | None:
    """Returns the index of the one option that a text names, or None.

    Strict: the text is a letter alone (A is the first option) or exactly the text of one option, apart from case, spaces and
    marks at the end. Lenient: also "(b)", "Answer: B", "option B", or the text of exactly one option inside a sentence, not
    denied; all letters and option texts in the answer must agree.

    Raises:
        SpatialLLMError: there is no option, or there are more than 26.
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
    """Returns an option in lower case, without the letter of its place."""
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
    """Returns the option that a sentence names by letter, by text or by both."""
    words = words_of(_BOLD.sub(" ", text))
    found = _options_in(words, options)
    masked = list(words.text)
    for _, start, end in found:
        masked[start:end] = _MASK * (end - start)
    letters = _letters_in("".join(masked), len(options))
    if letters is None:
        return None  # the letter of an option that does not exist
    index = _agreed({index for index, _, _ in found} | {index for index, _ in letters})
    if index is None:
        return None
    # The options' texts are removed first, because "false" and "not moving" in them deny nothing.
    words = words_of("".join(masked))
    starts = [token.start for token in words.tokens]
    places = sorted({(start, end) for _, start, end in found} | {(at, at + 1) for _, at in letters})
    for start, end in places:
        first, last = bisect_left(starts, start), bisect_left(starts, end)
        if words.denied[first] or _denied_after(words, last):
            return None
    return None if _left_open(words.text, places) else index


def _letters_in(remaining: str, options: int) -> list[tuple[int, int]] | None:
    """Returns (option, character) of each letter of a text without the options' texts; None if one clearly names no
    existing option."""
    matches = [(match, True) for match in _LETTER.finditer(remaining)]
    matches += [(match, False) for match in _CAPITAL.finditer(remaining)]
    found: dict[int, int] = {}
    for match, outright in matches:
        at = match.start(match.lastindex or 0)
        index = _LETTERS.find(remaining[at].lower())
        if index < 0:
            continue  # such as the long s, which IGNORECASE matches as an s
        if index >= options:
            if outright:
                return None
            continue
        found[at] = index
        for _ in range(options):  # "option a, b or c"
            other = _ALTERNATIVE.match(remaining, at + 1)
            if other is None:
                break
            at = other.start(other.lastindex or 0)
            index = _LETTERS.find(remaining[at].lower())
            if not 0 <= index < options:
                return None
            found[at] = index
    return [(index, at) for at, index in found.items()]


def _denied_after(words: Words, index: int) -> bool:
    """Returns whether the rest of the clause after a token denies what precedes it: "B does not fit"."""
    while index < len(words.tokens) and words.strings[index] in _CLOSING_MARKS:
        index += 1
    last = min(index + _FAR, len(words.tokens))
    while index < last and words.tokens[index].kind == "word" and words.strings[index] not in _REASON:
        if words.strings[index] == "not":
            return words.strings[index + 1] not in _UNSURE
        index += 1
    return False


def _left_open(remaining: str, places: list[tuple[int, int]]) -> bool:
    """Returns whether "or", "either" and the like tie an option to something that is not an option: "B or something
    else"."""
    for number, (start, end) in enumerate(places):
        after = _OPEN_END.match(remaining, end)
        if after and not (number + 1 < len(places) and places[number + 1][0] - after.end() <= _LONGEST_LINK):
            return True
        before = places[number - 1][1] if number else 0
        if _OPEN_BEGINNING.search(remaining[max(before, start - _LONGEST_LINK) : start]) and not number:
            return True
    return False


def _options_in(words: Words, options: list[str]) -> list[tuple[int, int, int]]:
    """Returns the options whose text occurs, each as (index, first character, character after the last).

    A longer option hides a shorter one in the same place ("front left" hides "left"). Two options of the same text are both
    found.
    """
    sought: dict[str, list[tuple[list[str], int]]] = {}
    for index, option in enumerate(options):
        strings = words_of(option).strings[:-1]
        if strings:
            sought.setdefault(strings[0], []).append((strings, index))
    found, position = [], 0
    while position < len(words.tokens):
        fitting = [
            (len(strings), index)
            for strings, index in sought.get(words.strings[position], ())
            if words.strings[position : position + len(strings)] == strings
        ]
        length = max((length for length, _ in fitting), default=0)
        if length:
            place = words.tokens[position].start, words.tokens[position + length - 1].end
            found += [(index, *place) for longest, index in fitting if longest == length]
        position += length or 1
    return found
