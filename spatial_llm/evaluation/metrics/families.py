"""Which measures belong to which kind of question, how they become metrics, and by which protocol.

The names and rules of types A to E are those under which their numbers are published (specs a.5); everything else is ours
and stands under another protocol, so that no column mixes the two.
"""

from dataclasses import dataclass
from typing import Literal

from spatial_llm.answers import AXES, QUESTION_TYPES, VALUE_KINDS
from spatial_llm.evaluation.metrics import measures
from spatial_llm.evaluation.metrics.measures import ANGLE_TOLERANCE_DEG, DISTANCE_TOLERANCE_M, Measure

PROTOCOLS = {
    "bat": "BAT (arXiv 2402.01591). A, C: average precision over the label set, cosine of answer and label as the score "
    "(the embedding is part of the protocol), mean over labels with a positive. B, D: direction_acc = all three "
    "direction words right; DER = distance more than 0.5 m off, or unparsed. E: exactly yes or no; E_acc = plain mean "
    "of direction and distance.",
    "dspast": "As the text of DSpAST words it (arXiv 2509.13927): mean cosine of answer and true answer.",
    "exact": "Question families of this library: the value read from the answer is the true one; how near a wrong one is "
    "does not count.",
    "diagnostic": "In no published table: single axes, and the questions of type E that are not yes or no.",
    "balanced": "Mean over the true classes of the share of right answers: an answer that is always the same scores 1 / "
    "classes.",
    "angle": "Degrees. An answer in words stands for the centre of its octant, against the bearing in the record; sides are "
    "read off the angle where the true one is at least 10 degrees clear. Means and medians are over the answers that parse; "
    "in ER20 and in the shares the others count as wrong.",
    "distance": "Metres. Means are over the answers that parse; DER counts the others as wrong.",
    "relative": "Of distances and durations as a share of the true one: more than 20 % off, or unparsed; mean error of "
    "those that parse.",
    "labels": "Names read from the answer by the parser, no embedding: exactly the true set, and F1 of the two sets (0 "
    "where unparsed), averaged over the items.",
    "count": "How far the answered number is from the true one, over the answers that parse.",
    "hallucination": "Does it say no where no is due (Kuan et al., arXiv 2406.08402): sounds that are absent, at a wrong "
    "place, exchanged. The positive class is no.",
    "reliability": "Refusals (Ma et al., arXiv 2505.19294) over all items, right by the main measure of each question type.",
    "time": "Seconds. onset_error: between the onsets of the sound named and the true one, where it sounds at all. "
    "temporal_iou: overlap of the span of the answered length with the true one, both from the true onset; 0 where "
    "unparsed.",
}  # fmt: skip

Aggregate = Literal["mean", "median", "rmse", "balanced", "pearson", "spearman"]
_LETTERS = {"CLASSIFICATION": "A", "DOA": "B", "MIXUP_SINGLE_CLASSIFICATION": "C", "MIXUP_SINGLE_DOA": "D"}


@dataclass(frozen=True)
class Spec:
    """How a metric follows from a measure. `suffix`: of its name; `limited`: true answers may score below perfect."""

    suffix: str
    measure: Measure
    protocol: str
    rule: str
    aggregate: Aggregate = "mean"
    unit: str = "%"
    higher_is_better: bool = True
    limited: bool = False


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
        specs += (_error("onset_error", late, "time", "mean of those named sounds that sound", unit="s"),)
    return Family(prefix, right, (*_of_whole_value(question_type, whole, right), *specs))


def _of_whole_value(question_type: str, whole: Measure, right: Measure) -> tuple[Spec, ...]:
    """The share of answers whose whole value is the true one, under the name that it has for this question type."""
    kind, official = VALUE_KINDS[question_type], QUESTION_TYPES[question_type] in "ABCDE"
    if not official:
        whole = whole if right is whole else measures.equal("exact", "value")
        return (Spec("exact", whole, "exact", "the value read is the true one"),)
    match kind:
        case "yes_no":
            return (Spec("acc", whole, "bat", "exactly yes or no, and the true one of them"),)
        case "direction_word":
            return (Spec("acc", whole, "diagnostic", "the true direction word and no other"),)
        case "labels" if question_type in _LETTERS:
            return (Spec("set_acc", whole, "labels", "exactly the true labels, in any order"),)
        case "labels":
            return (Spec("acc", whole, "diagnostic", "exactly the true labels, in any order"),)
    return ()


