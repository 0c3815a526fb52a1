"""Finds names of sounds inside a sentence: "I hear a dog barking and speech.", bullets, numbered lists.

Note: the strict reading takes any wording for a name, so the lenient reading strips the wording. Names of AudioSet contain
commas and "and" ("Male speech, man speaking"). With a set of known names, these are found first and kept whole; without one,
commas and "and" separate names only in a text that cannot be a name itself, because it opens like a sentence or has several
lines. A name that is not known is kept, so that a wrong extra name stays wrong.
"""

import re
from collections.abc import Collection
from functools import lru_cache
from itertools import islice

from spatial_llm.answers.refusals import is_refusal
from spatial_llm.answers.text.words import plain
from spatial_llm.errors import SpatialLLMError

_OPENING = re.compile(
    r"(?:(?:the |my |final )*answer(?: is|:)|sounds?:|(?:i|we) (?:can |could )?(?:clearly )?(?:also )?"
    r"(?:hear|heard|detect|detected|identify|identified|notice|recognize|recognise)|"
    r"(?:the |this )?(?:audio|audio clip|recording|clip|sound clip)(?: clearly)? "
    r"(?:contains|features|includes|consists of|has|is of)|"
    r"(?:the |these |all )?(?:audible |detected |distinct )?(?:sounds?|sound events?|events?|sound sources?|sources?)"
    r"(?: (?:present|heard|that (?:i|we) (?:can )?hear|in the (?:audio|recording|clip|audio clip)))*"
    r"(?: (?:is|are|include|includes|comes from|come from)(?: that of)?|:)|"
    r"(?:there (?:is|are)|there's)|(?:it|this|that) (?:is|sounds like|could be|appears to be|seems to be)|it's|that's|"
    r"(?:first|initially|at first)(?=[ ,]))(?:,? (?:the )?(?:following|sounds? of|sound events?|sounds))*[ :,]*"
)
_CLOSING = re.compile(
    r",? (?:(?:can be|is|are) (?:heard|audible|present|detected)|sounds?"
    r"|in the (?:audio|recording|clip|background|audio clip))"
)
_ITEM = re.compile(r"(?:[-\u2022\u00b7\u25e6\u2023]+|\(?[0-9]{1,3}[.):]|\(?[a-z][.)])\s+")
_ARTICLE = re.compile(r"(?:(?:a|an|the|some|someone|also|both|followed by|then|finally|lastly|next|of|sounds? of)(?: |$))+")
_SEPARATOR = re.compile(r"[,;\n&+]|(?<!\w)and(?!\w)")
_IN_ORDER = re.compile(
    r"[,;\n>\u2192]|-(?=>)|=(?=>)|"
    r"(?<!\w)(?:and then|then|followed by|before|and finally|and lastly|and|finally|lastly)(?!\w)"
)
_SEQUENCE = re.compile(r"[-=]>|\u2192|(?<!\w)(?:then|followed by)(?!\w)")
_DENIAL = re.compile(
    r"(?<!\w)(?:no|not|or|either|neither|nor|without|n't|\w+n't|don't|can't|cannot|after|than|except|excluding|instead|"
    r"hardly|unlikely|impossible|doubt|doubts|wrong|incorrect|false|untrue|opposite|versus|vs|compared|"
    r"(?:anything|everything|all) but|rul(?:e|ed|ing) out|excluded?|eliminated?|reject(?:ed)?|apart from|"
    r"aside from|(?:less|least) likely|nowhere)(?!\w)"
)
_EARLIER = re.compile(r"(?<!\w)before(?!\w)")  # orders names; without an order, one of two is meant
_END = " .!?\"'`"
_WORD = re.compile(r"\w+")
_MASK = "\x00"  # stands for a known name; removed from the text beforehand


def read_names(text: str, known: Collection[str] | None = None, ordered: bool = False) -> list[str] | None:
    """Returns the names of a text in its order, lower-case, repetitions kept; None if there is none, or one is denied, left
    open ("a dog or a cat") or compared ("nearer than the dog"), or the text declines to answer.

    known: names that may contain separators; the result holds them as written there, in lower case.
    """
    if is_refusal(text):
        return None
    text, found = _masked(plain(text).replace(_MASK, " "), known or ())
    opening = _OPENING.match(text.lstrip(_END))
    lines = [line for line in text.split("\n") if line.strip(_END)]
    sentence = bool(found or opening or len(lines) > 1 or (lines and _ITEM.match(lines[0].lstrip())))
    sentence = sentence or (ordered and _SEQUENCE.search(text) is not None)
    if sentence and (_DENIAL.search(text) or (not ordered and _EARLIER.search(text))):
        return None
    if ";" in text and not opening:
        chunks = text.split(";")
    elif sentence:
        text = text.lstrip(_END)[opening.end() if opening else 0 :]
        chunks = (_IN_ORDER if ordered else _SEPARATOR).split("\n".join(_without_item(line) for line in text.split("\n")))
    else:
        chunks = [text]
    names: list[str] = []
    remaining = iter(found)
    for chunk in chunks:
        masks = chunk.count(_MASK)
        names += islice(remaining, masks) if masks else filter(None, [_bare(chunk, sentence)])
    return names or None


