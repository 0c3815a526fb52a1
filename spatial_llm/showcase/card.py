"""The tables of a model card: one row per chosen metric, one column per test set; and the same under every control.

Numbers come only from scores.json files. A row without its n and interval would be a mere claim, so each cell holds all
three.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.report.scores_table import CONTROLS
from spatial_llm.evaluation.text_tables import format_grid, interval, number

Rows = Sequence[tuple[str, str]]

# Test sets of the shipped model and their column titles: the head it was trained with, another one, measured responses.
TEST_SETS = {"kemar": "KEMAR", "head": "unknown head", "measured": "measured room, unknown head"}
NUMBERS = {"one": "one source", "two": "two sources", "mixed": "one source or two"}  # sources in each recording
ONE_SOURCE: Rows = (
    ("left or right (B)", "B_left_right_acc"),
    ("front or behind (B)", "B_front_behind_acc"),
    ("above or below (B)", "B_above_below_acc"),
    ("8-way direction (B)", "B_direction_acc"),
    ("azimuth within 20 degrees", "AZIMUTH_DEG_within_20"),
    ("azimuth, mean error", "AZIMUTH_DEG_MAE"),
    ("direction more than 20 degrees outside the octant named (B)", "B_region_ER20"),
    ("direction, mean distance to the octant named (B)", "B_region_distance_mean"),
    ("distance off by more than 0.5 m (B)", "B_DER"),
    ("event named, set equal (A)", "A_set_acc"),
    ("azimuth by the clock", "AZIMUTH_CLOCK_exact"),
    ("8-way direction after a turn", "ROTATED_direction_acc"),
    ("azimuth after a turn, within 20 degrees", "ROTATED_AZIMUTH_within_20"),
)
ENCODER = {  # metrics of eval/encoder.py: words, unit
    "mAP": ("event, mean average precision", "%"),
    "ER20": ("direction more than 20 degrees off", "%"),
    "MAE_deg": ("direction, mean great-circle error", "deg"),
    "DER": ("distance off by more than 0.5 m", "%"),
}
TWO_SOURCES: Rows = (
    ("yes or no, direction (E)", "E_direction_acc"),
    ("yes or no, distance (E)", "E_distance_acc"),
    ("8-way direction of the named sound (D)", "D_direction_acc"),
    ("left or right of the named sound (D)", "D_left_right_acc"),
    ("front or behind of the named sound (D)", "D_front_behind_acc"),
    ("distance off by more than 0.5 m (D)", "D_DER"),
    ("what sounds from there (C)", "C_set_acc"),
    ("azimuth within 20 degrees", "AZIMUTH_DEG_within_20"),
    ("nearest sound", "NEAREST_exact"),
    ("farthest sound", "FARTHEST_exact"),
)
MIXED: Rows = (("number of sources, one or two", "COUNT_SOURCES_exact"),)


def score_grid(scores: Mapping[str, Mapping[str, Any]], rows: Rows) -> str:
    """Returns a Markdown table: `rows` (words, metric) by test sets; each cell reads "97.20 (96.10 to 98.30; n 1043)".

    Args:
        scores: contents of scores.json by the name of the test set, which heads the column.

    Raises:
        ManifestError: a test set lacks one of the metrics.
    """
    cells = []
    for words, metric in rows:
        line = [f"{words}, `{metric}`"]
        for name, content in scores.items():
            if metric not in content["metrics"]:
                raise ManifestError(f"scores of {name}: no metric {metric}; ask its questions and score them again.")
            entry = content["metrics"][metric]
            unit = "%" if entry["unit"] == "%" else ""
            value = number(entry["value"], unit)
            line.append(f"{value} ({interval(entry, entry['unit'])}; n {entry['n']})")
        cells.append(line)
    return format_grid(["", *scores], cells)


def encoder_grid(reports: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns the same table for an encoder's own heads.

    Args:
        reports: contents of encoder.json (eval/encoder.py) by the name of the test set.
    """
    scores = {
        name: {"metrics": {key: {**found, "n": report["recordings"], "unit": ENCODER[key][1]}
                           for key, found in report["metrics"].items()}}
        for name, report in reports.items()
    }  # fmt: skip
    return score_grid(scores, [(words, key) for key, (words, _) in ENCODER.items()])


def control_grid(scores: Mapping[str, Any], rows: Rows) -> str:
    """Returns a Markdown table of one test set: `rows` by the real run and its controls, on the items of the controls; a
    dash where a control has no number."""
    names = [name for name in CONTROLS if name in scores["controls"]]
    cells = []
    for words, metric in rows:
        found = [scores["controls"][name]["metrics"].get(metric) for name in names]
        real = scores["metrics"][metric]
        unit = "%" if real["unit"] == "%" else ""
        shown = [number(entry["value"], unit) if entry else "-" for entry in found]
        cells.append([f"{words}, `{metric}`", number(real["value"], unit), *shown, number(real["random"], unit)])
    return format_grid(["", "as recorded", *(CONTROLS[name][0] for name in names), "random"], cells)
