"""The words in which people ask about sound in space, and what each means for a question: `english.txt`.

* meanings: a short name such as WHERE or NEAREST, and the phrases that have this meaning.
* fillers: words that change no meaning.
* sound verbs: beside the name of a sound they say nothing new ("where does the bell ring?").
* adjectives: before the name of a sound they leave the sound what it is.
* synonyms: name of a sound, or a part of it, and other words for it. They count only where the model knows that sound, and
  no sound of that other name.
* spellings: contractions and frequent typing errors.
* numbers: as words.

An unknown word keeps a question from being taken for a taught one. So these tables may lack words, but no word may stand
under a meaning that it has only sometimes.
"""

from functools import cache
from importlib import resources


@cache
def _sections() -> dict[str, str]:
    text = resources.files("spatial_llm.questions.matching").joinpath("english.txt").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for part in text.split("\n[")[1:]:
        name, _, body = part.partition("]\n")
        found[name] = body
    return found


def _words(section: str) -> frozenset[str]:
    return frozenset(_sections()[section].split())


def _entries(section: str) -> dict[str, str]:
    """Returns name -> text of a section of entries, whose further lines are indented."""
    lines = _sections()[section].replace("\n    ", " ").strip().splitlines()
    return {name: body.strip() for name, _, body in (line.partition(": ") for line in lines)}


@cache
def meanings() -> dict[tuple[str, ...], str]:
    """Returns the words of each phrase -> its meaning."""
    entries = _entries("meanings").items()
    return {tuple(phrase.split()): meaning for meaning, phrases in entries for phrase in phrases.split(",")}


SYNONYMS = {
    name.replace("-", " "): tuple(tuple(each.split()) for each in body.split(","))
    for name, body in _entries("synonyms").items()
}
FILLERS, SOUND_VERBS, ADJECTIVES = _words("fillers"), _words("sound verbs"), _words("adjectives")
SPELLINGS = _entries("spellings")
NUMBERS = {name: float(number) for name, number in _entries("numbers").items()}
