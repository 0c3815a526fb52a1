"""Reads a question: sounds, sides, places, turns, numbers and words of known meaning, and what is left over."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from spatial_llm.questions.matching.labels import SHORTEST_TYPO, LabelFinder, is_typo, real_words
from spatial_llm.questions.matching.plain import normalized, without_frame, without_harmless
from spatial_llm.questions.matching.spans import AXIS_OF, TURNS, number_at, side_at, turn_of
from spatial_llm.questions.matching.words import ADJECTIVES, FILLERS, SOUND_VERBS, meanings

MOST_WORDS = 60  # a longer text is no plain question
# "Could you tell me the nearest sound?" is no question for yes or no.
_POLITE = re.compile(
    r"(?:\w+ ,? ?){0,3}?(?:(?:can|could|would|will|may|might) (?:you|i|we) "
    r"(?:(?:please|kindly|perhaps|maybe|just|possibly|help me|mind) )*"
    r"(?:tell|telling|give|giving|show|showing|get|have|provide|providing|report|state|inform|know)|"
    r"do (?:you|we) know|(?:do you )?have (?:you )?(?:any|an) (?:idea|clue))\b"
)
_LATERAL = re.compile(r"(?:left|right)(?: (?:hand )?side| hand)?")
_OF_TWO = ("NEARER", "FARTHER", "BETWEEN", "DISTANCE", "HOWFAR")
_CLOCK_OF_HOURS = ("on", "of", "by", "in", "at", "using", "use", "around", "as", "like", "with", "a", "imaginary", "virtual")


@dataclass
class Token:
    """Holds one piece of a question: its kind ("label"; "side" of the listener, "beside" something; "turn",
    "distance", "time", "number", "count", "word", "filler", "comma", "unknown"), its value, and its words."""

    kind: str
    value: str
    text: str


@dataclass
class Reading:
    """Holds a question in pieces.

    Attributes:
        line: the text in small letters, without punctuation but commas.
        pieces: all of it, in order.
        tokens: the pieces without fillers and commas.
        words: meanings of the words in it.
        labels: names of the sounds, in order, each once.
        unknown: words of no known meaning that stand where the name of a sound stands, joined where they are neighbours.
        strange: other words of no known meaning.
        ambiguous: names that may mean several sounds of the model.
        taken: word -> sound that it was taken for, where it is not the sound's own name.
        asks_yes_no: whether it begins as a question whose answer is yes or no.
        share_known: share of its words, fillers included, that are known.
    """

    line: str = ""
    pieces: list[Token] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    words: set[str] = field(default_factory=set)
    labels: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    ambiguous: dict[str, tuple[str, ...]] = field(default_factory=dict)
    taken: dict[str, str] = field(default_factory=dict)
    asks_yes_no: bool = False
    share_known: float = 1.0

    def of(self, kind: str) -> list[str]:
        """Returns the values of all pieces of one kind, in order."""
        return [token.value for token in self.tokens if token.kind == kind]


def read_question(text: str, finder: LabelFinder) -> Reading:
    """Reads a question in words, given the sounds that the model knows."""
    line, turns = _turns_taken(without_frame(normalized(text)))
    line = without_harmless(line)
    reading = Reading(line)
    words = line.split()
    if len(words) > MOST_WORDS:
        reading.strange, reading.share_known = [" ".join(words[:8]) + " ..."], 0.0
        return reading
    tokens = _tokens(words, finder, turns, reading)
    _join(tokens)
    _clocks(tokens)
    _possessed(tokens)
    _besides(tokens)
    _unknowns(tokens, reading)
    spoken = [token for token in tokens if token.kind != "comma"]
    missed = sum(token.kind == "unknown" for token in spoken)
    reading.share_known = 1 - missed / max(len(spoken), 1)
    reading.pieces = tokens
    reading.tokens = [token for token in tokens if token.kind not in ("filler", "comma")]
    reading.words = {token.value for token in reading.tokens if token.kind == "word"}
    reading.labels = list(dict.fromkeys(token.value for token in tokens if token.kind == "label"))
    first = next((word for word in words if word not in ("so", "and", "well", "hey", "ok", "okay", ",", "please", "um")), "")
    polite = _POLITE.match(reading.line) and "WHETHER" not in reading.words
    asks = polite or reading.words & {"ASKED", "WHERE", "HOWFAR", "HOWMANY", "HOWLONG", "WHEN", "SIDE_ASKED"}
    opens = first in ("is", "are", "does", "do", "can", "could", "was", "were", "did", "would", "will", "am", "has", "have")
    reading.asks_yes_no = not asks and (opens or "WHETHER" in reading.words)
    return reading


def _turns_taken(line: str) -> tuple[str, dict[str, str]]:
    """Returns the line with turns replaced by a mark, and what each mark stands for ("?" for a turn without an angle)."""
    turns: dict[str, str] = {}

    def mark(found: re.Match[str]) -> str:
        name = f"\u00a7{len(turns)}"
        turns[name] = turn_of(found)
        return f" {name} "

    for pattern in TURNS:
        line = pattern.sub(mark, line)
    return line, turns


@cache
def _phrases() -> tuple[dict[tuple[str, ...], str], int]:
    table = meanings()
    return table, max(map(len, table))


def _tokens(words: list[str], finder: LabelFinder, turns: dict[str, str], reading: Reading) -> list[Token]:
    tokens: list[Token] = []
    at = 0
    while at < len(words):
        token, length = _token(words, at, finder, turns, reading)
        tokens.append(token)
        at += length
    return tokens


def _token(words: list[str], at: int, finder: LabelFinder, turns: dict[str, str], reading: Reading) -> tuple[Token, int]:
    """Returns the longest piece that begins with a word, and its number of words."""
    word = words[at]
    if word in (",", "?"):
        return Token("comma", ",", word), 1
    if word in turns:
        return Token("turn", turns[word], word), 1
    line = " ".join(words[at:])
    found = [_numbered(line), _side(line), _label(words, at, finder, reading), _meaning(words, at)]
    best = max((each for each in found if each is not None), key=lambda each: each[1], default=None)
    if best is not None:
        return best
    if word in FILLERS or word in SOUND_VERBS or (word in ADJECTIVES and _before_a_sound(words, at, finder)):
        return Token("filler", word, word), 1
    if word in ("two", "three", "four", "2", "3", "4"):
        return Token("count", word, word), 1
    if re.fullmatch(r"\d+(?:\.\d+)?", word):
        return Token("number", word, word), 1
    return _perhaps_misspelled(word, finder, reading), 1


def _numbered(line: str) -> tuple[Token, int] | None:
    found = number_at(line)
    return None if found is None else (Token(found[0], found[1], found[2]), len(found[2].split()))


def _side(line: str) -> tuple[Token, int] | None:
    found = side_at(line)
    if found is None:
        return None
    kind = "beside" if found.is_beside else "mine" if found.is_mine else "side"
    return Token(kind, found.side, found.text), len(found.text.split())


def _label(words: Sequence[str], at: int, finder: LabelFinder, reading: Reading) -> tuple[Token, int] | None:
    found = finder.at(words, at)
    if found is None:
        return None
    length, alias = found
    text = " ".join(words[at : at + length])
    if length == 1 and text == "clock" and ("hour" in words or "oclock" in words or "face" in words):
        return None
    if len(alias.labels) > 1:
        reading.ambiguous[text] = alias.labels
    if not alias.is_own:
        reading.taken[text] = alias.labels[0]
    return Token("label", alias.labels[0], text), length


def _meaning(words: Sequence[str], at: int) -> tuple[Token, int] | None:
    table, longest = _phrases()
    for length in range(min(longest, len(words) - at), 0, -1):
        meaning = table.get(tuple(words[at : at + length]))
        if meaning is not None:
            return Token("word", meaning, " ".join(words[at : at + length])), length
    return None


def _before_a_sound(words: Sequence[str], at: int, finder: LabelFinder) -> bool:
    """Returns whether only adjectives are between this word and the name of a sound, or a word for any sound."""
    while at < len(words) and words[at] in ADJECTIVES:
        at += 1
    return at < len(words) and (finder.at(words, at) is not None or words[at] in ("sound", "noise", "source"))


def _perhaps_misspelled(word: str, finder: LabelFinder, reading: Reading) -> Token:
    if name := finder.misspelled(word):
        label = finder.aliases[(name,)].labels[0]
        reading.taken[word] = label
        return Token("label", label, word)
    if word not in real_words() and len(word) >= SHORTEST_TYPO - 1:
        table, _ = _phrases()
        near = {meaning for (first, *rest), meaning in table.items() if not rest and is_typo(word, first)}
        if len(near) == 1:
            return Token("word", near.pop(), word)
        if any(is_typo(word, filler) for filler in FILLERS):
            return Token("filler", word, word)
        sides = [side for side in AXIS_OF if is_typo(word, side)]
        if len(sides) == 1:
            return Token("side", sides[0], word)
    if word.endswith("ly") and len(word) > 4:
        return Token("filler", word, word)
    return Token("unknown", word, word)


def _join(tokens: list[Token]) -> None:
    """Makes one piece of a sound that is named twice in a row ("the dog's bark")."""
    last = None
    for token in tokens:
        if token.kind == "label":
            if last is not None and last.value == token.value:
                token.kind = "filler"
            else:
                last = token
        elif token.kind not in ("filler", "comma", "unknown") and token.value not in ("SOUND", "HEAR", "SOUNDING"):
            last = None


def _clocks(tokens: list[Token]) -> None:
    """Takes "clock" beside the name of another sound for that of the hours, not for a sound."""
    clocks = [index for index, token in enumerate(tokens) if token.kind == "label" and token.text == "clock"]
    if not any(token.kind == "label" and token.text != "clock" for token in tokens):
        return
    compared = any(token.kind == "word" and token.value in _OF_TWO for token in tokens)
    for index in clocks:
        before = [token.text for token in tokens[max(index - 2, 0) : index]]
        names_it = before[-1:] == ["the"] and before[0] not in _CLOCK_OF_HOURS
        if not (names_it or compared):
            tokens[index].kind, tokens[index].value = "word", "CLOCK"


def _besides(tokens: list[Token]) -> None:
    """Turns "behind" into "behind something" where the name of a sound follows."""
    for index, token in enumerate(tokens):
        if token.kind == "mine":
            token.kind = "side"
        elif token.kind == "side" and token.value not in ("left", "right"):
            after = next((each for each in tokens[index + 1 :] if not _is_article(each)), None)
            if after is not None and after.kind in ("label", "unknown"):
                token.kind = "beside"


def _possessed(tokens: list[Token]) -> None:
    """Turns "to the rain's left" into "left of the rain"."""
    spoken = [index for index, token in enumerate(tokens) if token.kind != "comma"]
    for before, at, after in zip(spoken, spoken[1:], spoken[2:], strict=False):
        label, side = tokens[at], tokens[after]
        first = tokens[max(before - 1, 0)].text if tokens[before].text == "the" else tokens[before].text
        if label.kind == "label" and _LATERAL.fullmatch(side.text) and side.kind == "side" and first in ("to", "on", "at"):
            tokens[at], tokens[after] = Token("beside", side.value, side.text), label


def _is_article(token: Token) -> bool:
    return (token.kind == "filler" and token.text in ("the", "a", "an", "of", "that", "this", "any", "some")) or (
        token.kind == "word" and token.value == "SOUND"
    )


def _unknowns(tokens: list[Token], reading: Reading) -> None:
    """Sorts unknown words into those that stand as names of sounds, and strange ones."""
    index = 0
    while index < len(tokens):
        if tokens[index].kind != "unknown":
            index += 1
            continue
        end = index
        while end < len(tokens) and tokens[end].kind == "unknown":
            end += 1
        text = " ".join(token.text for token in tokens[index:end])
        before = tokens[index - 1] if index else None
        named = before is not None and (
            before.text in ("the", "a", "an", "any", "some", "of", "my", "your", "that", "this", "than", "and", "or", "no")
            or before.kind == "beside"
        )
        if end < len(tokens) and tokens[end].kind == "label":  # "electric guitar" is no acoustic one
            text, named = f"{text} {tokens[end].text}", True
        (reading.unknown if named else reading.strange).append(text)
        index = end
