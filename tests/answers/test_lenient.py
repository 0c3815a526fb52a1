"""What language models say, and what the lenient reading makes of it: tables of answers with the value of both readings."""

import pytest

from spatial_llm import answers
from spatial_llm.answers.kinds.span import parse_span
from spatial_llm.questions.types import parse_value
from tests.answers.vocabulary import KNOWN


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        ("It is in front of you, on your left-hand side, slightly overhead.", None, ("left", "front", "above")),
        ("The dog is ahead and to the right, down low.", None, ("right", "front", "below")),
        ("upper front-left", None, ("left", "front", "above")),
        ("**rear left**, lower", None, ("left", "behind", "below")),
        ("At the back, to the right, beneath you", None, ("right", "behind", "below")),
        ("left, front, above. So it is on the left, in front and above.", None, ("left", "front", "above")),
        ("at 2 o'clock, above", None, ("right", "front", "above")),
        ("10 o'clock high", None, ("left", "front", "above")),
        ("at eight o\u2019clock, underneath", None, ("left", "behind", "below")),
        ("12 o'clock, above", None, None),  # straight ahead is neither left nor right
        ("between 1 and 2 o'clock, above", None, None),
        ("30 degrees to the left, 10 degrees up", None, ("left", "front", "above")),
        ("120\u00b0 to the right and 20\u00b0 down", None, ("right", "behind", "below")),
        ("azimuth -30, elevation 10", None, ("right", "front", "above")),
        ("Azimuth: 150\u00b0; elevation: \u221210\u00b0", None, ("left", "behind", "below")),
        ("90 degrees to the left, 10 degrees up", None, None),  # neither in front nor behind
        ("right in front of you, to the left, above", None, ("left", "front", "above")),
        ("up ahead on the left", None, None),  # no word for the height
        ("left or right, ahead, overhead", None, None),
        ("on the left or behind you, overhead", None, None),
        ("It is not on the left; it is ahead and overhead", None, None),
        ("It isn't behind; left, above", None, None),
        ("left, front, above; underneath", None, None),
        ("left, front, above, at 3 o'clock", None, None),
        ("30 degrees to the left, behind, above", None, None),
        ("There is nothing on the left, ahead, up", None, None),
        ("The pitch is higher on the left, ahead", None, None),
        ("on the left with a lower volume, ahead", None, None),
        ("", None, None),
    ],
)
def test_directions(text, strict, lenient):
    assert (answers.parse_directions(text), answers.parse_directions(text, "lenient")) == (strict, lenient)


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        ("about 2.5 meters away", 2.5, 2.5),
        ("two and a half metres", None, 2.5),
        ("half a meter", None, 0.5),
        ("one metre", None, 1.0),
        ("about a metre away", None, 1.0),
        ("a metre and a half", None, 1.5),
        ("three quarters of a metre", None, 0.75),
        ("two point five meters", None, 2.5),
        ("2,5 m", None, 2.5),
        ("2\u00bd m", None, 2.5),
        ("150 cm", None, 1.5),
        ("one hundred and fifty centimetres", None, 1.5),
        ("800 mm", None, 0.8),
        ("0.002 km", None, 2.0),
        ("approximately 8 feet", None, 2.4384),
        ("~10 ft", None, 3.048),
        ("5'10\"", None, 1.778),
        ("5 feet 10 inches", None, 1.778),
        ("30 in.", None, 0.762),
        ("3 yards", None, 2.7432),
        ("a two-metre gap", None, 2.0),
        ("2 m. So the answer is 2 m.", None, 2.0),
        ("2.5 m (about 8 feet)", 2.5, 2.5),
        ("2.5 m (12 feet)", None, None),
        ("2 to 3 metres", None, None),
        ("2\u20133 m", None, None),
        ("one or two metres", None, None),
        ("2 feet or 3", None, None),
        ("less than two metres", None, None),
        ("at least 2 m", None, None),
        ("not 2 m", None, None),
        ("1/2 metre", None, None),
        ("1,500 mm", None, None),  # a decimal comma, or a thousand?
        ("2 in front", None, None),
        ("'2'", None, None),
        ("5 ft 10", None, None),
        ("-2 feet", None, None),
        ("2 m/s", None, None),
        ("a couple of metres", None, None),
        ("far away", None, None),
    ],
)
def test_distances(text, strict, lenient):
    assert answers.parse_distance(text) == strict
    assert answers.parse_distance(text, "lenient") == (None if lenient is None else pytest.approx(lenient, abs=1e-9))