def _masked(text: str, known: Collection[str]) -> tuple[str, list[str]]:
    """Returns the text with each known name replaced by a mark, and those names in their order; the longest match wins."""
    names = _by_first_word(tuple(known))
    tokens = list(_WORD.finditer(text)) if names else []
    pieces, found, position, index = [], [], 0, 0
    while index < len(tokens):
        for words, name in names.get(tokens[index][0], ()):
            if [token[0] for token in tokens[index : index + len(words)]] == words:
                pieces += [text[position : tokens[index].start()], _MASK]
                found.append(name)
                index += len(words)
                position = tokens[index - 1].end()
                break
        else:
            index += 1
    return "".join([*pieces, text[position:]]), found


@lru_cache(maxsize=8)
def _by_first_word(known: tuple[str, ...]) -> dict[str, list[tuple[list[str], str]]]:
    """Returns first word -> (all words, the name in lower case) of each known name, longest first."""
    names: dict[str, list[tuple[list[str], str]]] = {}
    for label in known:
        words = _WORD.findall(plain(label))
        if words:
            names.setdefault(words[0], []).append((words, " ".join(label.lower().split())))
    for choices in names.values():
        choices.sort(key=lambda choice: -len(choice[0]))
    return names


def _without_item(line: str) -> str:
    """Returns a line without its bullet or number."""
    line = line.strip()
    item = _ITEM.match(line)
    return line[item.end() :] if item else line


def _bare(chunk: str, sentence: bool) -> str:
    """Returns one name without marks around it; in a sentence also without articles and "can be heard"."""
    chunk = " ".join(chunk.strip(_END).split())
    if sentence:
        article = _ARTICLE.match(chunk)
        chunk = chunk[article.end() :] if article else chunk
        closing = [match for match in _CLOSING.finditer(chunk) if match.end() == len(chunk)]
        chunk = chunk[: closing[0].start()] if closing else chunk
    return chunk.strip(_END)


_ABSENT = [
    re.compile(pattern)
    for pattern in (
        r"(?:there is|there are|there's|i hear|i can hear|i detect) (?:no|not an?|not any) (?P<name>.+)",
        r"there (?:isn't|aren't|is not|are not) (?:an?|any) (?P<name>.+)",
        r"i (?:can ?not|can't|do not|don't|did not|didn't|could not|couldn't) (?:hear|detect|identify) "
        r"(?:an?|any|the) (?P<name>.+)",
        r"(?:no|no sound of an?|no sound of) (?P<name>.+?) "
        r"(?:is|are|was|can be|could be) (?:present|heard|audible|detected)",
        r"(?:the|an?) (?P<name>.+?) (?:is not|isn't|are not|cannot be|can't be) (?:present|there|audible|heard|detected)",
        r"(?:the|an?) (?P<name>.+?) (?:is|are) (?:absent|missing)",
    )
]
_TAIL = re.compile(
    r" (?:at all|here|present|audible|(?:in|on) (?:the|this) (?:audio|recording|clip|sound|audio clip|scene))"
)
_NO_SOUND = {"doubt", "idea", "way", "question", "clue", "one"}


def read_absent(text: str) -> str | None:
    """Returns the name that the whole text, one sentence, states to be absent; None for any other text."""
    line = " ".join(plain(text).split()).strip(_END)
    line = line.removeprefix("no, ")
    short = line
    for tail in reversed(list(_TAIL.finditer(line))):
        if tail.end() != len(short):
            break
        short = line[: tail.start()]
    for pattern in _ABSENT:
        found = pattern.fullmatch(short) or pattern.fullmatch(line)
        if found:
            name = found["name"].removeprefix("sound of ").removeprefix("sounds of ")
            name = name.removeprefix("a ").removeprefix("the ").strip(_END)
            first = name.split(" ")[0]
            return None if not name or first in _NO_SOUND or any(mark in name for mark in ";.!?") else name
    return None


def name_of(text: str) -> str:
    """Returns the form in which names of sounds are compared: lower case, single spaces."""
    return " ".join(text.lower().split())


def joined(names: list[str]) -> str:
    """Returns names with "; " between. Raises SpatialLLMError on none, an empty one, or one with a ";" inside."""
    if not names or not all(names) or any(";" in name for name in names):
        raise SpatialLLMError(f"labels are {names}; give at least one, none empty and none with a ';' inside.")
    return "; ".join(names)
