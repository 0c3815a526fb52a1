"""Answers survive the round trip, strict rules are strict, and no text on earth makes a parser raise or crawl."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatial_llm import answers
from spatial_llm.answers import AXES, Location
from spatial_llm.answers.kinds.motion import DIRECTIONS
from spatial_llm.answers.kinds.span import format_span, parse_span
from spatial_llm.answers.kinds.text import plain_text
from spatial_llm.answers.steps import OPPOSITE
from spatial_llm.errors import SpatialLLMError
from spatial_llm.questions.types import VALUE_KINDS, format_value, parse_value
from tests.answers.test_timed_caption import captions, one_event

LOCATIONS = st.builds(
    Location,
    st.sampled_from(AXES["left_right"]),
    st.sampled_from(AXES["front_behind"]),
    st.sampled_from(AXES["above_below"]),
    st.floats(min_value=0, max_value=1e4, allow_nan=False),
)
LABELS = st.lists(st.text().filter(lambda text: text.strip() and ";" not in text), min_size=1)
TYPE_OF_KIND = {kind: question_type for question_type, kind in VALUE_KINDS.items()}  # one question type of each kind
PARSERS = [
    answers.parse_directions,
    *(lambda text, axis=axis: answers.parse_axis(text, axis) for axis in AXES),
    *(lambda text, kind=kind: parse_value(kind, text) for kind in TYPE_OF_KIND.values()),
]
# pieces that the parsers look for, so that fuzzing meets their branches
WORDS = ["left", "right", "front", "behind", "above", "below", "yes", "no", "m", "meters", "metre", "e3"]
WORDS += [
    "degrees",
    "°",
    "o'clock",
    "two",
    "one",
    "s",
    " s",
    "seconds",
    " to ",
    "between ",
    "There is no ",
    "small",
    "dry",
    "not",
]
SIGNS = [
    "|",
    "\u2212",
    "+",
    "\u00b2",
    ";",
    "; ",
    ", ",
    ".",
    "-",
    "/",
    "(",
    " ",
    "\n",
    "_",
    "\u0660",
    "İ",
    "ß",
    "\ud800",
    "\x00",
    "🎧",
]
PIECES = st.sampled_from([*WORDS, *SIGNS, "1", "2.5", "0", "9" * 400])


@given(LOCATIONS)
def test_location_round_trip(location):
    assert answers.parse_location(answers.format_location(location)) == location
    assert Location(**json.loads(json.dumps(location.to_dict()))) == location


@given(st.floats(min_value=0, max_value=1e4))
def test_distance_round_trip(distance_m):
    assert answers.parse_distance(answers.format_distance(distance_m)) == distance_m


@given(st.booleans())
def test_yes_no_round_trip(yes):
    assert answers.parse_yes_no(answers.format_yes_no(yes)) is yes


@given(LABELS)
def test_labels_round_trip(labels):
    text = answers.format_labels(labels)
    parsed = answers.parse_labels(text)
    assert parsed == sorted(set(parsed)) and answers.format_labels(parsed) == text
    assert answers.parse_labels(answers.format_labels(reversed(labels))) == parsed


@given(st.one_of(st.text(), st.lists(PIECES, max_size=20).map("".join)))
def test_parsers_never_raise(text):
    for parser in PARSERS:
        parser(text)


@pytest.mark.parametrize(
    "piece",
    ["1", "1 ", "1.", "1m ", " ", "left ", "yes", "_", "; ", "bell;", "9.9", "m", "1,", "- ", "two ", "| ", "below "],
)
def test_parsers_take_linear_time(piece):
    def seconds(length):
        text = (piece * length)[:length]
        start = time.process_time()
        for parser in PARSERS:
            parser(text)
        return time.process_time() - start

    seconds(100)
    # a quadratic parser would need 100 times as long for 10 times the text, and minutes for this one
    assert seconds(200_000) < 5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("right, front, below; 2.5m", Location("right", "front", "below", 2.5)),
        ("It is on the LEFT, behind and above you, about 3 meters away.", Location("left", "behind", "above", 3.0)),
        ("left; front; above; 1 metre", Location("left", "front", "above", 1.0)),
        ("left, front, above, 0m", Location("left", "front", "above", 0.0)),
        ("left, right, front, below; 2m", None),  # both words of an axis
        ("left, left, front, below; 2m", None),  # one word twice
        ("left, front; 2m", None),  # an axis missing
        ("leftish, front, below; 2m", None),
        ("left, front, below", None),  # no distance
        ("left, front, below; 2", None),  # no unit
        ("left, front, below; 2m or 3m", None),  # two distances
        ("left, front, below; 2,5m", None),  # not 5 m
        ("left, front, below; -2m", None),
        ("left, front, below; 1.2.5m", None),
        ("left, front, below; 5 mm", None),
        ("left, front, below; 5 m/s", None),
        ("left, front, below; " + "9" * 400 + "m", None),  # overflows to infinity
        ("", None),
    ],
)
def test_location_rules(text, value):
    assert answers.parse_location(text) == value


def test_directions_and_distance_are_read_apart():
    assert answers.parse_directions("left, front, below") == ("left", "front", "below")
    assert answers.parse_distance("somewhere, 2.5m") == 2.5
    assert answers.parse_axis("left, right, front", "front_behind") == "front"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Yes", True),
        ("no", False),
        (" 'Yes'. ", True),
        ("NO!", False),
        ("__yes__", True),
        ("Yes, it is", None),
        ("yes no", None),
        ("yesno", None),
        ("n o", None),
        ("y", None),
        ("", None),
    ],
)
def test_yes_no_rules(text, value):
    assert answers.parse_yes_no(text) is value


def test_label_rules():
    assert answers.format_labels(["Vehicle", "accelerating, revving, vroom", "Car", "car "]) == (
        "accelerating, revving, vroom; car; vehicle"
    )
    assert answers.parse_labels("Car; bell") == ["bell", "car"]
    assert answers.parse_labels("car; ") is None and answers.parse_labels(" ") is None
    for labels in ([], [" "], ["a;b"]):
        with pytest.raises(SpatialLLMError, match="labels are"):
            answers.format_labels(labels)


@pytest.mark.parametrize(
    ("question_type", "text", "value"),
    [
        ("CLASSIFICATION", "drum; tabla", {"labels": ["drum", "tabla"]}),
        ("MIXUP_SINGLE_CLASSIFICATION", "Bell", {"labels": ["bell"]}),
        ("DOA", "left, front, above; 2m", Location("left", "front", "above", 2.0).to_dict()),
        ("MIXUP_SINGLE_DOA", "left, front; 2m", None),
        ("MIXUP_DIRECTION", "No", {"yes": False}),
        ("MIXUP_DISTANCE_BOTH", "maybe", None),
        ("MIXUP_NONBINARY_DIRECTION", "behind", {"front_behind": "behind"}),
        ("MIXUP_NONBINARY_DIRECTION", "left or right", None),
        ("MIXUP_NONBINARY_DISTANCE", "1.5m", {"distance_m": 1.5}),
        ("MIXUP_NONBINARY_SOURCE", "squeak", {"labels": ["squeak"]}),
    ],
)
def test_value_of_each_question_type(question_type, text, value):
    assert parse_value(question_type, text) == value


NUMBERS = st.floats(min_value=0, max_value=1e4, allow_nan=False)
NAMES = (
    st.text()
    .map(lambda text: " ".join(text.lower().split()))
    .filter(lambda name: name and name == " ".join(name.lower().split()) and ";" not in name and not name.endswith("."))
)
PLACES = LOCATIONS.map(Location.to_dict)
UNKNOWN = st.just({"unknown": True})
SOUNDS = st.sampled_from(["bell", "walk, footsteps", "male speech, man speaking", "dog 2.5m", "left"])
SIDES = [word for words in AXES.values() for word in words]
METRES = st.floats(0, 100).map(lambda value: round(value, 1))
STATED = {
    **{axis: st.sampled_from(words) for axis, words in AXES.items()},
    "left_m": METRES,
    "front_m": METRES.map(lambda metres: 0.0 - metres),
    "distance_m": METRES,
    "speed_m_s": METRES,
}
STEPS = st.lists(
    st.one_of(
        st.tuples(SOUNDS, st.fixed_dictionaries({}, optional=STATED)).map(lambda pair: {"heard": pair[0], **pair[1]}),
        st.fixed_dictionaries({"sound": SOUNDS, "side": st.sampled_from(sorted(OPPOSITE)), "than": SOUNDS}),
        st.fixed_dictionaries({"sound": SOUNDS, "side": st.sampled_from(SIDES)}),
    ),
    max_size=5,
)
VALUES = {
    "labels": st.lists(NAMES, min_size=1).map(lambda names: {"labels": sorted(set(names))}),
    "order": st.lists(NAMES, min_size=1, unique=True).map(lambda names: {"order": names}),
    "yes_no": st.booleans().map(lambda yes: {"yes": yes}),
    "location": PLACES,
    "locations": st.lists(LOCATIONS, min_size=1).map(
        lambda found: {"locations": [place.to_dict() for place in sorted(found, key=lambda x: (x.words, x.distance_m))]}
    ),
    "location_or_absent": st.one_of(PLACES, NAMES.map(lambda name: {"absent": name})),
    "direction_word": st.sampled_from([(axis, word) for axis, words in AXES.items() for word in words]).map(
        lambda pair: dict([pair])
    ),
    "distance": NUMBERS.map(lambda value: {"distance_m": value}),
    "azimuth": st.floats(-180, 180, exclude_min=True).map(lambda value: {"azimuth_deg": value}),
    "elevation": st.floats(-90, 90).map(lambda value: {"elevation_deg": value}),
    "clock": st.integers(1, 12).map(lambda hour: {"clock_hour": hour}),
    "count": st.integers(0, 10**6).map(lambda count: {"count": count}),
    "duration": NUMBERS.map(lambda value: {"duration_s": value}),
    "span": st.tuples(NUMBERS, NUMBERS)
    .filter(lambda ends: ends[0] < ends[1])
    .map(lambda ends: dict(zip(("onset_s", "offset_s"), ends, strict=True))),
    "moment": NUMBERS.map(lambda value: {"time_s": value}),
    "motion": st.sampled_from(sorted(DIRECTIONS)).map(lambda direction: {"motion": direction}),
    "timed_caption": captions(one_event()),
    "rt60_range": st.tuples(NUMBERS, NUMBERS | st.none())
    .filter(lambda ends: ends != (0, None) and (ends[1] is None or ends[0] < ends[1]))
    .map(lambda ends: {"rt60_range_s": list(ends)}),
    "room_size": st.sampled_from(["small", "large"]).map(lambda word: {"room_size": word}),
    "reverberation": st.sampled_from(["dry", "reverberant"]).map(lambda word: {"reverberation": word}),
    "elevation_or_unknown": st.floats(-90, 90).map(lambda value: {"elevation_deg": value}) | UNKNOWN,
    "distance_or_unknown": NUMBERS.map(lambda value: {"distance_m": value}) | UNKNOWN,
    "location_or_unknown": PLACES | UNKNOWN,
    "span_or_unknown": st.just({"onset_s": 0.5, "offset_s": 2.0}) | UNKNOWN,
    "thought_labels": st.tuples(STEPS, st.lists(SOUNDS, min_size=1, unique=True)).map(
        lambda pair: {"labels": sorted(pair[1]), "steps": pair[0]}
    ),
    "thought_yes_no": st.tuples(STEPS, st.booleans()).map(lambda pair: {"yes": pair[1], "steps": pair[0]}),
    "text": st.text().map(plain_text).filter(bool).map(lambda text: {"text": text}),
}


@pytest.mark.parametrize("kind", sorted(TYPE_OF_KIND))
def test_every_kind_of_value_survives_text_and_json(kind):
    question_type = TYPE_OF_KIND[kind]

    @given(VALUES[kind])
    def round_trip(value):
        text = format_value(question_type, value)
        assert parse_value(question_type, text) == value
        assert format_value(question_type, json.loads(json.dumps(value))) == text

    round_trip()


@pytest.mark.parametrize("kind", sorted(TYPE_OF_KIND))
def test_a_value_of_another_kind_is_refused(kind):
    for value in (
        {},
        {"quiz": 1},
        {"left_right": "up"},
        {"labels": []},
        {"room_size": "tiny"},
        {"clock_hour": 13},
        {"motion": "left"},
    ):
        with pytest.raises(SpatialLLMError):
            format_value(TYPE_OF_KIND[kind], value)


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        ("I cannot tell", {"unknown": True}, {"unknown": True}),
        ("i cannot tell.", {"unknown": True}, {"unknown": True}),
        ("That is impossible to say.", None, {"unknown": True}),
        ("2.5m", {"distance_m": 2.5}, {"distance_m": 2.5}),
        ("About two and a half metres", None, {"distance_m": 2.5}),
        ("I cannot tell, but perhaps 2m", {"distance_m": 2.0}, {"distance_m": 2.0}),
        ("There is no bell", None, None),  # a claim about the sound, not about what can be told
        ("left", None, None),
    ],
)
def test_a_value_or_that_it_cannot_be_told(text, strict, lenient):
    assert parse_value("DISTANCE_IF_KNOWN", text) == strict
    assert parse_value("DISTANCE_IF_KNOWN", text, "lenient") == lenient


@pytest.mark.parametrize(
    ("question_type", "text", "value"),
    [
        ("AZIMUTH_DEG", "-35 degrees", -35.0),
        ("AZIMUTH_DEG", "\u221235°", -35.0),
        ("AZIMUTH_DEG", "It is at +12.5 deg.", 12.5),
        ("AZIMUTH_DEG", "35 degrees to the right", -35.0),
        ("AZIMUTH_DEG", "35 degrees left", 35.0),
        ("AZIMUTH_DEG", "-180 degrees", 180.0),
        ("AZIMUTH_DEG", "-0 degrees", 0.0),
        ("AZIMUTH_DEG", "-35 degrees to the left", None),  # sign and word
        ("AZIMUTH_DEG", "35 degrees left or right", None),
        ("AZIMUTH_DEG", "35 degrees behind", None),  # from where would that be counted?
        ("AZIMUTH_DEG", "35", None),  # no unit
        ("AZIMUTH_DEG", "35-40 degrees", None),
        ("AZIMUTH_DEG", "270 degrees", None),  # not the range that was asked for
        ("AZIMUTH_DEG", "az35 degrees", None),
        ("AZIMUTH_DEG", "1,5 degrees", None),
        ("AZIMUTH_DEG", "35 degreesish", None),
        ("ELEVATION_DEG", "20 degrees below", -20.0),
        ("ELEVATION_DEG", "20 degrees up", 20.0),
        ("ELEVATION_DEG", "-20 degrees", -20.0),
        ("ELEVATION_DEG", "20 degrees left", None),
        ("ELEVATION_DEG", "95 degrees", None),
        ("AZIMUTH_CLOCK", "2 o'clock", 2),
        ("AZIMUTH_CLOCK", "At Eleven O\u2019Clock!", 11),
        ("AZIMUTH_CLOCK", "13 o'clock", None),
        ("AZIMUTH_CLOCK", "2:30 o'clock", None),
        ("AZIMUTH_CLOCK", "2 or 3 o'clock", None),
        ("AZIMUTH_CLOCK", "0 o'clock", None),
        ("AZIMUTH_CLOCK", "2.5 o'clock", None),
        ("AZIMUTH_CLOCK", "two", None),
        ("COUNT_SOURCES", "3", 3),
        ("COUNT_SOURCES", "There are three sounds.", 3),
        ("COUNT_SOURCES", "3.0", 3),
        ("COUNT_SOURCES", "zero", 0),
        ("COUNT_SOURCES", "-3", None),
        ("COUNT_SOURCES", "2.5", None),
        ("COUNT_SOURCES", "2 or three", None),
        ("COUNT_SOURCES", "3rd", None),
        ("COUNT_SOURCES", "several", None),
        ("COUNT_SOURCES", "9" * 5000, None),
        ("DURATION", "3.2 s", 3.2),
        ("DURATION", "about 3 seconds", 3.0),
        ("DURATION", "3.2", None),
        ("DURATION", "-3 s", None),
        ("DURATION", "3 ms", None),
        ("DURATION", "from 1 s to 3 s", None),
        ("ROOM_RT60", "below 0.3 s", [0.0, 0.3]),
        ("ROOM_RT60", "Between 0.3 and 0.6 seconds.", [0.3, 0.6]),
        ("ROOM_RT60", "0.3-0.6 s", [0.3, 0.6]),
        ("ROOM_RT60", "more than 0.6 s", [0.6, None]),
        ("ROOM_RT60", "0.6 to 0.3 s", None),
        ("ROOM_RT60", "0.4 s", None),
        ("ROOM_RT60", "above 0 s", None),
        ("ROOM_RT60", "below 0..3 s", None),
        ("ROOM_RT60", "not below 0.3 s", None),
        ("ROOM_SIZE", "The room is small.", "small"),
        ("ROOM_SIZE", "not small", None),
        ("ROOM_SIZE", "small or large", None),
        ("ROOM_REVERB", "Reverberant", "reverberant"),
        ("ROOM_REVERB", "It isn't dry", None),
        ("ONSET_ORDER", "Rain; bell", ["rain", "bell"]),
        ("ONSET_ORDER", "rain; bell; rain", None),
        ("ONSET_ORDER", "rain;", None),
        ("ABSENT", "There is no  Bell.", "bell"),
        ("ABSENT", "No", None),
        ("ABSENT", "there is no ", None),
        ("ABSENT", "There is no bell; 2m", None),
    ],
)
def test_reading_numbers_and_words(question_type, text, value):
    parsed = parse_value(question_type, text)
    assert (parsed if parsed is None else next(iter(parsed.values()))) == value


@pytest.mark.parametrize(
    ("text", "span_s"),
    [
        ("1.2 to 3.4 s", (1.2, 3.4)),
        ("From 1.2 s to 3.4 seconds.", (1.2, 3.4)),
        ("Between 0 and 3 secs", (0.0, 3.0)),
        ("1-3 s", (1.0, 3.0)),
        ("1.2s \u2013 3.4s", (1.2, 3.4)),
        ("1 until 3 s", (1.0, 3.0)),
        ("1.2 to 3.4", None),  # of what?
        ("3.4 to 1.2 s", None),
        ("2 to 2 s", None),
        ("1 and 3 s", None),
        ("3 s", None),
        ("-1 to 3 s", None),
        ("1 to -3 s", None),
        ("1 to 3 m", None),
        ("1,5 to 3 s", None),
        ("about 1 to 3 s", None),
        ("1 to 3 s, or 4 to 5 s", None),
        ("1 to 90000 s", None),  # longer than a day
        ("1 to " + "9" * 400 + " s", None),
    ],
)
def test_spans_of_time(text, span_s):
    assert parse_span(text) == span_s
    value = None if span_s is None else {"onset_s": span_s[0], "offset_s": span_s[1]}
    assert parse_value("SPAN", text) == value


def test_a_span_is_written_forwards():
    assert format_span(1.2, 3.4) == "1.2 to 3.4 s"
    for ends in ((3.4, 1.2), (2, 2), (-1, 2), (0, float("inf")), (float("nan"), 2)):
        with pytest.raises(SpatialLLMError, match="onset_s < offset_s"):
            format_span(*ends)


def test_locations_in_any_order():
    one, other = "left, front, above; 2m", "right, behind, below; 1.5m"
    parsed = parse_value("SAME_CLASS", f"{other} | {one}")
    assert parsed == parse_value("SAME_CLASS", f"{one}|{other}") and len(parsed["locations"]) == 2
    assert format_value("SAME_CLASS", parsed) == f"{one} | {other}"
    assert parse_value("SAME_CLASS", f"{one} | somewhere") is None


def test_unknown_words_are_refused():
    with pytest.raises(SpatialLLMError, match="QUIZ"):
        parse_value("QUIZ", "yes")
    with pytest.raises(SpatialLLMError, match="QUIZ"):
        format_value("QUIZ", {"yes": True})
    for write, bad in (
        (answers.format_degrees, 181.0),
        (answers.format_degrees, float("nan")),
        (answers.format_clock, 0),
        (answers.format_count, -1),
        (answers.format_seconds, float("inf")),
        (answers.format_rt60_range, (0.6, 0.3)),
        (answers.format_rt60_range, (0.0, None)),
        (answers.format_order, ["bell", "Bell"]),
        (answers.format_absent, "bell."),
        (answers.format_locations, []),
    ):
        with pytest.raises(SpatialLLMError):
            write(bad)
    with pytest.raises(SpatialLLMError, match="left_right"):
        Location("up", "front", "above", 1.0)
    for distance_m in (-1.0, float("nan"), float("inf")):
        with pytest.raises(SpatialLLMError, match="distance_m"):
            answers.format_distance(distance_m)


def test_a_repeated_digit_is_no_distance_and_no_time():
    """A language model that loops writes numbers whose square no computer holds; one of them would be the whole mean."""
    for digits in (5, 30, 180, 400):
        assert answers.parse_distance("1" * (digits + 1) + "m") is None
        assert answers.parse_distance("left, " + "1" * (digits + 1) + " metres", "lenient") is None
        assert answers.parse_seconds("9" * (digits + 1) + " s") is None
    assert answers.parse_distance("10000m") == 10_000 and answers.parse_seconds("86400 s") == 86_400
    with pytest.raises(SpatialLLMError, match="0 to 10000"):
        answers.format_distance(10_001)


@pytest.mark.parametrize("reading", ["strict", "lenient"])
def test_clockwise_is_never_left(reading):
    assert answers.parse_azimuth("120 degrees clockwise", reading) in (None, -120)
    assert answers.parse_azimuth("30 degrees counterclockwise", reading) in (None, 30)


@pytest.mark.parametrize(
    ("text", "same", "other"),
    [
        ("The old pump.", "  the OLD\n pump ", "the pump"),
        ("\u201cNo!\u201d", "no", "non"),
        ("Caf\u00e9", "cafe\u0301", "cafe"),
        ("-3 dB", "-3 dB.", "3 dB"),
        (".5", ".5;", "5"),
        ("?", "?", "!"),
    ],
)
def test_free_texts_are_equal_but_for_spelling(text, same, other):
    value = parse_value("OPEN", text)
    assert value == parse_value("OPEN", same) == parse_value("OPEN", text, "lenient") != parse_value("OPEN", other)
    assert parse_value("OPEN", " \n") is None
