"""All of `hostile` through the doors that read sound: nothing wrong in silence, nothing that hangs, no error but ours."""

import json
import re
import warnings
from collections import Counter

import numpy as np
import pytest

from spatial_llm.audio.formats import BINAURAL
from spatial_llm.audio.io import prepare_waveform, read_audio, shown_path
from spatial_llm.audio.limits import AudioLimits
from spatial_llm.audio.windows import Window, array_blocks, iter_windows, open_blocks
from spatial_llm.errors import AudioError
from tests.audio.apart import run_apart
from tests.audio.hostile import READ, REFUSED, WARNED, Case, cases
from tests.audio.makers import RATE

WINDOW = 20_000
# What a recording may be for a file, and is none for a model: these are read by `read_audio` as they are.
ONLY_FOR_MODELS = ("float file", "one sample", "ten samples", "mono", "six channels", "1024 channels", "silence")


def outcome(read) -> tuple[str, str, object]:
    """What a call comes to: the outcome, the words of error or warnings, and what it returned."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            returned = read()
        except AudioError as error:
            return REFUSED, str(error), None
    return (WARNED if said else READ), " ".join(str(each.message) for each in said), returned


def check(case: Case, found: str, words: str) -> None:
    """The outcome is the one it should be, in the words it should have."""
    assert found == case.outcome, words
    assert re.search(case.words, words), words
    if found == REFUSED:
        words.encode()  # it can be printed
        assert len(words) < 700


def in_windows(path, case: Case) -> list[Window]:
    """All windows of a recording, read in blocks."""
    if path is None:
        return list(iter_windows(array_blocks(case.array, case.rate, BINAURAL, "a"), RATE, WINDOW, WINDOW, BINAURAL, "a"))
    with open_blocks(path, AudioLimits()) as blocks:
        return list(iter_windows(blocks, RATE, WINDOW, WINDOW, BINAURAL, shown_path(path)))


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_each_is_refused_or_warned_of_or_right(case, tmp_path):
    """Through `prepare_waveform`, the one way into the model; files through `read_audio` too."""
    path = None if case.content is None else case.write(tmp_path)
    given = (case.array, case.rate) if path is None else (path, None)
    found, words, waveform = outcome(lambda: prepare_waveform(*given, RATE, WINDOW))
    check(case, found, words)
    if case.right is not None:
        n = min(case.right.shape[1], WINDOW)
        if "32001" not in case.name:
            np.testing.assert_array_equal(waveform[:, :n], case.right[:, :n])
    # An array of an hour is in memory already; the forms of `given` are those of `prepare_waveform`.
    if case.name != "an hour" and (path is not None or not (case.array is None or isinstance(case.array, dict))):
        found, words, cut = outcome(lambda: in_windows(path, case))
        if "32001" not in case.name and case.right is not None:
            np.testing.assert_array_equal(cut[0].waveform[:, :n], case.right[:, :n])
        check(case, found, words)
    if path is None:
        return
    found, words, read = outcome(lambda: read_audio(path))
    if not any(part in case.name for part in ONLY_FOR_MODELS):
        check(case, found, words)
    if case.right is not None:
        np.testing.assert_array_equal(read[0], case.right)


def test_there_are_enough_of_them():
    names = Counter(case.name for case in cases())
    assert len(names) >= 120 and max(names.values()) == 1
    assert sum(case.content is not None for case in cases()) >= 120


@pytest.mark.slow
def test_all_doors_in_a_process_of_bounded_memory(tmp_path):
    """`ask`, predicting and the training data set: each case within five seconds, all within 2.5 GB; a table of outcomes."""
    done = run_apart("tests.audio.doors", tmp_path, timeout=1500)
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout.splitlines()[-1])
    print(report["table"])
    assert report["wrong"] == []
    assert report["peak_mb"] < 2500
    assert report["slowest_s"] < 5


def test_a_few_hundred_mutations_are_read_right_or_not_in_silence():
    done = run_apart("tests.audio.mutations", 540, timeout=300)
    assert done.returncode == 0, done.stderr[-500:]
    assert json.loads(done.stdout)["wrong"] == []


@pytest.mark.slow
def test_twenty_thousand_mutations():
    """AU and CAF state their coding and rate once, without a check: of their headers a few mutations make another file that
    is as right as the first. Nothing else is read to another length or time in silence."""
    done = run_apart("tests.audio.mutations", 20_000, timeout=3000)
    assert done.returncode == 0, done.stderr[-500:]
    report = json.loads(done.stdout)
    print(json.dumps(report, indent=1))
    assert [each for each in report["wrong"] if "WRONG" in each] == []
    assert len(report["wrong"]) <= 10
    assert report["peak_mb"] < 1500
