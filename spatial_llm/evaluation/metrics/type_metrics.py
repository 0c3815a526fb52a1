"""Defines which metrics a question type has.

The names and rules of types A to E are those under which their numbers are published (BAT, arXiv 2402.01591, section 5).
Everything else is ours and has another protocol, so that no column mixes the two. A task selects a protocol such as ANGLE by
its first word.
"""

from dataclasses import dataclass

from spatial_llm.evaluation.metrics import measures
from spatial_llm.evaluation.metrics.kinds import KIND_METRICS, WHOLE_VALUE
from spatial_llm.evaluation.metrics.kinds.labels import onset_error
from spatial_llm.evaluation.metrics.measures import Measure
from spatial_llm.evaluation.metrics.protocols import BAT, DIAGNOSTIC, EXACT, LABELS, TIME
from spatial_llm.evaluation.metrics.spec import Spec, error_spec
from spatial_llm.questions.types import QUESTION_TYPES, VALUE_KINDS

_LETTERS = {"CLASSIFICATION": "A", "DOA": "B", "MIXUP_SINGLE_CLASSIFICATION": "C", "MIXUP_SINGLE_DOA": "D"}
_OF_ONSETS = ("ONSET_FIRST", "STARTS_AT")  # they name a sound, so the error of its onset is measured too


@dataclass(frozen=True)
class TypeMetrics:
    """Holds the metrics of one question type. `right`: its main measure, 0 or 1 for each item."""

    prefix: str
    right: Measure
    specs: tuple[Spec, ...]

    @property
    def measures(self) -> dict[str, Measure]:
        """Returns all measures by name, including `right`."""
        shown = [spec.measure for spec in self.specs if spec.aggregate not in ("pearson", "spearman")]
        return {measure.name: measure for measure in (*shown, self.right)}


def metrics_of(question_type: str) -> TypeMetrics:
    """Returns the metrics of a question type, without those that need an embedding."""
    kind, official = VALUE_KINDS[question_type], QUESTION_TYPES[question_type] in "ABCDE"
    if question_type in _LETTERS:
        prefix = _LETTERS[question_type]
    elif official:
        prefix = "E_" + question_type.removeprefix("MIXUP_").removesuffix("_BOTH").lower()
    else:
        prefix = question_type
    whole = measures.equal("right", "value")
    right, specs = KIND_METRICS.get(kind, WHOLE_VALUE).specs(whole, official)
    if question_type in _OF_ONSETS:
        late = onset_error("onset_error_s")
        specs += (error_spec("onset_error", late, TIME, "mean of those named sounds that sound", unit="s"),)
    return TypeMetrics(prefix, right, (*_of_whole_value(question_type, whole, right), *specs))


def _of_whole_value(question_type: str, whole: Measure, right: Measure) -> tuple[Spec, ...]:
    """Returns the share of answers whose whole value is the true one, under the name that it has for this question type."""
    kind, official = VALUE_KINDS[question_type], QUESTION_TYPES[question_type] in "ABCDE"
    if not official:
        whole = whole if right is whole else measures.equal("exact", "value")
        return (Spec("exact", whole, EXACT, "the value read is the true one"),)
    match kind:
        case "yes_no":
            return (Spec("acc", whole, BAT, "exactly yes or no, and the true one of them"),)
        case "direction_word":
            return (Spec("acc", whole, DIAGNOSTIC, "the true direction word and no other"),)
        case "labels" if question_type in _LETTERS:
            return (Spec("set_acc", whole, LABELS, "exactly the true labels, in any order"),)
        case "labels":
            return (Spec("acc", whole, DIAGNOSTIC, "exactly the true labels, in any order"),)
    return ()
