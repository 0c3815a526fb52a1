"""One line on constructed scores: better, worse, undecided, without controls."""

import copy

import pytest

from spatial_llm.evaluation.verdicts import comparison_verdict, encoder_verdict, hearing_verdict, kinds_verdict


def entry(value, half=2.0, real=None):
    found = {"value": value, "low": value - half, "high": value + half}
    return found if real is None else found | {"same_items": entry(real)}


def metric(value, random, protocol="diagnostic"):
    return entry(value) | {"unit": "%", "random": random, "higher_is_better": True, "protocol": protocol}


SIDE = "B_left_right_acc"
METRICS = {
    SIDE: metric(98.0, 50.0),
    "B_direction_acc": metric(80.0, 12.5, "bat"),
    "B_F1": metric(9, 9, "diagnostic, labels"),
}


def scores(**controls):
    """Scores whose controls have the given values of the side and of the direction."""
    real = [entry["value"] for entry in METRICS.values()]
    made = {
        name: {"metrics": {code: entry(value, real=each) for code, value, each in zip(METRICS, values, real, strict=False)}}
        for name, values in controls.items()
    }
    return {"controls": made, "metrics": METRICS}


def test_a_model_that_hears():
    said = hearing_verdict(scores(no_audio=(50.5, 13), ears_swapped=(3, 9), ears_swapped_mirrored=(97, 80)))
    assert said == (
        "Verdict: the model listens; on 2 of 2 metrics it is better than without sound, such as left or right (B), 98.00 "
        "against 50.50, which is no better than chance; exchanging the ears flips left and right."
    )


@pytest.mark.parametrize(
    ("swapped", "mirrored", "words"),
    [
        (98, 3, "exchanging the ears does not flip left and right"),
        (52, 51, "whether exchanging the ears flips left and right cannot be told"),
        (97, 60, "whether exchanging the ears flips left and right cannot be told"),
    ],
)
def test_ears_that_make_no_difference(swapped, mirrored, words):
    said = hearing_verdict(scores(no_audio=(60, 13), ears_swapped=(swapped, 9), ears_swapped_mirrored=(mirrored, 9)))
    assert said.endswith(f"; {words}.") and "chance" not in said


def test_a_model_that_does_not_hear():
    said = hearing_verdict(scores(no_audio=(97.0, 79.0)))
    assert said == ("Verdict: nothing shows that the model listens; on 0 of 2 metrics it is better than without sound.")
    deaf = copy.deepcopy(scores(no_audio=(50, 12), ears_swapped=(50, 9), ears_swapped_mirrored=(50, 9)))
    for control in deaf["controls"].values():  # the real run is at chance: ears say nothing
        control["metrics"][SIDE]["same_items"] = entry(50.0)
    assert "ears" not in hearing_verdict(deaf) and "on 1 of 2 metrics" in hearing_verdict(deaf)


def test_without_controls_nothing_is_claimed():
    assert "nothing shows whether" in hearing_verdict(scores())
    assert "nothing shows whether" in hearing_verdict(scores(ears_swapped=(3, 9)))
    assert "better than from the question alone" in hearing_verdict(scores(question_only=(50, 12)))


def compared(**metrics):
    """A comparison: by metric, difference, p and protocol; of DER less is better."""
    made = {
        name: {
            "difference": difference, "low": difference - 1, "high": difference + 1, "p_holm": p_holm, "unit": "%",
            "protocol": protocol, "higher_is_better": not name.endswith("DER"),
        }
        for name, (difference, p_holm, protocol) in metrics.items()
    }  # fmt: skip
    return {"metrics": made, "confidence": 0.95}


def test_runs_that_differ_and_runs_that_do_not():
    report = compared(
        B_direction_acc=(4.2, 0.001, "bat"),
        B_DER=(3.0, 0.02, "bat"),
        E_acc=(9.0, 0.2, "bat"),
        A_F1=(5.0, 0.001, "diagnostic, labels"),
    )
    assert comparison_verdict(report) == (
        "Verdict: the second run is better at 8-way direction (B) (+4.20 %, 3.20 to 5.20), and worse at distance off by "
        "more than 0.5 m (B) (+3.00 %, 2.00 to 4.00); on 1 of 3 metrics they cannot be told apart."
    )
    many = compared(**{f"{letter}_{end}": (-2.0, 0.01, "bat") for letter in "BD" for end in ("DER", "direction_acc")})
    assert "better at" in comparison_verdict(many) and "worse at" in comparison_verdict(many)
    undecided = compared(B_DER=(1.0, 0.05, "bat"), E_acc=(0.0, None, "bat"))
    assert comparison_verdict(undecided) == "Verdict: the two runs cannot be told apart on any of 2 metrics."
    undecided = compared(B_DER=(1.0, 0.05, "bat"), A_F1=(5.0, 0.001, "diagnostic, labels"))
    assert comparison_verdict(undecided).endswith("on any of 1 metrics, finer diagnostics aside.")


def test_refusals_stand_in_the_verdict_with_their_counts():
    report = compared(B_DER=(1.0, 0.5, "bat"))
    counts = {"right_before": 60, "right_now_refused": 3, "wrong_before": 40, "wrong_now_refused": 12}
    report["rgi"] = {"value": 0.72, "low": 0.31, "high": 1.04, "counts": counts}
    assert comparison_verdict(report).endswith(
        "1 metrics; it declines 12 of 40 answers that were wrong and 3 of 60 that were right (RGI +0.72, 0.31 to 1.04)."
    )
    report["rgi"] = {"value": None, "low": None, "high": None, "counts": counts}
    assert "RGI" not in comparison_verdict(report), "undefined"


def test_more_metrics_than_are_named_are_counted():
    report = compared(**{f"{code}_exact": (2.0, 0.01, "exact") for code in ("NEAREST", "FARTHEST", "DISTANCE", "SPAN")})
    assert comparison_verdict(report).endswith("farthest sound (+2.00 %, 1.00 to 3.00) and 2 more.")


def kind(**metrics):
    return {name: {"difference": difference, "p_holm": p_holm} for name, (difference, p_holm) in metrics.items()}


def test_kinds_over_seeds():
    found = {
        "reference": "a",
        "kinds": {"a": {"mAP": {}, "ER20": {}}, "b": kind(mAP=(5.0, 0.01), ER20=(8.0, 0.03)), "c": kind(mAP=(5.0, 0.2))},
    }
    assert kinds_verdict(found, ("ER20",)) == (
        "Verdict: beside a, over seeds, b is better at event, mean average precision (+5.0; p 0.01), and worse at direction "
        "more than 20 degrees off (+8.0; p 0.03); c cannot be told apart."
    )
    assert kinds_verdict({"reference": "a", "kinds": {"a": {}}}, ()) == "Verdict: a has no other kind beside it."


def test_an_encoder_in_words():
    said = encoder_verdict({"metrics": {"ER20": entry(14.0), "DER": entry(20.0) | {"low": None}, "mAP": entry(79.0)}})
    assert said.startswith(
        "Verdict: of 100 recordings, the direction is within 20 degrees in 86 (84 to 88) and the distance is within 0.5 m "
        "in 80; events have a mean average precision of 79 %."
    )
