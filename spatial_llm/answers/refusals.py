"""Detects whether an answer declines to answer: "I cannot tell", "I don't know", "unable to determine".

Note: a denial is an answer ("There is no bell", "I cannot hear a bell"), and so is a guess after a doubt ("I am not sure,
but it is on the left"). Scores that treat a refusal differently from a wrong answer need this (arXiv 2505.19294).
"""

import re

from spatial_llm.answers.text.words import words_of

_HOW = r"(?:(?:really|reliably|confidently|accurately|clearly|exactly|definitively|quite|possibly|actually|even|be) )*"
_JUDGE = (
    r"(?:tell|say|know|known|determined?|answer(?:ed)?|judged?|decided?|conclude|infer(?:red)?|assess|estimated?|discern|"
    r"provide|give|assist|help|comment|specify|verify|confirm|sure|certain|told|said|make out|"
    r"process|access|analy[sz]e|listen|perceive audio|hear (?:the |any |your )?(?:audio|recording|clip|file)|"
    r"(?:identify|identified|locate|located|localize|localise|distinguish|detect|pinpoint)(?! (?:a|an|any|no)\b))\b"
)
_REFUSAL = re.compile(
    "|".join(
        (
            rf"\b(?:can|could|do|does|did|am|is|would) not {_HOW}{_JUDGE}",
            rf"\b(?:unable|impossible|hard|difficult|not possible|not able|no way|tough|insufficient) (?:for me )?to "
            rf"{_HOW}{_JUDGE}",
            r"\bnot (?:entirely |quite |really |completely |totally |too |very |fully |at all |so )?"
            r"(?:sure|certain|clear|confident|determinable|known|enough (?:information|data|context|evidence|detail))\b",
            r"\b(?:unsure|uncertain|unclear|unknown|undetermined|indeterminate|inconclusive|unanswerable|idk|dunno)\b",
            r"\bno (?:idea|clue|answer|comment)\b",
            r"\b(?:insufficient|lack of|without (?:more|further|additional)|no) (?:information|data|context)\b",
            r"\bno audio (?:was|is|has|file|clip|input|provided|attached)\b",
            r"\bn / a\b",
            r"\b(?:decline|refuse|prefer not|rather not|would not like) to (?:answer|say|comment)\b",
            r"\bwould (?:prefer|rather) not (?:to )?(?:answer|say|comment)\b",
            r"\bplease (?:provide|upload|share|attach)\b",
            r"\bwho knows\b",
        )
    )
)
_GUESS = re.compile(r"\b(?:but|however|though|although|still|guess|probably|likely|perhaps|i think|i would say|i believe)\b")
_NO_GUESS = re.compile(r"\b(?:but|however) (?:if|please|feel free|i (?:can|could|would) (?:help|try|be happy|be glad))\b")


def is_refusal(text: str) -> bool:
    """Returns whether the text declines to answer; False if it goes on to a guess, and False for the empty text."""
    line = " ".join(words_of(text).strings)
    last = None
    for last in _REFUSAL.finditer(line):  # noqa: B007  (the last match counts)
        pass
    if last is None:
        return False
    rest = line[last.end() :]
    return _GUESS.search(rest) is None or _NO_GUESS.search(rest) is not None
