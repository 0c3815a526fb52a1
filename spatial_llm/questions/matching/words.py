"""The words in which people ask about sound in space, and what each means for a question: `english.txt`.

* meanings: a short name such as WHERE or NEAREST, and the phrases that have this meaning; "(smallest|least) distance" is
  two phrases, "far (away|)", too.
* fillers: words that change no meaning.
* verbs: verbs that change no meaning, in all their forms.
* sound verbs: beside the name of a sound they say nothing new ("where does the bell ring?").
* adjectives: before the name of a sound they leave the sound what it is.
* synonyms: name of a sound, or a part of it, and other words for it. They count only where the model knows that sound, and
  no sound of that other name.
* spellings: contractions and frequent typing errors.
* numbers: as words.

An unknown word keeps a question from being taken for a taught one. So these tables may lack words, but no word may stand
under a meaning that it has only sometimes.
"""

import re
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
    return {
        tuple(each.split()): meaning
        for meaning, phrases in entries
        for phrase in phrases.split(",")
        for each in _alternatives(phrase)
    }


def _alternatives(phrase: str) -> list[str]:
    """Returns every phrase that one with alternatives in brackets stands for."""
    found = re.search(r"\(([^()]*)\)", phrase)
    if found is None:
        return [phrase]
    heads = (phrase[: found.start()] + each + phrase[found.end() :] for each in found.group(1).split("|"))
    return [each for head in heads for each in _alternatives(head)]


def inflected(word: str) -> list[str]:
    """Returns the forms of a noun or verb that differ from the word itself."""
    if word.endswith(("s", "x", "ch", "sh")):
        plural = f"{word}es"
    else:
        plural = f"{word[:-1]}ies" if word.endswith("y") and word[-2:-1] not in "aeiou" else f"{word}s"
    forms = [plural]
    if word.endswith("s") and not word.endswith("ss"):
        forms.append(word[:-1])
    if word.endswith("ing") and len(word) > 5:
        stem = word[:-3]
        forms += [stem, f"{stem}s", f"{stem}e"] + ([stem[:-1], f"{stem[:-1]}s"] if stem[-1] == stem[-2] else [])
    elif not word.endswith("s"):
        forms += [f"{word.removesuffix('e')}ing", f"{word.removesuffix('e')}ed"]
    return forms


_SOMEONE = ("someone", "somebody", "a person", "person", "people", "a man", "a woman", "a child", "anyone", "anybody")


def _synonyms() -> dict[str, tuple[tuple[str, ...], ...]]:
    """Returns name of a sound -> other words for it; "someone sneezing" stands for "a person sneezing", too."""
    found: dict[str, tuple[tuple[str, ...], ...]] = {}
    for name, body in _entries("synonyms").items():
        phrases = [each.strip() for phrase in body.split(",") for each in _alternatives(phrase)]
        phrases += [re.sub(r"^someone (?=\w+ing\b)", "someone is ", each) for each in phrases if "someone" in each]
        whole = [re.sub(r"\bsomeone\b", who, each) for each in phrases for who in _SOMEONE]
        found[name.replace("-", " ")] = tuple(dict.fromkeys(tuple(each.split()) for each in whole))
    return found


SYNONYMS = _synonyms()
FILLERS = _words("fillers") | {form for verb in _words("verbs") for form in (verb, *inflected(verb))}
SOUND_VERBS, ADJECTIVES = _words("sound verbs"), _words("adjectives")
SPELLINGS = _entries("spellings")
NUMBERS = {name: float(number) for name, number in _entries("numbers").items()}
