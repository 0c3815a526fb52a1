"""Scores of encoders: intervals, published rows, attention."""

import re

import numpy as np
import pytest

from spatial_llm.encoders.metrics import encoder_scores
from spatial_llm.evaluation.scoring.encoder_scores import (
    attention_summary,
    format_encoder_table,
    plot_attention,
    score_encoder,
)


def heard(n: int, wrong: float, seed: int = 0) -> tuple[dict, dict]:
    """N recordings of which a share is heard 40 degrees and two distance classes off."""
    rng = np.random.default_rng(seed)
    labels = {"event": np.eye(5)[rng.integers(5, size=n)], "distance": rng.integers(2, 18, size=n),
              "azimuth": rng.integers(360, size=n), "elevation": np.full(n, 90)}  # fmt: skip
    off = rng.random(n) < wrong
    outputs = {
        "event": labels["event"] + rng.standard_normal((n, 5)) * 0.5,
        "distance": np.eye(21)[labels["distance"] + 2 * off],
        "azimuth": np.eye(360)[(labels["azimuth"] + 40 * off) % 360],
        "elevation": np.eye(180)[labels["elevation"]],
    }
    return outputs, labels


def test_scores_with_intervals_beside_published_rows() -> None:
    outputs, labels = heard(400, wrong=0.25)
    scores, point = score_encoder(outputs, labels, resamples=400), encoder_scores(outputs, labels)
    assert scores["ER20"]["value"] == scores["DER"]["value"] == pytest.approx(100 * point["der"])
    assert scores["MAE_deg"]["value"] == pytest.approx(0.4 * scores["ER20"]["value"])
    assert scores["mAP"]["value"] == pytest.approx(100 * point["event_map"])
    share = point["er20"]
    half_width = 196 * np.sqrt(share * (1 - share) / 400)  # of a binomial share, in percent
    assert scores["ER20"]["high"] - scores["ER20"]["low"] == pytest.approx(2 * half_width, rel=0.15)
    assert all(score["low"] <= score["value"] <= score["high"] for score in scores.values())
    # Of the quarter that is heard 40 degrees off, as many cross the line between left and right as between front and behind.
    heard_at = outputs["azimuth"].argmax(1)
    left = lambda azimuth: (azimuth >= 90) & (azimuth <= 270)  # noqa: E731  (classes: 0 is right, 90 front)
    front = lambda azimuth: azimuth <= 180  # noqa: E731
    right_side = left(heard_at) == left(labels["azimuth"])
    assert scores["left_right"]["value"] == pytest.approx(100 * right_side.mean())
    assert scores["front_behind"]["value"] == pytest.approx(100 * np.mean(front(heard_at) == front(labels["azimuth"])))
    assert scores["above_below"]["value"] == 100.0
    both = right_side & (front(heard_at) == front(labels["azimuth"]))
    assert scores["eight_way"]["value"] == pytest.approx(100 * both.mean())
    assert score_encoder(outputs, labels, resamples=400) == scores, "seeded"
    published = {row["system"]: row["value"] for row in scores["DER"]["published"]}
    assert published["DSpAST stage 3"] == 28.03
    report = {"metrics": scores, "recordings": 400, "resamples": 400, "seed": 0, "provenance": {"manifest_sha256": "ab"}}
    table = format_encoder_table(report)
    assert "DSpAST stage 3" in table and "28.03" in table and "400 recordings" in table


def test_intervals_are_those_of_repeated_recordings() -> None:
    outputs, labels = heard(60, wrong=0.25)
    rng, drawn = np.random.default_rng(3), []
    for _ in range(40):
        rows = rng.integers(60, size=60)
        point = encoder_scores(
            {name: values[rows] for name, values in outputs.items()}, {name: values[rows] for name, values in labels.items()}
        )
        drawn.append([100 * point["event_map"], 100 * point["er20"], point["mae_deg"], 100 * point["der"]])
    found = score_encoder(outputs, labels, resamples=40, seed=3)
    found = {name: found[name] for name in ("mAP", "ER20", "MAE_deg", "DER")}
    np.testing.assert_allclose([score["low"] for score in found.values()], np.percentile(drawn, 2.5, axis=0), atol=1e-9)
    np.testing.assert_allclose([score["high"] for score in found.values()], np.percentile(drawn, 97.5, axis=0), atol=1e-9)


def test_one_recording_has_no_interval() -> None:
    scores = score_encoder(*heard(1, wrong=0.0), resamples=10)
    assert scores["ER20"]["value"] == 0.0 and scores["ER20"]["low"] is None
    report = {"metrics": scores, "recordings": 1, "resamples": 10, "seed": 0, "provenance": {"manifest_sha256": "ab"}}
    assert re.search(r"`ER20` +\| 0.00 +\| - +\|", format_encoder_table(report))


def test_attention_is_averaged_per_branch_and_drawn(tmp_path) -> None:
    attention = np.linspace(0, 1, 4 * 3 * 2).reshape(4, 3, 2)
    summary = attention_summary(attention, ["logmel_left", "ild"])
    assert list(summary) == ["distance", "direction", "event"]
    assert summary["direction"]["ild"]["mean"] == pytest.approx(attention[:, 1, 1].mean())
    plot_attention(summary, tmp_path / "attention.png")
    assert (tmp_path / "attention.png").read_bytes().startswith(b"\x89PNG")
