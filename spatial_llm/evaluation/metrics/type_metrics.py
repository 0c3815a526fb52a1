"""Which measures belong to which kind of question, how they become metrics, and by which protocol.

The names and rules of types A to E are those under which their numbers are published (specs a.5); everything else is ours
and stands under another protocol, so that no column mixes the two. Of a protocol such as ANGLE the first word
is what a task asks for.
"""

from dataclasses import dataclass
from typing import Literal

from spatial_llm.answers import AXES
from spatial_llm.evaluation.metrics import measures
from spatial_llm.evaluation.metrics.measures import ANGLE_TOLERANCE_DEG, DISTANCE_TOLERANCE_M, IOU_TOLERANCE, Measure
from spatial_llm.evaluation.metrics.protocols import (
    ANGLE,
    BALANCED,
    BAT,
    COUNT,
    DIAGNOSTIC,
    DISTANCE,
    EXACT,
    LABELS,
    REGION,
    RELATIVE,
    TIME,
)
from spatial_llm.questions.types import QUESTION_TYPES, VALUE_KINDS

Aggregate = Literal["mean", "median", "rmse", "balanced", "pearson", "spearman"]
_LETTERS = {"CLASSIFICATION": "A", "DOA": "B", "MIXUP_SINGLE_CLASSIFICATION": "C", "MIXUP_SINGLE_DOA": "D"}


@dataclass(frozen=True)
class Spec:
    """How a metric follows from a measure. `suffix`: of its name; `if_said`: of answers in a form that the question does not
    ask for, and left out where none has it."""

    suffix: str
    measure: Measure
    protocol: str
    rule: str
    aggregate: Aggregate = "mean"
    unit: str = "%"
    higher_is_better: bool = True
    if_said: bool = False


@dataclass(frozen=True)
class Family:
    """The metrics of one question type. `right`: its main measure, 0 or 1 for each item."""

    prefix: str
    right: Measure
    specs: tuple[Spec, ...]

    @property
    def measures(self) -> dict[str, Measure]:
        """All measures by name; `right` among them."""
        shown = [spec.measure for spec in self.specs if spec.aggregate not in ("pearson", "spearman")]
        return {measure.name: measure for measure in (*shown, self.right)}


def family_of(question_type: str) -> Family:
    """The metrics of a question type, without those that rest on an embedding."""
    kind, official = VALUE_KINDS[question_type], QUESTION_TYPES[question_type] in "ABCDE"
    if question_type in _LETTERS:
        prefix = _LETTERS[question_type]
    elif official:
        prefix = "E_" + question_type.removeprefix("MIXUP_").removesuffix("_BOTH").lower()
    else:
        prefix = question_type
    whole = measures.equal("right", "value")
    right, specs = _OF_KIND[kind](whole, official) if kind in _OF_KIND else (whole, ())
    if question_type in ("ONSET_FIRST", "STARTS_AT"):
        late = measures.onset_error("onset_error_s")
        specs += (_error("onset_error", late, TIME, "mean of those named sounds that sound", unit="s"),)
    return Family(prefix, right, (*_of_whole_value(question_type, whole, right), *specs))


def _of_whole_value(question_type: str, whole: Measure, right: Measure) -> tuple[Spec, ...]:
    """The share of answers whose whole value is the true one, under the name that it has for this question type."""
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


