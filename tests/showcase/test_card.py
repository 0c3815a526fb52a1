"""A card's tables hold the numbers of scores.json, each with interval and n, and miss none silently."""

import re
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.metrics.type_metrics import metrics_of
from spatial_llm.model.publishing import METADATA
from spatial_llm.questions.types import QUESTION_TYPES
from spatial_llm.shipped import shipped_models
from spatial_llm.showcase.card import ONE_SOURCE, TWO_SOURCES, control_grid, score_grid


def entry(value, low, high, n, unit="%", **more):
    return {"value": value, "low": low, "high": high, "n": n, "unit": unit, **more}


def test_cells_say_value_interval_and_n():
    scores = {
        "KEMAR": {"metrics": {"B_DER": entry(12.345, 10.0, 14.5, 1043)}},
        "other": {"metrics": {"B_DER": entry(None, None, None, 0)}},
    }
    grid = score_grid(scores, [("distance off", "B_DER")])
    header, _, row = grid.splitlines()
    assert [cell.strip() for cell in header.strip("|").split("|")] == ["", "KEMAR", "other"]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["distance off, `B_DER`", "12.35 (10.00 to 14.50; n 1043)", "- (-; n 0)"]
    with pytest.raises(ManifestError, match="KEMAR: no metric B_ER20"):
        score_grid(scores, [("direction off", "B_ER20")])


def test_controls_stand_beside_the_real_run():
    scores = {
        "metrics": {"E_acc": entry(80.0, 78, 82, 100, random=50.0), "B_DER": entry(9.0, 8, 10, 50, random=80.0)},
        "controls": {"ears_swapped": {"metrics": {"E_acc": entry(20.0, 15, 25, 40)}}, "no_audio": {"metrics": {}}},
    }
    header, _, *rows = control_grid(scores, [("yes or no", "E_acc"), ("distance off", "B_DER")]).splitlines()
    assert [cell.strip() for cell in header.strip("|").split("|")] == [
        "",
        "as recorded",
        "no audio",
        "ears swapped",
        "random",
    ]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert cells[0][1:] == ["80.00", "-", "20.00", "50.00"]
    assert cells[1][1:] == ["9.00", "-", "-", "80.00"]


def test_every_metric_of_the_card_exists():
    known = {f"{metrics_of(kind).prefix}_{spec.suffix}" for kind in QUESTION_TYPES for spec in metrics_of(kind).specs}
    assert {metric for _, metric in (*ONE_SOURCE, *TWO_SOURCES)} <= known


def test_card_and_its_template_have_the_header_of_the_hub_and_say_first_what_it_cannot_do():
    template = Path(__file__).parents[2] / "recipes" / "configs" / "tiny" / "card.md"
    for path in (shipped_models()["tiny"] / "README.md", template):
        card = ModelCard(path.read_text(encoding="utf-8"))
        assert card.data.to_dict() == METADATA | {"license": "apache-2.0"}
        assert re.findall("^## (.*)$", card.text, re.MULTILINE) == [
            *("How to use it", "What it cannot do", "Parts", "Scores", "Data and licences"),
        ]