def _words(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    return right, (Spec("balanced_acc", right, "balanced", "mean over the true answers of the share right", "balanced"),)


def _labels(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    return right, (Spec("F1", measures.set_f1("labels_f1"), "labels", "mean F1 of named and true labels"),)


def _count(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    return right, (
        *_words(right, official)[1],
        _error("MAE", measures.error("count_error", "count"), "count", "mean absolute error", unit="count"),
    )


def _location(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    direction, far = measures.equal("direction_right", "octant"), measures.great_circle("great_circle_deg")
    octant = "between the octant's centre and the true bearing"
    axes = [
        Spec(f"{axis}_acc", measures.equal(f"{axis}_right", axis), "diagnostic", f"the word of {' or '.join(words)} right")
        for axis, words in AXES.items()
    ]
    return measures.equal("right", "octant"), (
        Spec("direction_acc", direction, "bat" if official else "diagnostic", "all three direction words right"),
        Spec("direction_balanced_acc", direction, "balanced", "mean over the 8 directions of the share right", "balanced"),
        *axes,
        _error("great_circle_mean", far, "angle", f"mean angle {octant}", unit="deg", limited=True),
        _error("great_circle_median", far, "angle", f"median angle {octant}", "median", unit="deg", limited=True),
        _error(
            f"ER{ANGLE_TOLERANCE_DEG:g}", measures.great_circle_beyond("great_circle_beyond_20"), "angle",
            f"angle {octant} above {ANGLE_TOLERANCE_DEG:g} degrees, or unparsed", limited=True,
        ),
        *_distances("distance_", "bat" if official else "diagnostic"),
    )  # fmt: skip


def _distance(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    wrong = measures.beyond("distance_wrong", "distance_m", DISTANCE_TOLERANCE_M)
    return measures.opposite("right", wrong), _distances("", "diagnostic")


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
        _error("DER_relative", relative_wrong, "relative", "distance more than 20 % off, or unparsed"),
        _error(f"{name}relative_error", relative, "relative", "mean error as a share of the true distance"),
        _error(f"{name}MAE", error, "distance", "mean absolute error", unit="m"),
        _error(f"{name}RMSE", error, "distance", "root of the mean squared error", "rmse", unit="m"),
        Spec(f"{name}pearson", answered, "distance", "correlation of answered and true distance", "pearson", ""),
        Spec(f"{name}spearman", answered, "distance", "correlation of their ranks", "spearman", ""),
    )


def _azimuth(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    return _angles("azimuth_deg", _sides())


def _elevation(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    side = measures.side("above_below_right", "elevation_deg")
    return _angles("elevation_deg", (Spec("above_below_acc", side, "angle", "the side that the angle is on, where clear"),))


def _clock(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    off = measures.angle("azimuth_error_deg", "azimuth_deg")
    hours = Measure("hour_error", off.reads, lambda answer, truth: off.of(answer, truth) / 30)
    specs = (
        _error("hour_error", hours, "angle", "mean error in hours of the clock, the shorter way", unit="h"),
        _error("MAE", off, "angle", "mean absolute error", unit="deg"),
    )
    return right, (*specs, *_sides())


def _angles(column: str, sides: tuple[Spec, ...]) -> tuple[Measure, tuple[Spec, ...]]:
    name = column.removesuffix("_deg")
    off, wrong = measures.angle(f"{name}_error_deg", column), measures.angle_beyond(f"{name}_beyond_20", column)
    near, limit = measures.opposite(f"{name}_within_20", wrong), f"{ANGLE_TOLERANCE_DEG:g}"
    return measures.opposite("right", wrong), (
        _error("MAE", off, "angle", "mean absolute error", unit="deg"),
        _error("median_error", off, "angle", "median absolute error", "median", unit="deg"),
        _error(f"ER{limit}", wrong, "angle", f"more than {limit} degrees off, or unparsed"),
        Spec(f"within_{limit}", near, "angle", f"at most {limit} degrees off"),
        *sides,
    )


def _sides() -> tuple[Spec, ...]:
    left, front = measures.side("left_right_right", "azimuth_deg"), measures.side("front_behind_right", "azimuth_deg", 90)
    return (
        Spec("left_right_acc", left, "angle", "the side that the angle is on, where clear"),
        Spec("front_behind_acc", front, "angle", "the half that the angle is in, where clear"),
    )


def _duration(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    error, wrong = (
        measures.error("duration_error_s", "duration_s"),
        measures.beyond_relative("duration_relative_wrong", "duration_s"),
    )
    overlap = measures.overlap("temporal_iou", "duration_s")
    return measures.opposite("right", wrong), (
        _error("MAE", error, "time", "mean absolute error", unit="s"),
        _error("median_error", error, "time", "median absolute error", "median", unit="s"),
        _error("ER_relative", wrong, "relative", "more than 20 % off, or unparsed"),
        Spec("temporal_iou", overlap, "time", "mean overlap of the two spans from the true onset"),
    )


def _error(
    suffix: str, measure: Measure, protocol: str, rule: str, aggregate: Aggregate = "mean", unit: str = "%",
    limited: bool = False,
) -> Spec:  # fmt: skip
    return Spec(suffix, measure, protocol, rule, aggregate, unit, higher_is_better=False, limited=limited)


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
}
