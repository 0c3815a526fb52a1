"""Measures hallucination: how the model answers "no" for absent sounds, sounds at a wrong place, and exchanged places.

The positive class is "no". A question of type ABSENT asks where a sound is: an answer that there is none counts as no, a
place counts as yes. An unparsed answer is neither: it is a missing no where no is right, and no yes in the yes-rate. Note:
each kind is scored by itself, because a model can refuse every absent sound and still agree to every place. Source: Kuan,
Huang and Lee, object hallucination in large audio-language models (arXiv 2406.08402): F1, precision and recall of "no" and
the yes-rate; the two spatial kinds are ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatial_llm.evaluation.statistics.bootstrap import (
    Statistic,
    f1_of_class,
    mean_of,
    precision_of_class,
    recall_of_class,
)

KINDS = {
    "absent_sound": ("PRESENT", "PRESENT_AT_PLACE", "ABSENT"),
    "wrong_place": ("WRONG_PLACE",),
    "swapped": ("SWAPPED",),
}
RULES = {
    "accuracy": "share of the items to which the due one of no and yes is said",
    "f1_no": "F1 of the answer no",
    "precision_no": "share of the answers no that are right",
    "recall_no": "share of the items whose answer is no to which no is said",
    "yes_rate": "share of all items answered yes; the true share stands under random",
}


@dataclass(frozen=True)
class HallucinationMeasure:
    """Holds one number of one kind of question.

    Attributes:
        rows: indices of its items in the whole set.
        statistic: its value in [0, 1] as a function of the items' weights.
        random: its expected value when each item is answered with the true answer of a random item (for the F1 and the
            precision: the ratio of the expected sums).
    """

    rows: NDArray
    statistic: Statistic
    random: float


def hallucination_measures(
    question_types: Sequence[str], parsed: Sequence[dict[str, Any] | None], truths: Sequence[dict[str, Any]]
) -> dict[str, HallucinationMeasure]:
    """Returns the measures of `RULES` for each of `KINDS` that the items contain, by name ("absent_sound_f1_no", ...).

    Args:
        question_types: types of all items of a set; items of other types are ignored.
        parsed: the value of each predicted answer as `questions.types.parse_value` returns it, None if unparsed.
        truths: the true values.
    """
    measures = {}
    for kind, types in KINDS.items():
        rows = np.array([row for row, name in enumerate(question_types) if name in types], dtype=np.intp)
        if not len(rows):
            continue
        due = np.array([_says(truths[row]) == "no" for row in rows])
        said = [_says(parsed[row]) for row in rows]
        no, yes = np.array([word == "no" for word in said]), np.array([word == "yes" for word in said])
        share = float(due.mean())
        found = {
            "accuracy": (mean_of(np.where(due, no, yes)), share**2 + (1.0 - share) ** 2),
            "f1_no": (f1_of_class(no, due), share),
            "precision_no": (precision_of_class(no, due), share),
            "recall_no": (recall_of_class(no, due), share),
            "yes_rate": (mean_of(yes), 1.0 - share),
        }
        measures |= {f"{kind}_{name}": HallucinationMeasure(rows, *measure) for name, measure in found.items()}
    return measures


def _says(value: dict[str, Any] | None) -> str | None:
    """Returns "yes" if the answer states that the sound is there as in the question, else "no"; None if it is unparsed."""
    if value is None:
        return None
    if "yes" in value:
        return "yes" if value["yes"] else "no"
    return "no" if "absent" in value else "yes"
