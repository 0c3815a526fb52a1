"""Recall at k against all orders of the candidates; ties, equal texts, and what chance gives."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest

from spatial_llm.errors import SpatialLLMError
from spatial_llm.evaluation.names import plain_name
from spatial_llm.evaluation.scoring.retrieval import Likeness, format_retrieval_table, recall_at, score_retrieval
from spatial_llm.evaluation.scoring.seeds import REPORTS, compare_kinds, joined


def by_orders(likeness: np.ndarray, right: np.ndarray, among: np.ndarray, most: int) -> list[float]:
    """Of each query, the share of the orders of its candidates, most alike first, that have a right one in front."""
    shares = []
    for row in range(len(likeness)):
        candidates = np.flatnonzero(among[row]).tolist()
        orders = [
            order
            for order in itertools.permutations(candidates)
            if all(likeness[row, a] >= likeness[row, b] for a, b in itertools.pairwise(order))
        ]
        known = right[row, candidates].any() and not right[row, candidates].all()
        hits = sum(bool(right[row, list(order[:most])].any()) for order in orders)
        shares.append(hits / len(orders) if known else math.nan)
    return shares


@pytest.mark.parametrize("seed", range(6))
def test_recall_is_the_share_of_orders(seed: int) -> None:
    random = np.random.default_rng(seed)
    likeness = random.integers(0, 3 + seed, (7, 6)).astype(float)  # many ties
    right, among = random.random((7, 6)) < 0.4, random.random((7, 6)) < 0.8
    for most in (1, 2, 3, 10):
        np.testing.assert_allclose(recall_at(likeness, right, among, most), by_orders(likeness, right, among, most))


def test_where_all_is_equally_alike_recall_is_chance() -> None:
    right = np.zeros((1, 20), bool)
    right[0, :3] = True
    chance = recall_at(np.zeros((1, 20)), right, np.ones((1, 20), bool), 10)
    assert float(chance[0]) == pytest.approx(1 - math.comb(17, 10) / math.comb(20, 10))


def likeness(cosines: np.ndarray, texts: list[str], among: np.ndarray | None = None) -> Likeness:
    same = np.array([[one == other for other in texts] for one in texts])
    return Likeness(cosines, texts, same, np.ones_like(same) if among is None else among, "the sound named")


def test_scores_by_hand() -> None:
    texts = ["bell", "bell", "rain", "dog"]
    #           recordings: bell  bell  rain  dog
    cosines = np.array([[0.1, 0.9, 0.3, 0.2],  # the other bell is as right
                        [0.1, 0.9, 0.3, 0.2],
                        [0.8, 0.1, 0.2, 0.1],
                        [0.0, 0.0, 0.1, 0.7]])  # fmt: skip
    scores = score_retrieval({"sound": likeness(cosines, texts)}, resamples=200)
    assert scores["sound_to_recording_R1"]["value"] == 75.0
    # Texts of recordings: the first bell finds rain (0.8), the second itself, rain finds bell (0.3), dog itself.
    assert scores["sound_to_text_R1"]["value"] == 50.0
    assert scores["sound_to_text_R1"]["candidates"] == 3, "equal texts are one"
    assert scores["sound_to_recording_R1"]["candidates"] == 4 and scores["sound_to_recording_R1"]["queries"] == 4
    assert scores["sound_to_recording_R1"]["chance"] == pytest.approx(100 * (2 / 4 + 2 / 4 + 1 / 4 + 1 / 4) / 4)
    assert scores["sound_to_text_R1"]["chance"] == pytest.approx(100 / 3)
    assert scores["sound_to_recording_R10"]["value"] == scores["sound_to_recording_R10"]["chance"] == 100.0
    assert all(one["low"] <= one["value"] <= one["high"] for one in scores.values())
    assert all(plain_name(name) for name in scores)


def test_a_place_is_found_among_the_recordings_of_its_sound_alone() -> None:
    texts, sounds = ["left", "right", "left", "right", "left"], np.array(["bell", "bell", "rain", "rain", "dog"])
    among = sounds[:, None] == sounds[None]
    cosines = np.full((5, 5), 5.0)  # what is of another sound would always win
    cosines[:2, :2], cosines[2:4, 2:4] = [[0.9, 0.1], [0.2, 0.3]], [[0.1, 0.9], [0.8, 0.2]]
    scores = score_retrieval({"place": likeness(cosines, texts, among)}, resamples=50)
    assert scores["place_to_recording_R1"]["value"] == 50.0, "right for the bell, wrong for the rain"
    assert scores["place_to_recording_R1"]["queries"] == 4, "one dog cannot be mistaken"
    assert scores["place_to_recording_R1"]["chance"] == 50.0
    # "left" of the bell and "left" of the rain are one text each to be found. Bells: 0.9 and 0.3; rains: 0.8 and 0.9.
    assert scores["place_to_text_R1"]["value"] == 50.0
    assert (scores["place_to_text_R1"]["queries"], scores["place_to_text_R1"]["candidates"]) == (4, 2)


def test_what_cannot_be_scored_is_refused() -> None:
    alone = likeness(np.zeros((2, 2)), ["a", "b"], np.eye(2, dtype=bool))
    with pytest.raises(SpatialLLMError, match="place, text to recording: every query has one candidate"):
        score_retrieval({"place": alone})
    with pytest.raises(SpatialLLMError, match="2 texts and arrays of other sizes"):
        score_retrieval({"sound": alone._replace(cosines=np.zeros((2, 3)))})
    with pytest.raises(SpatialLLMError, match="not true of its own recording"):
        score_retrieval({"sound": alone._replace(right=~np.eye(2, dtype=bool))})


def test_the_table_and_the_comparison_over_seeds(tmp_path: Path) -> None:
    texts = [f"sound {number % 4}" for number in range(12)]
    random, runs = np.random.default_rng(0), {}
    for kind, signal in (("good", 3.0), ("poor", 0.0)):
        for _ in range(3):
            cosines = random.normal(size=(12, 12)) + signal * np.array([[a == b for b in texts] for a in texts])
            asked = {"sound": likeness(cosines, texts), "place": likeness(cosines, texts)}
            runs.setdefault(kind, []).append(
                {"metrics": score_retrieval(asked, 50), "recordings": 12, "sentence_encoder": "some", "resamples": 50,
                 "seed": 0, "provenance": {"manifest_sha256": "0"}}
            )  # fmt: skip
    table = format_retrieval_table(json.loads(json.dumps(runs["good"][0])))
    assert "`sound_to_recording_R1`" in table and "Verdict: on " in table and "12 recordings" in table
    found = compare_kinds(runs, "poor", REPORTS["retrieval.json"])
    assert found["kinds"]["good"]["sound_to_recording_R1"]["difference"] > 20
    both = joined([runs["good"][0], {"metrics": {"mAP": {"value": 1.0}}, "provenance": {"manifest_sha256": "0"}}])
    assert {"mAP", "sound_to_recording_R1"} <= set(both["metrics"])
    with pytest.raises(SpatialLLMError, match="on 2 manifests"):
        joined([runs["good"][0], {"metrics": {}, "provenance": {"manifest_sha256": "1"}}])
