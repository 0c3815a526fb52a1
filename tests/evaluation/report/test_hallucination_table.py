"""The one table of object hallucination: a row for each kind that is asked, with the numbers of scores.json."""

import numpy as np

from spatial_llm.evaluation.metrics import compute_metrics, interval_of, read_answers
from spatial_llm.evaluation.report.hallucination_table import HEADER, hallucination_rows
from spatial_llm.evaluation.report.tables import hallucination_section
from spatial_llm.evaluation.statistics.bootstrap import Bootstrap
from tests.evaluation.fixtures_ours import our_records


def scores(items: list, texts: list[str]) -> dict:
    bootstrap = Bootstrap([item.recording_id for item in items], 50)
    metrics = {}
    for name, metric in compute_metrics(read_answers(items, texts), None).items():
        entry = interval_of(metric.strict, metric.rows, bootstrap, 0.95)
        counts = {"n": len(metric.rows), "unparsed": metric.unparsed, "refused": metric.refused}
        metrics[name] = entry | counts | {"details": dict(metric.details)}
    return {"metrics": metrics}


def test_a_row_for_each_kind() -> None:
    items = [record for record in our_records() if record.type == "negative"]
    agreeing = scores(items, ["Yes" if "yes" in item.truth else "left, front, above; 2m" for item in items])
    rows = hallucination_rows(agreeing)
    assert [row[0] for row in rows] == [
        "a sound that is absent",
        "a sound at a wrong place",
        "two sounds, their places exchanged",
    ]
    types = (("PRESENT", "PRESENT_AT_PLACE", "ABSENT"), ("WRONG_PLACE",), ("SWAPPED",))
    for row, names in zip(rows, types, strict=True):
        cells = dict(zip(HEADER, row, strict=True))
        of_kind = [item for item in items if item.question_type in names]
        due = np.mean([item.truth.get("yes", "absent" not in item.truth) for item in of_kind])
        assert cells["n"] == len(of_kind) and abs(due - 0.5) < 0.06, "yes and no are even"
        assert cells["right"].startswith(f"{100 * due:.2f} (") and cells["recall of no"] == "0.00 (0.00 to 0.00)"
        assert (
            cells["precision of no"] == "- (-)"
            and cells["yes"].startswith("100.00")
            and cells["yes is true"] == f"{100 * due:.2f}"
        )
    page = hallucination_section(agreeing)
    assert page.count("<tr>") == 4 and 'id="hallucination"' in page


def test_without_such_questions_there_is_no_table() -> None:
    items = [record for record in our_records() if record.question_type == "DISTANCE"]
    nothing = scores(items, [item.answer for item in items])
    assert hallucination_rows(nothing) == [] and hallucination_section(nothing) == ""