@pytest.mark.parametrize(
    ("text", "lenient"),
    [
        ("The bell sounds from about 1.2 to roughly 3.4 seconds.", (1.2, 3.4)),
        ("It starts at 1.2 s and ends at 3.4 s.", (1.2, 3.4)),
        ("It ends at 3.4 s and begins at 1.2 s", (1.2, 3.4)),
        ("Onset: 500 ms; offset: 1500 ms", (0.5, 1.5)),
        ("from 0:01 to 0:03", (1.0, 3.0)),
        ("from one and a half to three seconds", (1.5, 3.0)),
        ("You hear it between 1 and 3 s", (1.0, 3.0)),
        ("900 ms to 1.5 s", (0.9, 1.5)),
        ("**1.2 s** to **3.4 s**", (1.2, 3.4)),
        ("1,5 to 3 s", (1.5, 3.0)),
        ("It begins to sound at half a second and falls silent at 2 s", (0.5, 2.0)),
        ("It starts at 1 s and lasts until 3 s", (1.0, 3.0)),
        ("It starts at 1 s and lasts 2 s", None),  # a length is not added up
        ("It starts at 1 s and ends 2 s later", None),
        ("It starts at 1 s and ends up lasting 3 s", None),
        ("It starts between 1 and 3 s", None),  # its onset is not known
        ("It lasts 1 to 3 s", None),
        ("It starts before 1 s and ends at 3 s", None),
        ("It does not sound from 1 to 3 s", None),
        ("from 1 s up to 3 s", None),
        ("1 or 3 s", None),
        ("1 s, 3 s", None),
        ("from 1 to 2 to 3 s", None),
        ("3 to 1 s", None),
        ("from -1 to 3 s", None),
        ("1 s to 2 seconds and a half", None),
        ("at 1 s", None),
    ],
)
def test_spans_of_time(text, lenient):
    assert (parse_span(text), parse_span(text, "lenient")) == (None, lenient)


@pytest.mark.parametrize(
    ("text", "lenient"),
    [
        *((text, True) for text in ("Yes, it is.", "Yeah", "Correct", "That's right.", "It is.", "**Yes**", "Answer: yes")),
        *(
            (text, True)
            for text in ("I think so", "Absolutely!", "The answer is yes.", "Yes - the dog is.", "That is the case")
        ),
        *(
            (text, False)
            for text in ("No, the bell is on the left.", "That is not the case", "Nope", "It isn't.", "Incorrect.")
        ),
        *((text, False) for text in ("I don't think so", "Definitely not.", "Probably not", "There is no bell.", "False")),
        *((text, False) for text in ("It is not true that the bell is on the left", "No, it is not.", "Not really")),
        *((text, None) for text in ("Yes and no", "yes no", "Yes, it is not.", "No. It is.", "yes or no", "not yes")),
        *(
            (text, None)
            for text in ("No idea", "not sure", "maybe", "I cannot tell", "The bell is on the left", "I hear no bell")
        ),
        *((text, None) for text in ("There is no doubt", "There is not enough information", "")),
    ],
)
def test_yes_and_no(text, lenient):
    assert answers.parse_yes_no(text, "lenient") is lenient


