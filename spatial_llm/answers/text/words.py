"""Splits text into tokens (numbers, words and marks in lower case, contractions expanded) and marks which are denied.

Note: a denial works forwards ("not left", "anything but B") and backwards ("B is wrong", "left can be ruled out", "Is it
left? No."). A text that denies a value does not commit to another one, so readers leave it unparsed.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
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
_TAG = re.compile(
    r"</?(?:(?:final|the)?[_ ]?answer|final|think|thinking|reason|reasoning|response|result|output|option|choice|strong|em|"
    r"code|span|div|br|pad|eos)\s?/?>",
    re.IGNORECASE,
)
_ANGLES = re.compile(r"<([^\s<>](?:[^<>\n]{0,40}[^\s<>])?)>(?!\w)")
_CONTRACTIONS = {
    "cannot": ("can", "not"), "cant": ("can", "not"), "dont": ("do", "not"), "isnt": ("is", "not"),
    "arent": ("are", "not"), "doesnt": ("does", "not"), "didnt": ("did", "not"), "wasnt": ("was", "not"),
    "can't": ("can", "not"), "won't": ("will", "not"), "let's": ("let", "us"), "i'm": ("i", "am"),
}  # fmt: skip
_ENDINGS = {"n't": "not", "'s": "is", "'re": "are", "'ve": "have", "'ll": "will", "'d": "would", "'m": "am"}
_BREAKS = {",", ".", ";", ":", "!", "?", "|", "(", ")", "\n", "but", "however", "although", "because"}
_DENIALS = {
    "not", "no", "non", "never", "neither", "nor", "without", "nothing", "none", "nowhere", "hardly", "instead",
    "except", "excluding", "opposite", "unlikely", "doubt", "doubts", "doubtful", "exclude", "excludes", "excluded",
    "eliminate", "eliminates", "eliminated", "eliminating", "reject", "rejects", "rejected", "impossible", "improbable",
}  # fmt: skip
# Judgements of the words before them in their clause and, as in "the wrong answer", of those after them.
_DISMISSALS = {
    "wrong", "incorrect", "false", "untrue", "mistaken", "inaccurate", "implausible", "invalid", "impossible", "improbable",
    "unlikely", "doubtful", "excluded", "eliminated", "rejected",
}  # fmt: skip
_DENYING_PAIRS = {
    ("rather", "than"), ("other", "than"), ("apart", "from"), ("aside", "from"), ("opposed", "to"),
    ("least", "likely"), ("less", "likely"), ("rule", "out"), ("rules", "out"), ("ruled", "out"), ("ruling", "out"),
}  # fmt: skip
_DISMISSING_PAIRS = {("rule", "out"), ("ruled", "out"), ("less", "likely"), ("least", "likely")}
_ALL_BUT = {"anything", "everything", "all", "any"}
_SURE = {"doubt", "doubts", "question", "wonder"}  # after "no" or "without"
_VERBS = {
    "is", "are", "was", "were", "be", "can", "could", "does", "do", "did", "would", "should", "may", "might", "must", "will",
    "seems", "looks", "sounds", "has", "it", "definitely", "certainly", "probably", "clearly", "surely", "likely",
}  # fmt: skip
_FILLERS = {"a", "an", "the", "be", "been", "quite", "really", "entirely", "very", "at", "all", "my", "what", "i", "would"}
_APPROVED = {
    "correct", "true", "accurate", "right", "possible", "plausible", "likely", "valid", "it", "case", "answer", "option",
    "choice", "fit", "match", "apply", "work", "choose", "pick", "say",
}  # fmt: skip
_RETRACTION = re.compile(
    r"(?:(?:oh|well|actually|wait|sorry|and|but|hm+) )*"
    r"(?:no|nope|nah|not?|never|hardly|no wait|wait no|never mind|scratch that|strike that|i doubt (?:it|that)|"
    r"i think not|(?:i do not think so|not (?:really|at all|quite|so|true|correct|right|that))|"
    r"(?:(?:that|this|it|which) (?:is|was|would be|seems|sounds|can) )?(?:also |clearly |definitely |probably |simply )?"
    r"(?:wrong|incorrect|false|untrue|unlikely|impossible|excluded|ruled out|be ruled out|not|"
    r"not (?:the case|the answer|it|correct|right|true|so|be right|be)))"
)
_SENTENCE_ENDS = {".", "!", "?", "\n"}
_LONGEST = 60  # most characters of a clause that takes another one back


class Token(NamedTuple):
    """Holds a piece of the text. kind: "number", "word" or "mark"; start and end: characters of `Words.text`."""

    text: str
    kind: str
    start: int
    end: int


@dataclass(frozen=True, eq=False)
class Words:
    """Holds a text with plain signs, and its tokens in lower case; made by `words_of`."""

    text: str
    tokens: list[Token]

    @cached_property
    def strings(self) -> list[str]:
        """Returns the text of each token, with an empty one at the end, so that looking one ahead is safe."""
        return [token.text for token in self.tokens] + [""]

    @cached_property
    def counts(self) -> Counter[str]:
        """Returns how often each token occurs."""
        return Counter(self.strings)

    @cached_property
    def denied(self) -> list[bool]:
        """Returns for each token whether the text denies it: by a word before it in its clause, by the rest of its clause,
        or by a later clause that takes it back."""
        flags, denied, lasting = [], False, False
        for index, string in enumerate(self.strings):
            if string in _BREAKS and string not in ("(", ")"):
                lasting = lasting and string == ":"  # "wrong: left"
                denied = lasting or (string == "but" and self.before(index) in _ALL_BUT)
            flags.append(denied)
            lasting = lasting or string in _DISMISSALS
            denied = denied or lasting or self.denies(index)
        for start, end in self._taken_back():
            flags[start:end] = [True] * (end - start)
        return flags

    def denies(self, index: int) -> bool:
        """Returns whether the token denies those after it."""
        string, following = self.strings[index], self.strings[index + 1 : index + 2]
        if string in ("no", "without") and _SURE & set(self.strings[index + 1 : index + 3]):
            return False  # "without a doubt"
        if string in _SURE and {"no", "without", "beyond", "not"} & set(self.strings[max(index - 2, 0) : index]):
            return False
        if string == "not" and following == ["only"]:
            return False
        return string in _DENIALS or (string, *following) in _DENYING_PAIRS

    @cached_property
    def spans(self) -> list[tuple[int, int]]:
        """Returns (first token, token after the last) of each clause that is not empty."""
        found, start = [], 0
        for index in range(len(self.strings)):
            if index < len(self.tokens) and not self._breaks(index):
                continue
            if index > start:
                found.append((start, index))
            start = index + 1
        return found

    def _breaks(self, index: int) -> bool:
        """Returns whether a clause ends at the token; "but" ends none in "anything but left"."""
        string = self.strings[index]
        return string in _BREAKS and not (string == "but" and self.before(index) in _ALL_BUT)

    def _taken_back(self) -> Iterator[tuple[int, int]]:
        """Yields (first token, token after the last) of each piece that later words deny."""
        sentence, ended = 0, 0  # first clause of the sentence; token after the previous clause
        for number, (start, end) in enumerate(self.spans):
            marks = set(self.strings[ended:start]) if number else set()
            said = " ".join(string for string in self.strings[start:end] if string[0].isalnum())
            doubted = "?" in marks and (self._dismissal(start, end) is not None or any(map(self.denies, range(start, end))))
            if number and (doubted or (len(said) < _LONGEST and _RETRACTION.fullmatch(said))):
                # A mark inside a sentence takes back one clause, a mark at its end the whole sentence.
                first = sentence if marks & _SENTENCE_ENDS else number - 1
                yield self.spans[first][0], ended
            if marks & _SENTENCE_ENDS:
                sentence = number
            dismissal = self._dismissal(start, end)
            if dismissal is not None:
                yield start, dismissal
            ended = end

    def _dismissal(self, start: int, end: int) -> int | None:
        """Returns the last token of a clause that dismisses what stands before it: "wrong", "not correct", "ruled out"."""
        for index in range(end - 1, start - 1, -1):
            string = self.strings[index]
            if string in _DISMISSALS or (self.before(index), string) in _DISMISSING_PAIRS:
                negated = any(word in ("not", "never") for word in self.strings[max(start, index - 3) : index])
                return None if negated else index
            if string in ("not", "never") and self.before(index) in _VERBS:
                following = index + 1
                while following < end and self.strings[following] in _FILLERS:
                    following += 1
                if following >= end or self.strings[following] in _APPROVED:
                    return index
        return None

    @cached_property
    def clauses(self) -> list[str]:
        """Returns the clauses as words with single spaces, without marks; empty ones are left out."""
        clauses: list[list[str]] = [[]]
        for index, token in enumerate(self.tokens):
            if self._breaks(index) or token.text == '"':
                clauses.append([])
            elif token.kind != "mark":
                clauses[-1].append(token.text)
        return [" ".join(clause) for clause in clauses if clause]

    def touching(self, index: int) -> bool:
        """Returns whether token `index` follows the one before without a space."""
        return index > 0 and self.tokens[index - 1].end == self.tokens[index].start

    def before(self, index: int) -> str:
        """Returns the text of the token before `index`, "" at the beginning."""
        return self.strings[index - 1] if index else ""


def plain(text: str) -> str:
    """Returns the text in lower case, with plain quotation marks, hyphens, spaces and fractions."""
    return text.translate(_PLAIN).lower()


@lru_cache(maxsize=8)  # several parsers read the same answer one after the other
def words_of(text: str) -> Words:
    """Returns a text with its tokens; "isn't" becomes "is" and "not". Tags are left out, and "<2 m>" is in brackets, not a
    bound."""
    text = _TAG.sub(lambda match: " " * len(match[0]), text.translate(_PLAIN))
    text = _ANGLES.sub(lambda match: f"({match[1]})", text)
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
