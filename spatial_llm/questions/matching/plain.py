"""Writes a question plainly: small letters, no punctuation, contractions and numbers written out, nothing roundabout."""

import re
import unicodedata

from spatial_llm.questions.matching.roundabout import RELATIVE_TO_LISTENER, plainer
from spatial_llm.questions.matching.words import NUMBERS, SPELLINGS

_HARMLESS = re.compile(
    r"\b(?:of|among|between|from|out of) (?:(?:the|these|those|them) )?(?:two|both)(?: of them)?"
    r"(?: sounds| sources| ones| noises)?(?= |$)|\b(?:between|from) (?:you|me|us|the listener) (?:and|to)\b|"
    r"\b(?:in|of) (?:3d |my |the )?space\b|\bto the side\b(?! of)|\bfrom where (?:i|you) (?:stand|sit|am|are)\b|"
    r"\b(?:from|in) (?:my|your|the listener) (?:position|location|place|spot|perspective|point of view|standpoint|viewpoint)"
    r"\b|"
    rf"\b{RELATIVE_TO_LISTENER}\b|"
    r"(?<!\bthe )(?<!\bor )(?<!\bmy )\bright (?:now|away|here|there)\b|"
    r"(?<!\bthe )(?<!\bmy )(?<!\bto )(?<!\bon )(?<!\bat )"
    r"\bright(?= (?:behind|in front|above|below|ahead|next|beside|under|over|at the back|in back)\b)|"
    r"\b(?:or not|one more time|as well|thank you|in general|at the moment|at present|by the way|in this case)\b"
)
_TAGS = re.compile(
    r",? (?:(?:do|would|will|can) not (?:you|we|they) (?:think|agree|say|find|hear it)|"
    r"is (?:not that|that not) (?:so|right|true|correct)|"
    r"or am i (?:wrong|mistaken))(?: \?|,| )*$|"
    r", (?:right|correct|yes|no|or|ok|okay|huh|eh|please|thanks|thx|is it|is that right|or not|is it not|true|"
    r"is that (?:so|true|correct)|am i right|(?:is|does|are|do) not (?:it|they|he|she)|no way|i guess|i think|innit)"
    r"(?: \? | \?|,| )*$"
)
_AVERTED = re.compile(
    r"\b(?:look|turn|face|listen)(?:ing|s|ed)? away\b|\b(?:my|your) back (?:to|towards?|on)\b(?! the side)"
)
_NEGATIVE = re.compile(r"(?<![\w.)])(?<!from )(?<!between )[-\u2012\u2013\u2212](?=\d)")


def normalized(text: str) -> str:
    """Returns a text in small letters, without punctuation but commas, contractions written out and numbers in digits."""
    text = unicodedata.normalize("NFKC", text).lower().replace("\u2019", "'").replace("`", "'").replace("°", " degrees ")
    text = re.sub(r"(?<=\d)(?=[a-z])", " ", text)
    text = _NEGATIVE.sub(" minus ", text)  # its sign makes left of right
    text = re.sub(r"[-\u2010-\u2015/_*\"()\[\]]", " ", text)
    text = re.sub(r"\b(an?|one|do|did|make|made|doing|making) u turn\b", r"\1 about face", text)
    text = re.sub(r"(?<!\d)\.|\.(?!\d)|[;:!]", " , ", text).replace(",", " , ").replace("?", " ? ")
    words = " ".join(SPELLINGS.get(word, word) for word in text.split()).split()
    words = [re.sub(r"'s?$", "", word).replace("'", "") for word in words]
    text = " ".join(word for word in words if word)
    text = re.sub(r"\b(?:a )?half a (?=met(?:er|re)\b)", "0.5 ", text)
    text = re.sub(r"\b(?:one|a|1) and a half\b", "1.5", text)
    text = re.sub(r"\b(\w+) and a half\b", lambda found: _plus_half(found.group(0), found.group(1)), text)
    text = re.sub(r"\bforty five\b", "45", text)
    text = re.sub(r"\b(?:a|one) hundred(?: and)? eighty\b", "180", text)
    text = re.sub(r"\bnot (?:quite )?(?:as|so) (far|distant|near|close)(?: away| off)? as\b", r"less \1 than", text)
    text = _AVERTED.sub("not", text)
    text = re.sub(r"\b(?:can|do|could) not (?:quite |really )?(?:tell|know|figure out|make out|say)\b", "tell", text)
    pattern = r"\b(" + "|".join(NUMBERS) + r")\b(?= (?:degrees?|deg|meters?|metres?|m|seconds?|s|oclock)\b)"
    text = re.sub(pattern, lambda found: f"{NUMBERS[found.group(1)]:g}", text)
    text = plainer(re.sub(r"(?<=\d) (?:point) (?=\d)", ".", text))
    return re.sub(r"^(?:please |can you |could you )*find (?!out)", "locate ", text)


def _plus_half(whole: str, number: str) -> str:
    return f"{NUMBERS[number] + 0.5:g}" if number in NUMBERS else (f"{int(number)}.5" if number.isdigit() else whole)


def without_frame(line: str) -> str:
    """Returns a normalized text without what frames a question ("..., right?", "from where I stand") and its end."""
    return re.sub(r"[ ,?]+$", "", _TAGS.sub("", line))


def without_harmless(line: str) -> str:
    """Returns a normalized text without words that change nothing wherever they stand ("right behind")."""
    return _HARMLESS.sub(" ", line)