@pytest.mark.parametrize(
    ("text", "open_list", "known_names"),
    [
        ("I hear a dog barking and speech.", ["dog barking", "speech"], ["dog", "speech"]),
        ("Bell.", ["bell"], ["bell"]),
        ("dog; bell.", ["bell", "dog"], ["bell", "dog"]),
        ("male speech, man speaking", ["male speech, man speaking"], ["male speech, man speaking"]),
        ("dog and bell", ["dog and bell"], ["bell", "dog"]),
        ("1. Dog\n2. Bell", ["bell", "dog"], ["bell", "dog"]),
        ("- the dog\n- rain", ["dog", "rain"], ["dog", "rain"]),
        ("The sounds are rain, a bell, and speech.", ["bell", "rain", "speech"], ["bell", "rain", "speech"]),
        ("There is a dog.", ["dog"], ["dog"]),
        ("dog, bell and unicorn", ["dog, bell and unicorn"], ["bell", "dog", "unicorn"]),  # the wrong name stays wrong
        ("unicorn", ["unicorn"], ["unicorn"]),
        ("I hear a dog or a bell", None, None),
        ("I hear a bell but no dog", None, None),
        ("I don't know", None, None),
        (" ", None, None),
    ],
)
def test_lists_of_sounds(text, open_list, known_names):
    assert answers.parse_labels(text, "lenient") == open_list
    assert answers.parse_labels(text, "lenient", KNOWN) == known_names
    assert parse_value("CLASSIFICATION", text, "lenient", KNOWN) == (known_names and {"labels": known_names})


def test_known_names_change_nothing_in_the_strict_reading():
    text = "I hear a dog."
    assert answers.parse_labels(text, known=KNOWN) == answers.parse_labels(text) == ["i hear a dog."]
    assert parse_value("CLASSIFICATION", text, known=KNOWN) == {"labels": ["i hear a dog."]}
    assert parse_value("MIXUP_DIRECTION", "Yes, it is", "lenient", KNOWN) == {"yes": True}


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("First rain, then a bell", ["rain", "bell"]),
        ("rain -> bell -> dog", ["rain", "bell", "dog"]),
        ("rain followed by a bell", ["rain", "bell"]),
        ("1. speech\n2. rain", ["speech", "rain"]),
        ("speech; rain", ["speech", "rain"]),
        ("First rain, then a bell, then rain", None),
        ("The bell rings after the dog", None),
    ],
)
def test_orders(text, order):
    assert answers.parse_order(text, "lenient", KNOWN) == order


@pytest.mark.parametrize(
    ("question_type", "text", "value"),
    [
        ("COUNT_SOURCES", "There are three distinct sounds: one on the left, two on the right", 3),
        ("COUNT_SOURCES", "seventeen", 17),
        ("COUNT_SOURCES", "3 (three)", 3),
        ("COUNT_SOURCES", "There are 3 sounds, the nearest 2 m away", 3),
        ("COUNT_SOURCES", "There is only a single sound.", 1),
        ("COUNT_SOURCES", "I hear no sounds", 0),
        ("COUNT_SOURCES", "two or three", None),
        ("COUNT_SOURCES", "two sounds on the left and one sound on the right", None),
        ("COUNT_SOURCES", "several sounds, maybe twenty", None),
        ("COUNT_SOURCES", "at least 3", None),
        ("COUNT_SOURCES", "The 3rd of 4", None),
        ("DURATION", "1500 ms", 1.5),
        ("DURATION", "It lasts one and a half seconds.", 1.5),
        ("DURATION", "0:03", 3.0),
        ("DURATION", "1 minute 5 seconds", 65.0),
        ("DURATION", "a second and a half", 1.5),
        ("DURATION", "from 0:03 to 0:05", None),
        ("DURATION", "the second bell", None),
        ("DURATION", "2 to 3 s", None),
        ("AZIMUTH_CLOCK", "two o\u2019clock, 3 metres away", 2),
        ("AZIMUTH_CLOCK", "2 or 3 o'clock", None),
        ("AZIMUTH_CLOCK", "half past two o'clock", None),
        ("ROOM_RT60", "The RT60 is between 0.3 and 0.6 seconds.", [0.3, 0.6]),
        ("ROOM_RT60", "less than 300 ms", [0.0, 0.3]),
        ("ROOM_RT60", "0.6 s or more", [0.6, None]),
        ("ROOM_RT60", "It is 0.4 s", None),
        ("ROOM_RT60", "not below 0.3 s, I think", None),
        ("ROOM_SIZE", "It is a huge room.", "large"),
        ("ROOM_SIZE", "small to medium", None),
        ("ROOM_SIZE", "It is not big", None),
        ("ROOM_SIZE", "half'large!tiny", None),  # strict, which splits at the apostrophe, says large
        ("ROOM_REVERB", "The room is quite echoey", "reverberant"),
        ("ROOM_REVERB", "an anechoic chamber", "dry"),
        ("AZIMUTH_DEG", "thirty degrees to the left", 30.0),
        ("AZIMUTH_DEG", "azimuth -35, elevation 10", -35.0),
        ("AZIMUTH_DEG", "30 degrees right of front", -30.0),
        ("AZIMUTH_DEG", "30\u00b0 counter-clockwise", 30.0),
        ("AZIMUTH_DEG", "-30 degrees, 2 metres away", -30.0),
        ("AZIMUTH_DEG", "180 degrees, at the back", 180.0),
        ("AZIMUTH_DEG", "30 degrees, at the back", None),
        ("AZIMUTH_DEG", "front-left, 45 degrees", None),
        ("AZIMUTH_DEG", "left 30 degrees up 10 degrees", None),
        ("AZIMUTH_DEG", "elevation 30 degrees", None),
        ("ELEVATION_DEG", "azimuth -35, elevation 10", 10.0),
        ("ELEVATION_DEG", "twenty degrees below", -20.0),
        ("ABSENT", "I don't hear any bell in the recording.", "bell"),
        ("ABSENT", "The bell is not audible", "bell"),
        ("ABSENT", "No bell is present.", "bell"),
        ("MIXUP_NONBINARY_DIRECTION", "on the left-hand side, on the left", "left"),
        ("MIXUP_NONBINARY_DIRECTION", "at the rear", "behind"),
        ("MIXUP_NONBINARY_DIRECTION", "left or right", None),
        ("MIXUP_NONBINARY_DIRECTION", "not left", None),
    ],
)
def test_numbers_and_words(question_type, text, value):
    parsed = parse_value(question_type, text, "lenient")
    assert (parsed if parsed is None else next(iter(parsed.values()))) == value


