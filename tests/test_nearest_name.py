"""The name that was meant."""

import pytest

from spatial_llm.nearest_name import did_you_mean

OPTIONS = ("--schedule.steps", "--schedule.batch_size", "--run_folder", "--lora.rank")


@pytest.mark.parametrize(
    ("given", "known", "meant"),
    [
        ("--run_foldr", OPTIONS, "--run_folder"),
        ("--stepz", OPTIONS, "--schedule.steps"),
        ("--scedule.steps", OPTIONS, "--schedule.steps"),
        ("bat", ("demo_train/bat", "ours"), "demo_train/bat"),
        ("spatialsondqa", ("ours", "spatialsoundqa", "spatialsoundqa_beam4"), "spatialsoundqa"),
        ("--frequency", OPTIONS, None),
        ("anything", (), None),
    ],
)
def test_the_nearest_name_is_offered_or_none(given, known, meant):
    assert did_you_mean(given, known) == ("" if meant is None else f"; did you mean {meant}?")
