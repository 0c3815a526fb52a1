"""Text to tokens: numbers, words and marks in lower case, contractions opened, and which of them stand in a denial."""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

# Different signs for the same thing. A dash of any length is a hyphen, but the longest one separates clauses.
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2019\u2018\u02bc\u2032\u0060\u00b4", "'"),
        **dict.fromkeys("\u201c\u201d\u2033\u201e", '"'),
        **dict.fromkeys("\u2212\u2010\u2011\u2012\u2013", "-"),
        **dict.fromkeys("\u2014\u2015", ","),
        **dict.fromkeys("\u00ba\u02da", "\u00b0"),
        **dict.fromkeys("\u00a0\u202f\u2009\t\r", " "),
        "\u00bd": ".5",
        "\u00bc": ".25",
        "\u00be": ".75",
        "*": " ",
    }
)
_TOKEN = re.compile(r"([0-9]+(?:[.,:][0-9]+)*|\.[0-9]+)|([^\W\d_]+(?:'[^\W\d_]+)*)|[^\w\s]|[\d_\n]")
_CONTRACTIONS = {
    "cannot": ("can", "not"), "cant": ("can", "not"), "dont": ("do", "not"), "isnt": ("is", "not"),
    "arent": ("are", "not"), "doesnt": ("does", "not"), "didnt": ("did", "not"), "wasnt": ("was", "not"),
    "can't": ("can", "not"), "won't": ("will", "not"), "let's": ("let", "us"), "i'm": ("i", "am"),
}  # fmt: skip
_ENDINGS = {"n't": "not", "'s": "is", "'re": "are", "'ve": "have", "'ll": "will", "'d": "would", "'m": "am"}
_BREAKS = {",", ".", ";", ":", "!", "?", "|", "(", ")", "\n", "but", "however", "although", "because"}
_DENIALS = {
    "not", "no", "non", "never", "neither", "nor", "without", "nothing", "none", "nowhere", "hardly", "instead",
    "except", "excluding", "opposite", "unlikely",
}  # fmt: skip


class Token(NamedTuple):
    """A piece of the text. kind: "number", "word" or "mark"; start and end: characters of `Words.text`."""

    text: str
    kind: str
    start: int
    end: int


@dataclass(frozen=True)
class Words:
    """A text with plain signs, and its tokens in lower case; made by `words_of`."""

    text: str
    tokens: list[Token]

    @cached_property
    def strings(self) -> list[str]:
        """The text of each token, with an empty one at the end, so that looking one ahead is safe."""
        return [token.text for token in self.tokens] + [""]

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each token occurs."""
        return Counter(self.strings)

    @cached_property
    def denied(self) -> list[bool]:
        """For each token, whether a denying word stands before it in its clause."""
        flags, denied = [], False
        for index, string in enumerate(self.strings):
            denied = denied and (string not in _BREAKS or string in ("(", ")"))
            flags.append(denied)
            denied = denied or string in _DENIALS or self.strings[index : index + 2] == ["rather", "than"]
        return flags

    @cached_property
    def clauses(self) -> list[str]:
        """The clauses as words with single spaces, without marks, empty ones left out."""
        clauses: list[list[str]] = [[]]
        for token in self.tokens:
            if token.text in _BREAKS or token.text == '"':
                clauses.append([])
            elif token.kind != "mark":
                clauses[-1].append(token.text)
        return [" ".join(clause) for clause in clauses if clause]

    def touching(self, index: int) -> bool:
        """Whether token `index` follows the one before without a space."""
        return index > 0 and self.tokens[index - 1].end == self.tokens[index].start

    def before(self, index: int) -> str:
        """The text of the token before `index`, "" at the beginning."""
        return self.strings[index - 1] if index else ""


def plain(text: str) -> str:
    """Lower case, with plain quotation marks, hyphens, spaces and fractions."""
    return text.translate(_PLAIN).lower()


def words_of(text: str) -> Words:
    """A text and its tokens; "isn't" becomes "is" and "not"."""
    text = text.translate(_PLAIN)
    tokens = []
    for match in _TOKEN.finditer(text):
        kind = ("mark", "number", "word")[match.lastindex or 0]
        string, (start, end) = match[0].lower(), match.span()
        if kind == "word" and ("'" in string or string in _CONTRACTIONS):
            tokens += [Token(part, kind, start, end) for part in _opened(string)]
        else:
            tokens.append(Token(string, kind, start, end))
    return Words(text, tokens)


def _opened(string: str) -> tuple[str, ...]:
    if string in _CONTRACTIONS:
        return _CONTRACTIONS[string]
    for ending, word in _ENDINGS.items():
        if string.endswith(ending) and len(string) > len(ending):
            return string.removesuffix(ending), word
    return (string,)