def _words(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    return right, (Spec("balanced_acc", right, BALANCED, "mean over the true answers of the share right", "balanced"),)


def _labels(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    return right, (Spec("F1", measures.set_f1("labels_f1"), LABELS, "mean F1 of named and true labels"),)


def _count(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    return right, (
        *_words(right, official)[1],
        _error("MAE", measures.error("count_error", "count"), COUNT, "mean absolute error", unit="count"),
    )


def _location(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    direction, limit = measures.equal("direction_right", "octant"), f"{ANGLE_TOLERANCE_DEG:g}"
    outside, far = measures.region_distance("region_distance_deg"), measures.great_circle("great_circle_deg")
    nearest = "from the true bearing to the nearest point of the octant that the words name"
    between = "between the bearing of the answers that give one in degrees and the true one"
    axes = [
        Spec(f"{axis}_acc", measures.equal(f"{axis}_right", axis), DIAGNOSTIC, f"the word of {' or '.join(words)} right")
        for axis, words in AXES.items()
    ]
    return measures.equal("right", "octant"), (
        Spec("direction_acc", direction, BAT if official else DIAGNOSTIC, "all three direction words right"),
        Spec("direction_balanced_acc", direction, BALANCED, "mean over the 8 directions of the share right", "balanced"),
        *axes,
        _error("region_distance_mean", outside, REGION, f"mean angle {nearest}", unit="deg"),
        _error("region_distance_median", outside, REGION, f"median angle {nearest}", "median", unit="deg"),
        _error(
            f"region_ER{limit}", measures.region_distance_beyond("region_distance_beyond_20"), REGION,
            f"angle {nearest} above {limit} degrees, or unparsed",
        ),
        _error("great_circle_mean", far, ANGLE, f"mean angle {between}", unit="deg", if_said=True),
        _error("great_circle_median", far, ANGLE, f"median angle {between}", "median", unit="deg", if_said=True),
        _error(
            f"great_circle_ER{limit}", measures.great_circle_beyond("great_circle_beyond_20"), ANGLE,
            f"angle {between} above {limit} degrees", if_said=True,
        ),
        *_distances("distance_", BAT if official else DIAGNOSTIC),
    )  # fmt: skip


def _distance(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    wrong = measures.beyond("distance_wrong", "distance_m", DISTANCE_TOLERANCE_M)
    return measures.opposite("right", wrong), _distances("", DIAGNOSTIC)


def _distances(name: str, protocol: str) -> tuple[Spec, ...]:
    error = measures.error("distance_error_m", "distance_m")
    answered = Measure(
        "answered_distance_m", "distance_m", lambda answer, truth: answer["distance_m"] + 0 * truth["distance_m"]
    )
    relative = measures.relative_error("distance_relative_error", "distance_m")
    wrong = measures.beyond("distance_wrong", "distance_m", DISTANCE_TOLERANCE_M)
    relative_wrong = measures.beyond_relative("distance_relative_wrong", "distance_m")
    return (
        _error("DER", wrong, protocol, f"distance more than {DISTANCE_TOLERANCE_M} m off, or unparsed"),
        _error("DER_relative", relative_wrong, RELATIVE, "distance more than 20 % off, or unparsed"),
        _error(f"{name}relative_error", relative, RELATIVE, "mean error as a share of the true distance"),
        _error(f"{name}MAE", error, DISTANCE, "mean absolute error", unit="m"),
        _error(f"{name}RMSE", error, DISTANCE, "root of the mean squared error", "rmse", unit="m"),
        Spec(f"{name}pearson", answered, DISTANCE, "correlation of answered and true distance", "pearson", "r"),
        Spec(f"{name}spearman", answered, DISTANCE, "correlation of their ranks", "spearman", "r"),
    )


def _azimuth(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    return _angles("azimuth_deg", _sides())


def _elevation(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    side = measures.side("above_below_right", "elevation_deg")
    return _angles("elevation_deg", (Spec("above_below_acc", side, ANGLE, "the side that the angle is on, where clear"),))


def _clock(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    off = measures.angle("azimuth_error_deg", "azimuth_deg")
    hours = Measure("hour_error", off.reads, lambda answer, truth: off.of(answer, truth) / 30)
    specs = (
        _error("hour_error", hours, ANGLE, "mean error in hours of the clock, the shorter way", unit="h"),
        _error("MAE", off, ANGLE, "mean absolute error", unit="deg"),
    )
    return right, (*specs, *_sides())


def _angles(column: str, sides: tuple[Spec, ...]) -> tuple[Measure, tuple[Spec, ...]]:
    name = column.removesuffix("_deg")
    off, wrong = measures.angle(f"{name}_error_deg", column), measures.angle_beyond(f"{name}_beyond_20", column)
    near, limit = measures.opposite(f"{name}_within_20", wrong), f"{ANGLE_TOLERANCE_DEG:g}"
    return measures.opposite("right", wrong), (
        _error("MAE", off, ANGLE, "mean absolute error", unit="deg"),
        _error("median_error", off, ANGLE, "median absolute error", "median", unit="deg"),
        _error(f"ER{limit}", wrong, ANGLE, f"more than {limit} degrees off, or unparsed"),
        Spec(f"within_{limit}", near, ANGLE, f"at most {limit} degrees off"),
        *sides,
    )


def _sides() -> tuple[Spec, ...]:
    left, front = measures.side("left_right_right", "azimuth_deg"), measures.side("front_behind_right", "azimuth_deg", 90)
    return (
        Spec("left_right_acc", left, ANGLE, "the side that the angle is on, where clear"),
        Spec("front_behind_acc", front, ANGLE, "the half that the angle is in, where clear"),
    )


def _duration(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    error, wrong = (
        measures.error("duration_error_s", "duration_s"),
        measures.beyond_relative("duration_relative_wrong", "duration_s"),
    )
    ratio = measures.length_ratio("length_ratio", "duration_s")
    return measures.opposite("right", wrong), (
        _error("MAE", error, TIME, "mean absolute error", unit="s"),
        _error("median_error", error, TIME, "median absolute error", "median", unit="s"),
        _error("ER_relative", wrong, RELATIVE, "more than 20 % off, or unparsed"),
        Spec("length_ratio", ratio, TIME, "mean of the shorter of the two lengths over the longer, 0 where unparsed"),
    )


def _span(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    begun, ended = (measures.error(f"{end}_error_s", f"{end}_s") for end in ("onset", "offset"))
    iou, apart = measures.span_iou("temporal_iou"), measures.span_iou_below("temporal_iou_below_half")
    near, half = measures.opposite("right", apart), f"{100 * IOU_TOLERANCE:g}"
    return near, (
        _error("onset_error", begun, TIME, "mean absolute error of the onset", unit="s"),
        _error("offset_error", ended, TIME, "mean absolute error of the offset", unit="s"),
        Spec("temporal_iou", iou, TIME, "mean of intersection over union of the two spans, 0 where unparsed"),
        Spec(f"iou_at_least_{half}", near, TIME, f"intersection at least {half} % of the union; unparsed is wrong"),
    )


def _error(
    suffix: str, measure: Measure, protocol: str, rule: str, aggregate: Aggregate = "mean", unit: str = "%",
    if_said: bool = False,
) -> Spec:  # fmt: skip
    return Spec(suffix, measure, protocol, rule, aggregate, unit, higher_is_better=False, if_said=if_said)


_OF_KIND = {
    "yes_no": _words,
    "direction_word": _words,
    "room_size": _words,
    "reverberation": _words,
    "rt60_range": _words,
    "labels": _labels,
    "count": _count,
    "location": _location,
    "distance": _distance,
    "azimuth": _azimuth,
    "elevation": _elevation,
    "clock": _clock,
    "duration": _duration,
    "span": _span,
}
