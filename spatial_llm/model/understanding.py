"""What a model makes of a question before it answers: the taught question of the same meaning, or a warning."""

import math

import numpy as np
from numpy.typing import NDArray

from spatial_llm.errors import SpatialLLMError, warn_each_time
from spatial_llm.model.answer import Answer
from spatial_llm.model.presence import is_on_absence
from spatial_llm.questions.matching import NEAR, Match, QuestionMatcher
from spatial_llm.questions.taught import TaughtQuestions

LIST_HINT = "spatial-llm ask --list prints what it was taught"
ON_DISTANCE = (
    "distances rest on the level of the recording: the model takes it for one whose level at 1 m is that of its training; "
    "give level_dbfs_at_1m if yours is another"
)
_WITH_DISTANCE = ("distance", "location", "locations", "location_or_absent")  # kinds of value
_LEVELS_DBFS = (-120.0, 20.0)


def understood(matcher: QuestionMatcher | None, question: str, strict: bool, as_asked: bool) -> Match | None:
    """Returns the taught question that is nearest to a question; None if it is not known what the model was taught.

    Args:
        matcher: of the model; None if it was saved without what it was taught.
        question: in words.
        strict: refuse what is not near.
        as_asked: neither map nor warn.

    Raises:
        SpatialLLMError: `strict`, and the question is not near, or nothing is known of what the model was taught.
    """
    if matcher is None:
        if strict:
            raise SpatialLLMError(
                "strict: the model was saved without what it was taught (taught_questions.json), so that no question can be "
                "compared; leave strict out, or write the file with recipes/write_taught.py."
            )
        return None
    match = matcher.match(question)
    if match.outcome == "far" and (strict or not as_asked):
        nearest = "" if match.taught is None else f" The nearest one that it was taught: {match.taught!r}"
        text = f"{_short(question)!r}: {match.problem}.{nearest} (similarity {match.similarity:.2f}; {LIST_HINT})."
        if strict:
            raise SpatialLLMError(text)
        warn_each_time(f"{text} The answer may mean nothing.")
    return match


def notes_of(match: Match | None, asked: str) -> list[str]:
    """Returns the notes of an answer: how its question was put, how words were understood, or why it is far."""
    if match is None or match.outcome == "exact":
        return []
    if match.outcome == "far":
        return [match.problem]
    return ([f"asked as: {asked}"] if asked != match.text else []) + list(match.notes)


def notes_not_warned_of(answer: Answer) -> list[str]:
    """Returns the notes of an answer that no warning has said."""
    is_near = answer.similarity is not None and answer.similarity >= NEAR
    return [note for note in answer.notes if note != ON_DISTANCE and not is_on_absence(note)] if is_near else []


def rests_on_level(match: Match | None, taught: TaughtQuestions | None) -> bool:
    """Returns whether the answer to a question holds a distance."""
    if match is None or taught is None:
        return False
    return any(question.value in _WITH_DISTANCE for question in taught.of_types((match.question_type,)))


def at_taught_level(
    waveform: NDArray[np.float32], level_dbfs_at_1m: float, taught: TaughtQuestions | None
) -> NDArray[np.float32]:
    """Returns a recording (channels, samples) at the level of training, given the level of its own recording chain.

    In training, sound from 1 m in front without a room has `TaughtQuestions.level_dbfs_at_1m`, as the mean power over both
    ears; the recording is scaled by the difference.

    Raises:
        SpatialLLMError: the level is no number of dB that a recording can have, or that of training is not known.
    """
    low, high = _LEVELS_DBFS
    number = isinstance(level_dbfs_at_1m, int | float) and not isinstance(level_dbfs_at_1m, bool)
    if not number or not math.isfinite(level_dbfs_at_1m) or not low <= level_dbfs_at_1m <= high:
        raise SpatialLLMError(
            f"level_dbfs_at_1m is {level_dbfs_at_1m!r}; expected dB relative to full scale, {low:g} to {high:g}: the "
            "RMS level that your recording has of a sound as loud as yours, 1 m in front."
        )
    if taught is None or taught.level_dbfs_at_1m is None:
        raise SpatialLLMError(
            "level_dbfs_at_1m: it is not known at which level this model was trained (taught_questions.json); leave it out."
        )
    return (waveform * 10 ** ((taught.level_dbfs_at_1m - level_dbfs_at_1m) / 20)).astype(np.float32)


def list_taught(taught: TaughtQuestions) -> str:
    """Returns what a model was taught as text: an example of each question with its answer, and the sounds."""
    rows = [(question.question_type, question.question, question.answer) for question in taught.questions]
    lines = [f"{question_type}\n    {question}\n    {answer}" for question_type, question, answer in rows]
    kinds, sounds = "\n".join(lines), "; ".join(taught.labels)
    return f"Questions, each with an example and its answer:\n{kinds}\n\nSounds: {sounds}"


def _short(text: str, most: int = 100) -> str:
    return text if len(text) <= most else f"{text[:most]}..."
