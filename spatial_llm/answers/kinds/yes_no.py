"""Parses and writes yes or no.

Note: the strict reading accepts the word alone. The lenient reading examines each clause of a sentence by itself, and all
clauses with a verdict must agree. "No" is a verdict only where it opens a clause or closes a statement such as "the answer
is no"; elsewhere it is part of a statement ("I hear no bell").
"""

import re

from spatial_llm.answers.axes import Reading, is_lenient
from spatial_llm.answers.kind import keyed
from spatial_llm.answers.text.words import words_of

_YES_NO = re.compile(r"[\W_]*(yes|no)[\W_]*")
_YES, _NO = "yes|yeah|yep|yup|yea|aye", "no|nope|nah"
_OPENING = re.compile(
    rf"(?:(?:oh|well|so|and|then|um|hmm|probably|likely|perhaps|maybe|i think|i guess) )*(?:({_YES})|({_NO}))\b"
)
_CLOSING = re.compile(
    rf"(?:.* )?(?:is|be|say|says|think|guess|and|or|probably|likely|not)(?: a| definitely| probably)? (?:({_YES})|({_NO}))"
)
_AGAIN = re.compile(rf" (?:({_YES})|({_NO}))\b")
_EITHER = re.compile(
    rf"\b(?:(?:{_YES}) (?:or|nor|and|versus|vs) (?:a |maybe |perhaps |possibly )*(?:{_NO})|"
    rf"(?:{_NO}) (?:or|nor|and|versus|vs) (?:a |maybe |perhaps |possibly )*(?:{_YES}))\b"
)
# "yes is wrong"; and words that keep "to say yes" from counting as a yes
_JUDGED = re.compile(
    rf"\b(?:{_YES}|{_NO}) (?:is|was|would|seems?|sounds?|looks?|can|could|may|might|must)\b.*"
    r"\b(?:not|wrong|incorrect|false|untrue|unlikely|impossible|ruled out|excluded|mistaken)\b"
)
_RELUCTANT = re.compile(
    r"\b(?:refuse|hesitate|hard|difficult|impossible|unable|reluctant|tempted|wrong|incorrect|unlikely|doubt|opposite|"
    r"other than|reason|whether|if|anything but|everything but|unwise|premature)\b"
)
_NO_VERDICT = re.compile(
    r"no (?:idea|clue|way|one|more|less|longer|further|doubt|question|problem|matter|answer|information|audio|need)\b"
)
_STANCE = re.compile(
    r"(?:(?:that|this|it|you|they|which|(?:the|this|that|your)(?: \w+)?) (?:is|are|was|would be) )?"
    r"(?:indeed |absolutely |definitely )?(not )?(?:quite |entirely |really )?"
    r"(?:(correct|true|accurate|the case|affirmative)|(incorrect|false|untrue|wrong|inaccurate|negative))"
)
_THAT = re.compile(r"it is (not )?(?:true|correct|the case) that\b")
_RIGHT = re.compile(r"(?:that|this|you) (?:is|are) (not )?(?:quite )?right")
_ADVERB = re.compile(r"(?:yes |no )?(?:indeed|certainly|definitely|absolutely|of course|sure|surely|obviously)( not)?")
_SHORT = re.compile(
    r"(?:it|that|this|they|there|these|those|he|she) (?:is|are|am|was|were|does|do|did|has|have|can|could|would|will)"
    r"(?: indeed| certainly| definitely)?( not)?(?: indeed)?"
)
_NOT = re.compile(
    r"(?:probably|likely|perhaps) not|(?:really |definitely |certainly )?not (?:really|at all|in this case)"
    r"|i (?:do not (?:think|believe) so|think not)"
)
_SO = re.compile(r"i (?:do )?(?:think|believe|guess|would say|suppose) so")
_THERE = re.compile(r"there (?:is|are|was|were) (?:no|not)\b(?! (?:doubt|question|way|enough|sufficient|information|audio))")
_LONGEST = 120  # most characters of a clause that is a verdict as a whole


def format_yes_no(yes: bool) -> str:
    """Returns "Yes" for True and "No" for False."""
    return "Yes" if yes else "No"


def parse_yes_no(text: str, reading: Reading = "strict") -> bool | None:
    """Returns True for yes, False for no, after stripping case, spaces and punctuation around it; None for anything else.
    Lenient: also "Yes, it is.", "That is not the case" and the like, as long as the text does not contradict itself."""
    lenient = is_lenient(reading)
    found = _YES_NO.fullmatch(text.lower())
    if found is not None:
        return found[1] == "yes"
    return _read_yes_no(text) if lenient else None


def _read_yes_no(text: str) -> bool | None:
    """Returns True for yes, False for no, None if the text states neither or both."""
    verdicts = {verdict for clause in words_of(text).clauses for verdict in _verdicts(clause)}
    return verdicts.pop() if len(verdicts) == 1 else None


def _verdicts(clause: str) -> set[bool]:
    """Returns the verdicts of one clause: none, yes, no, or both."""
    found = set()
    opening = None if _NO_VERDICT.match(clause) else _OPENING.match(clause)
    if opening:
        again = _AGAIN.match(clause, opening.end())
        found |= {opening[1] is not None} | ({again[1] is not None} if again else set())
    ending = _CLOSING.fullmatch(clause[-_LONGEST:])
    if ending and not _NO_VERDICT.match(clause):
        # "not yes" states only that the answer is not yes
        unsaid = " not " in f" {clause[-_LONGEST:]} " or _RELUCTANT.search(clause[-_LONGEST:])
        found |= {True, False} if unsaid else {ending[1] is not None}
    if _EITHER.search(clause) or _JUDGED.search(clause[:_LONGEST]):
        found |= {True, False}
    if _THERE.match(clause):
        found.add(False)
    claim = _THAT.match(clause)
    if claim:
        found.add(claim[1] is None)
    if len(clause) > _LONGEST:
        return found
    stance = _STANCE.fullmatch(clause)
    if stance:
        found.add((stance[2] is not None) != (stance[1] is not None))
    for pattern in (_RIGHT, _ADVERB, _SHORT):
        match = pattern.fullmatch(clause)
        if match:
            found.add(match[1] is None)
    if _NOT.fullmatch(clause):
        found.add(False)
    if _SO.fullmatch(clause):
        found.add(True)
    return found


KIND = keyed("yes_no", "yes", parse_yes_no, format_yes_no)