def test_locations_one_a_line():
    parsed = parse_value("SAME_CLASS", "1. left, ahead, overhead; 2 m\n2. right, behind, below; 150 cm", "lenient")
    assert [place["distance_m"] for place in parsed["locations"]] == [2.0, 1.5]
    assert parse_value("SAME_CLASS", "left, ahead, up; 2 m\nsomewhere", "lenient") is None


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        ("azimuth -30 degrees, elevation 10 degrees", (-30.0, 10.0), (-30.0, 10.0)),
        ("Azimuth: 30\u00b0; elevation: 10\u00b0.", (30.0, 10.0), (30.0, 10.0)),
        ("30 degrees to the left, 10 degrees up", None, (30.0, 10.0)),
        ("an azimuth of 120 degrees and an elevation of -10 degrees, so left", None, (120.0, -10.0)),
        ("an azimuth of 120 degrees and an elevation of -10 degrees, so right", None, None),
        ("30 degrees to the left", None, None),
        ("left, front, above", None, None),
        ("30, 10", None, None),
        ("200 degrees left, 10 degrees up", None, None),
    ],
)
def test_bearings(text, strict, lenient):
    assert (answers.parse_bearing(text), answers.parse_bearing(text, "lenient")) == (strict, lenient)


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        *((text, True) for text in ("I cannot tell", "I don't know.", "unable to determine", "Not sure.", "unclear", "N/A")),
        *((text, True) for text in ("I'm sorry, but I can't determine the direction.", "It's hard to tell.", "No idea")),
        *((text, True) for text in ("As an AI model, I cannot listen to audio.", "There is not enough information.", "idk")),
        *((text, True) for text in ("It is not possible to accurately determine the distance.", "I would rather not say")),
        *((text, False) for text in ("There is no bell", "No", "It is not on the left", "I cannot hear a bell", "")),
        *((text, False) for text in ("I'm not sure, but it is on the left", "There is no evidence of a bell", "left")),
        *((text, False) for text in ("I cannot identify any bell", "Yes, I know", "It doesn't move")),
    ],
)
def test_refusals(text, refused):
    assert answers.is_refusal(text) is refused
