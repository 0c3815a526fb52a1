"""Which numbers of a text are times: those of seconds, never distances, angles or counts."""

import pytest

from spatial_llm.answers import format_seconds, format_timed_caption
from spatial_llm.answers.kinds.span import format_span
from spatial_llm.answers.text.times import find_times


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2 s", ["2"]),
        ("3.25s", ["3.25"]),
        ("Where is the dog at 1.5 seconds?", ["1.5"]),
        ("from 1.2 s to 3 s", ["1.2", "3"]),
        ("1.2-3.4 s", ["1.2", "3.4"]),
        ("between 1 and 2.5 sec", ["1", "2.5"]),
        ("dogs 1 and 2.5 s", ["2.5"]),
        ("starts at 500 ms", []),
        ("2.5m; 30 degrees; 2 sounds; 5 m/s; 3 s/m", []),
        ("-1.2 s, +3 s, 0:45 s, 1,200 s, 1.2.3 s", []),
        ("1234567890 s", []),
        ("", []),
    ],
)
def test_times_of_a_text(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in find_times(text)] == expected


def test_what_the_kinds_write_is_found() -> None:
    events = [
        {"label": "dog", "onset_s": 1.1, "offset_s": 2.4, "left_right": "left", "distance_m": 2.5},
        {"label": "bell", "onset_s": 3.0, "offset_s": None, "azimuth_deg": -35.0},
    ]
    caption = format_timed_caption(events)
    assert [caption[start:end] for start, end in find_times(caption)] == ["1.1", "2.4", "3.0"]
    for text, expected in ((format_span(1.0, 12.3), ["1", "12.3"]), (format_seconds(0.5), ["0.5"])):
        assert [text[start:end] for start, end in find_times(text)] == expected


def test_long_texts_take_linear_time() -> None:
    assert find_times("1.1 to " * 20_000) == []
