"""One table of object hallucination: for each kind of question, whether "no" is said where it is due.

The kinds and measures are those of `metrics.hallucination`; the numbers are taken from scores.json, none is computed here.
"""

from typing import Any

from spatial_llm.evaluation.metrics.hallucination import KINDS
from spatial_llm.evaluation.text_tables import interval, number

_NAMES = {
    "absent_sound": "a sound that is absent",
    "wrong_place": "a sound at a wrong place",
    "swapped": "two sounds, their places exchanged",
}
_COLUMNS = {
    "accuracy": "right",
    "precision_no": "precision of no",
    "recall_no": "recall of no",
    "f1_no": "F1 of no",
    "yes_rate": "yes",
}
HEADER = ["asked of", "n", *_COLUMNS.values(), "yes is true", "unparsed", "refused"]
RULE = (
    "Object hallucination, the positive class is no (%; intervals behind): a model that agrees to everything has no recall "
    "of no, one that denies everything no precision."
)


def hallucination_rows(scores: dict[str, Any]) -> list[list[Any]]:
    """Returns a row for each kind of question in scores.json, below `HEADER`; none without such questions."""
    rows = []
    for kind in KINDS:
        found = {name: scores["metrics"].get(f"hallucination_{kind}_{name}") for name in _COLUMNS}
        if None in found.values():
            continue
        said = found["yes_rate"]
        cells = [f"{number(entry['value'], '%')} ({interval(entry, '%')})" for entry in found.values()]
        true_share = number(said["details"]["true_share"], "%")
        rows.append([_NAMES[kind], said["n"], *cells, true_share, said["unparsed"], said["refused"]])
    return rows
