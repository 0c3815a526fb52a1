"""Every metric of ours has a plain name, and no two share one."""

from collections import Counter

import pytest

from spatial_llm.evaluation.metrics.hallucination import KINDS, RULES
from spatial_llm.evaluation.metrics.type_metrics import metrics_of
from spatial_llm.evaluation.names import PREFIXES, SUFFIXES, WHOLE, plain_name, titled
from spatial_llm.evaluation.scoring.event_scores import score_events
from spatial_llm.evaluation.scoring.retrieval import DIRECTIONS, TOP
from spatial_llm.questions.types import QUESTION_TYPES

CODES = [
    *(f"{metrics_of(kind).prefix}_{spec.suffix}" for kind in QUESTION_TYPES for spec in metrics_of(kind).specs),
    *(f"{letter}_{suffix}" for letter in "AC" for suffix in ("mAP", "mean_cosine")),
    *(f"hallucination_{kind}_{rule}" for kind in KINDS for rule in RULES),
    *(f"OPEN_{suffix}" for suffix in ("embedding_acc", "embedding_micro_F1", "embedding_mAP", "CIDEr")),
    *(f"CAPTION_{suffix}" for suffix in ("CIDEr", "scene_tuple_F1")),
    *("E_acc", "reliability", "reliability_accuracy", "reliability_truthfulness", "reliability_rejection_rate"),
]


OF_EVENTS = score_events({"a": []}, {"a": []}, resamples=1)["metrics"]


OF_RETRIEVAL = [
    f"{asked}_{direction}_R{most}" for asked in ("whole", "sound", "place") for direction in DIRECTIONS for most in TOP
]


def test_every_metric_has_a_name_of_its_own() -> None:
    names = {code: plain_name(code) for code in (*CODES, *OF_EVENTS, *OF_RETRIEVAL)}
    assert [code for code, name in names.items() if name is None] == []
    assert [name for name, count in Counter(names.values()).items() if count > 1] == []


def test_no_name_is_left_over() -> None:
    """Encoders have eight metrics; all other entries belong to a metric of answers, of events or of retrieval."""
    of_encoders = {"mAP", "ER20", "MAE_deg", "DER", "left_right", "front_behind", "above_below", "eight_way"}
    assert set(WHOLE) - {*CODES} == {*OF_EVENTS, *OF_RETRIEVAL, *of_encoders}
    assert [prefix for prefix in PREFIXES if not any(code.startswith(f"{prefix}_") for code in CODES)] == []
    assert [suffix for suffix in SUFFIXES if not any(code.endswith(f"_{suffix}") for code in CODES)] == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("B_left_right_acc", "left or right (B), `B_left_right_acc`"),
        ("D_DER", "distance off by more than 0.5 m of the named sound (D), `D_DER`"),
        ("E_nonbinary_direction_acc", "direction of one sound from another, right (E), `E_nonbinary_direction_acc`"),
        ("ROTATED_AZIMUTH_within_20", "azimuth after a turn, within 20 degrees, `ROTATED_AZIMUTH_within_20`"),
        ("AA_spatial", "`AA_spatial`"),
    ],
)
def test_a_code_stands_beside_its_name(code: str, expected: str) -> None:
    assert titled(code) == expected
