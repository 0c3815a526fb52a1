"""No text on earth makes a parser raise or crawl, and the lenient reading never gives another value than the strict one."""

import math
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatial_llm import answers
from spatial_llm.errors import SpatialLLMError
from tests.answers.vocabulary import NOISE, NUMBERS, PARSERS, READINGS, SIGNS, UNITS, WORDS, odd_answer

PIECES = st.lists(st.sampled_from([*WORDS, *NUMBERS, *UNITS, *SIGNS, *NOISE, " ", " "]), max_size=25).map("".join)
TEXTS = st.one_of(st.text(), PIECES, st.integers(0, 2**32).map(lambda seed: odd_answer(random.Random(seed))))
OF_NAMES = ("labels", "order", "absent", "caption")  # strict takes any wording for a name


def violations(text):
    """The parsers whose lenient value is not strict's where strict has one."""
    found = []
    for name, parser in PARSERS.items():
        strict, lenient = (parser(text, reading) for reading in READINGS)
        if not name.endswith(OF_NAMES) and strict is not None and lenient != strict:
            found.append((name, strict, lenient))
    return found


@given(TEXTS)
def test_no_text_raises_and_lenient_never_changes_a_value(text):
    assert violations(text) == []


FEW = ["1 ", "1m ", "point one ", "or left ", " ", "30 degrees left ", "(b) ", "male speech, "]
MANY = [
    "1", "1.", "1' ", "one ", "hundred ", "half a ", "about ", "to ", "not ", "no ", "\n", "left ", "right in ", "azimuth ",
    "the ", "; ", "bell;", "a ", "answer ", "can not ", "there is no ", "is present ", "yes ", "2 o'clock ", "-", "'", '"',
    ", ", "o ", "twenty-", "1/", "sound ", "up ", "left to ",
]  # fmt: skip


@pytest.mark.parametrize("piece", [*FEW, *(pytest.param(piece, marks=pytest.mark.slow) for piece in MANY)])
def test_every_parser_takes_linear_time(piece):
    def seconds(length):
        text = (piece * length)[:length]
        start = time.process_time()
        for parser in PARSERS.values():
            parser(text, "lenient")
        return time.process_time() - start

    seconds(100)
    # 8,000 characters take 0.2 s; a parser that takes quadratic time would need minutes
    assert seconds(8_000) < 3


@pytest.mark.slow
@pytest.mark.parametrize("piece", ["1m ", "a\ud800\x00", "azimuth 3 degrees, "])
def test_a_megabyte_is_read_or_left_alone_in_seconds(piece):
    text = (piece * 2**20)[: 2**20]
    for name, parser in PARSERS.items():
        start = time.process_time()
        for reading in READINGS:
            parser(text, reading)
        assert time.process_time() - start < 30, name


@pytest.mark.slow
def test_a_hundred_thousand_odd_answers():
    rng = random.Random(5)
    texts = [odd_answer(rng) for _ in range(100_000)]
    read = dict.fromkeys(READINGS, 0)
    changed = []
    spent_s = 0.0
    for text in texts:
        values = {}
        for reading in READINGS:
            start = time.process_time()
            values[reading] = {name: parser(text, reading) for name, parser in PARSERS.items()}
            spent_s += time.process_time() - start
            read[reading] += sum(value is not None for name, value in values[reading].items() if name != "refusal")
        for name, strict in values["strict"].items():
            if not name.endswith(OF_NAMES) and strict is not None and values["lenient"][name] not in (strict, None):
                changed.append((text, name, strict, values["lenient"][name]))
    calls = len(texts) * len(READINGS) * len(PARSERS)
    average_ms = 1000 * spent_s / calls
    print(f"{calls} calls, {average_ms:.4f} ms a call on average; values read: {read}")
    assert changed == []
    assert average_ms < 1
    assert read["strict"] > len(texts) / 10  # the answers are not all noise
    assert read["lenient"] > 1.1 * read["strict"]


def test_an_unknown_reading_is_refused():
    for name, parser in PARSERS.items():
        if name != "refusal":
            with pytest.raises(SpatialLLMError, match="loose"):
                parser("left", "loose")


def test_bearings_are_finite():
    rng = random.Random(0)
    for _ in range(2000):
        found = answers.parse_bearing(odd_answer(rng), "lenient")
        assert found is None or (math.isfinite(found[0]) and -180 < found[0] <= 180 and abs(found[1]) <= 90)


@pytest.mark.parametrize("piece", ["A or ", "A or ((((", "no, ", "B is wrong. ", "<a>", "anything but "])
def test_denials_and_alternatives_take_linear_time(piece):
    start = time.process_time()
    for parser in PARSERS.values():
        parser((piece * 8000)[:8000], "lenient")
    assert time.process_time() - start < 3
