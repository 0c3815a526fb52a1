"""What an answer is worth: read by our parsers, compared with the truth, without a judge."""

from collections.abc import Collection
from dataclasses import dataclass

from spatial_llm.answers import is_refusal
from spatial_llm.answers.closeness import is_right, nearness
from spatial_llm.data.record import Record
from spatial_llm.questions.types import VALUE_KINDS, parse_value
from spatial_llm.training.preference.settings import RewardSettings


@dataclass(frozen=True)
class Reward:
    """Holds the worth of one answer.

    Attributes:
        total: what is trained on.
        right: whether the value is right within the tolerance of its kind, or a refusal is due.
        unparsed: whether the text says nothing that can be read.
        refused: whether it declines to answer.
    """

    total: float
    right: bool = False
    unparsed: bool = False
    refused: bool = False


def reward(record: Record, text: str, settings: RewardSettings, known: Collection[str] = ()) -> Reward:
    """Returns what an answer to the question of a record is worth.

    Where the true answer itself declines ("I cannot tell"), declining is right, and every value is worth nothing.

    Args:
        record: the question with its true answer.
        text: the answer.
        settings: what is worth how much.
        known: names of sounds, which the lenient reading keeps whole.
    """
    if is_refusal(text):
        due = is_refusal(record.answer)
        return Reward(settings.right + settings.form if due else settings.refused, right=due, refused=True)
    strict = parse_value(record.question_type, text)
    value = parse_value(record.question_type, text, "lenient", known) if strict is None else strict
    if value is None:
        return Reward(settings.unparsed, unparsed=True)
    truth = None if is_refusal(record.answer) else parse_value(record.question_type, record.answer)
    if truth is None:
        return Reward(0.0)
    kind = VALUE_KINDS[record.question_type]
    near = settings.right * nearness(kind, value, truth)
    return Reward(near + (settings.form if strict is not None else 0.0), right=is_right(kind, value, truth))
