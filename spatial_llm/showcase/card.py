"""The tables of a model card: one row per chosen metric, one column per test set; and the same under every control.

Numbers come only from scores.json files. A row without its n and interval would be a mere claim, so each cell holds all
three.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.names import plain_name
from spatial_llm.evaluation.report.scores_table import CONTROLS
from spatial_llm.evaluation.text_tables import format_grid, interval, number

Rows = Sequence[tuple[str, str]]


def _named(*metrics: str) -> Rows:
    return [(plain_name(metric) or metric, metric) for metric in metrics]


# Test sets of the shipped model and their column titles: the head it was trained with, another one, measured responses.
TEST_SETS = {"kemar": "KEMAR", "head": "unknown head", "measured": "measured room, unknown head"}
# Sources in each recording; of the last two sets it is asked how many there are, and what is there.
NUMBERS = {
    "one": "one source",
    "two": "two sources",
    "mixed": "one source or two",
    "presence": "what is there, of one or two",
}
ONE_SOURCE = _named(
    "B_left_right_acc",
    "B_front_behind_acc",
    "B_above_below_acc",
    "B_direction_acc",
    "AZIMUTH_DEG_within_20",
    "AZIMUTH_DEG_MAE",
    "B_region_ER20",
    "B_region_distance_mean",
    "B_DER",
    "A_set_acc",
    "AZIMUTH_CLOCK_exact",
    "ROTATED_direction_acc",
    "ROTATED_AZIMUTH_within_20",
)
ENCODER = {"mAP": "%", "ER20": "%", "MAE_deg": "deg", "DER": "%"}  # metrics of eval/encoder.py, by their units
TWO_SOURCES = _named(
    "E_direction_acc",
    "E_distance_acc",
    "D_direction_acc",
    "D_left_right_acc",
    "D_front_behind_acc",
    "D_DER",
    "C_set_acc",
    "AZIMUTH_DEG_within_20",
    "NEAREST_exact",
    "FARTHEST_exact",
)
MIXED = _named(
    "COUNT_SOURCES_exact",
)
PRESENCE = _named(
    "PRESENT_exact",
    "PRESENT_AT_PLACE_exact",
    "WRONG_PLACE_exact",
    "SWAPPED_exact",
    "hallucination_absent_sound_f1_no",
)


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
        name: {"metrics": {key: {**report["metrics"][key], "n": report["recordings"], "unit": unit}
                           for key, unit in ENCODER.items()}}
        for name, report in reports.items()
    }  # fmt: skip
    return score_grid(scores, _named(*ENCODER))


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


def filled_in(
    scores: Mapping[tuple[str, str], Mapping[str, Any]], heard: Mapping[str, Mapping[str, Any]], classes: Sequence[str]
) -> dict[str, str]:
    """Returns what the places in braces of the card's template stand for.

    Args:
        scores: contents of scores.json by the keys of `TEST_SETS` and of `NUMBERS`.
        heard: contents of encoder.json by the keys of `TEST_SETS`.
        classes: the sounds of training.

    Raises:
        ManifestError: a test set lacks one of the metrics.
    """
    grids = {"one": ONE_SOURCE, "two": TWO_SOURCES, "mixed": MIXED, "presence": PRESENCE}
    controls = {"one": ONE_SOURCE[:10], "two": TWO_SOURCES[:5], "presence": PRESENCE}
    manifests = {
        f"{TEST_SETS[test]}, {NUMBERS[number]}": found["provenance"]["manifest_sha256"]
        for (test, number), found in scores.items()
    }
    return {
        **{
            f"{{{number}}}": score_grid({words: scores[test, number] for test, words in TEST_SETS.items()}, rows)
            for number, rows in grids.items()
        },
        "{encoder}": encoder_grid({words: heard[test] for test, words in TEST_SETS.items()}),
        "{controls}": "\n\n".join(control_grid(scores["kemar", number], rows) for number, rows in controls.items()),
        "{classes}": "; ".join(classes),
        "{hashes}": "\n".join(f"- {words}: `{sha256}`" for words, sha256 in manifests.items()),
    }
