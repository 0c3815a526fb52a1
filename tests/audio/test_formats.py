"""Audio formats: their channels, their two spellings, the mirror, and what happens where two of them meet."""

import json
from dataclasses import replace

import numpy as np
import pytest

from spatial_llm.audio.ambisonics import encode, to_fuma
from spatial_llm.audio.formats import (
    BINAURAL,
    FORMATS,
    Ambisonics,
    Array,
    Binaural,
    Field,
    Mono,
    StereoMs,
    as_format,
    check_same,
    format_from_dict,
    format_to_dict,
    parse_format,
    parse_input_format,
)
from spatial_llm.audio.io import check_waveform, prepare_waveform
from spatial_llm.errors import AudioError

PAIR = Array(((0.0, 0.1, 0.0), (0.0, -0.1, 0.0)))
TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * 0.042 / np.sqrt(3)
RIGID = Array(tuple(map(tuple, TETRAHEDRON.tolist())), sphere_radius_m=0.042)
MEASURED = Array(PAIR.positions_m, sofa="hrtf/pair.sofa")
FIRST = [BINAURAL, Binaural("heads/my head.sofa"), Ambisonics(1), Ambisonics(2), Ambisonics(3), PAIR, Mono()]
ALL = [*FIRST, StereoMs(), Ambisonics(1, "n3d"), Ambisonics(3, "fuma"), RIGID, MEASURED]
# How banks and simulations of version 0.1 hold them, in full; and how scene files do, without defaults.
IN_BANKS = [
    '{"kind": "binaural", "sofa": null, "order": null, "positions_m": null}',
    '{"kind": "binaural", "sofa": "heads/my head.sofa", "order": null, "positions_m": null}',
    '{"kind": "ambisonics", "sofa": null, "order": 1, "positions_m": null}',
    '{"kind": "ambisonics", "sofa": null, "order": 2, "positions_m": null}',
    '{"kind": "ambisonics", "sofa": null, "order": 3, "positions_m": null}',
    '{"kind": "array", "sofa": null, "order": null, "positions_m": [[0.0, 0.1, 0.0], [0.0, -0.1, 0.0]]}',
    '{"kind": "mono", "sofa": null, "order": null, "positions_m": null}',
]


@pytest.mark.parametrize(("format", "spelled"), list(zip(FIRST, IN_BANKS, strict=True)))
def test_the_json_of_banks_stays_as_it_was(format, spelled):
    assert json.dumps(format_to_dict(format)) == spelled
    read = format_from_dict(json.loads(spelled))
    assert read == format and type(read) is type(format) and hash(read) == hash(format)


def test_the_short_json_of_scenes_is_read():
    assert format_from_dict({}) == BINAURAL
    assert format_from_dict({"sofa": "hrtf/a.sofa"}) == Binaural("hrtf/a.sofa")
    # Whole numbers are coordinates too, and make the name of the array that floats make.
    array = format_from_dict({"kind": "array", "positions_m": [[0, 0.1, 0], [0, -0.1, 0]]})
    assert array == PAIR and array.name == PAIR.name == parse_format("array:[[0, 0.1, 0], [0, -0.1, 0]]").name


@pytest.mark.parametrize("format", ALL, ids=lambda format: format.name)
def test_a_channel_has_a_name(format):
    assert len(format.channel_names) == len(set(format.channel_names)) == format.channels
    assert FORMATS[format.kind] is type(format)
    assert as_format(format) is format


@pytest.mark.parametrize("format", ALL, ids=lambda format: format.name)
def test_text_and_json_give_the_format_back(format):
    assert parse_format(format.text) == format
    assert format_from_dict(json.loads(json.dumps(format_to_dict(format)))) == format
    assert parse_input_format(format.text) == format


def test_arrays_that_differ_in_their_body_have_names_of_their_own():
    free = Array(RIGID.positions_m)
    assert len({free.name, RIGID.name, replace(free, sofa="a.sofa").name, replace(free, sofa="b.sofa").name}) == 4


def test_names_of_channels():
    assert BINAURAL.channel_names == ("left", "right")
    assert "".join(Ambisonics(2).channel_names) == "WYZXVTRSU"
    assert PAIR.channel_names == ("1", "2")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("binaural", "expected an object"),
        (None, "expected an object"),
        ({"kind": "stereo"}, "kind is 'stereo'; known are binaural, ambisonics, array, mono"),
        ({"kind": ["mono"]}, "kind is"),
        ({"kind": "mono", "order": 1}, r"'mono' with \['order'\]; expected none"),
        ({"kind": "ambisonics"}, r"'ambisonics' with \[\]; expected \['order', 'convention'\]"),
        ({"kind": "ambisonics", "order": 1, "convention": "acn"}, "convention 'acn'; give sn3d, n3d, fuma"),
        ({"kind": "field"}, "kind is 'field'; known are"),
        ({"order": 1}, r"'binaural' with \['order'\]; expected \['sofa'\]"),
        ({"heads": 1}, r"\['heads'\]"),
        ({"kind": "ambisonics", "order": 4}, "order 4; give 1 to 3"),
        ({"kind": "ambisonics", "order": "1"}, "order '1'"),
        ({"kind": "ambisonics", "order": True}, "order True"),
        ({"kind": "ambisonics", "order": 1.0}, r"order 1\.0"),
        ({"sofa": 3}, "sofa .* is 3"),
        ({"kind": "array", "positions_m": []}, "array without microphones"),
        ({"kind": "array", "positions_m": 3}, "microphone 0 of the array is at 3"),
        ({"kind": "array", "positions_m": [[0, 0, 0], [0, "1", 0]]}, "microphone 1"),
        ({"kind": "array", "positions_m": [[0, 0, 0], [0, True, 0]]}, "microphone 1"),
        ({"kind": "array", "positions_m": [[0, 0]]}, "microphone 0"),
        ({"kind": "array", "positions_m": [[0, 0, 10**400]]}, "beyond all floats"),
    ],
)
def test_json_that_is_no_format_is_refused(value, words):
    with pytest.raises(AudioError, match=words):
        format_from_dict(value)


@pytest.mark.parametrize("text", [None, 2, ["foa"]])
def test_a_text_that_is_none_is_refused(text):
    with pytest.raises(AudioError, match="is not known"):
        parse_format(text)


# --- mirror -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_mirror_of_ambisonics_is_the_field_from_the_other_side(order):
    directions = np.random.default_rng(0).standard_normal((50, 3))
    mirrored = Ambisonics(order).mirror(encode(directions, order).T)
    np.testing.assert_allclose(mirrored, encode(directions * [1, -1, 1], order).T, atol=1e-12)


def test_the_mirror_exchanges_ears_and_an_array_has_none():
    waveform = np.arange(6, dtype=np.float32).reshape(2, 3)
    for head in (BINAURAL, Binaural("a.sofa")):
        np.testing.assert_array_equal(head.mirror(waveform), waveform[::-1])
    assert PAIR.mirror(waveform) is None
    np.testing.assert_array_equal(Mono().mirror(waveform[:1]), waveform[:1])


@pytest.mark.parametrize("format", ALL, ids=lambda format: format.name)
def test_mirrored_twice_is_the_recording_and_keeps_its_type(format):
    waveform = np.random.default_rng(1).standard_normal((format.channels, 20)).astype(np.float32)
    mirrored = format.mirror(waveform)
    assert (mirrored is None) == (format.kind == "array" or format.name == "ambisonics3-fuma")
    if mirrored is not None:
        assert mirrored.dtype == np.float32
        np.testing.assert_array_equal(format.mirror(mirrored), waveform)


def test_which_mirrors_are_exact():
    assert [format.mirrors_exactly() for format in FIRST] == [True, False, True, True, True, False, True]
    assert [format.mirrors_exactly(measured=True) for format in FIRST] == [False, False, True, True, True, False, True]


# --- conventions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2, 3])
def test_n3d_and_fuma_become_sn3d(order):
    waveform = np.random.default_rng(4).standard_normal(((order + 1) ** 2, 50)).astype(np.float32)
    degrees = Ambisonics(order).degrees[:, None]
    np.testing.assert_allclose(
        Ambisonics(order, "n3d").to_internal(waveform * np.sqrt(2 * degrees + 1)), waveform, rtol=1e-5
    )
    np.testing.assert_allclose(Ambisonics(order, "fuma").to_internal(to_fuma(waveform)), waveform, rtol=1e-5)
    for convention in ("n3d", "fuma"):
        assert Ambisonics(order, convention).internal == Ambisonics(order)
        with pytest.raises(AudioError, match=f"ambisonics{order}-{convention} with"):  # nobody takes it unconverted
            check_same(Ambisonics(order, convention), Ambisonics(order))
    assert Ambisonics(order, "fuma").channel_names[:4] == ("W", "X", "Y", "Z")


def test_a_recording_in_another_convention_is_converted_where_it_enters():
    waveform = np.random.default_rng(5).standard_normal((9, 800)).astype(np.float32) * 0.1
    prepared = prepare_waveform(to_fuma(waveform), 32_000, 32_000, 800, format=Ambisonics(2), given=Ambisonics(2, "fuma"))
    np.testing.assert_allclose(prepared, waveform, rtol=1e-5)


# --- arrays and what they cannot know ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"positions_m": [[0.05, 0, 0]], "sphere_radius_m": 0.042}, "microphone 0 of the array is 0.05 m from the centre"),
        ({"positions_m": [[0.042, 0, 0]], "sphere_radius_m": 0}, "sphere_radius_m of an array is 0"),
        ({"positions_m": [[0.042, 0, 0]], "sphere_radius_m": "4 cm"}, "sphere_radius_m of an array is '4 cm'"),
        ({"positions_m": [[0.042, 0, 0]], "sphere_radius_m": 0.042, "sofa": "a.sofa"}, "either sphere_radius_m or a sofa"),
        ({"positions_m": [[0.042, 0, 0]], "sofa": 3}, "sofa of an array is 3"),
    ],
)
def test_bodies_that_cannot_be_are_refused(value, words):
    with pytest.raises(AudioError, match=words):
        format_from_dict({"kind": "array"} | value)
    with pytest.raises(AudioError, match=words):
        parse_format("array:" + json.dumps(value))


def test_the_dimensions_of_an_array_say_what_it_can_tell():
    line = [[0.04 * k, 0, 0] for k in range(4)]
    ring = [[0.05 * np.cos(a), 0.05 * np.sin(a), 0] for a in np.arange(8) * np.pi / 4]
    raised = [[x * 0.8, y * 0.8, 0.03] for x, y, _ in ring]

    def array(positions, radius=None):
        return Array(tuple(map(tuple, positions)), radius)

    assert [array(each).dimensions for each in ([[0, 0, 0]], line, ring, TETRAHEDRON)] == [0, 1, 2, 3]
    # A rigid sphere shades a ring above its equator, which tells above from below; not one on the equator.
    assert [array(raised).dimensions, array(raised, 0.05).dimensions, array(ring, 0.05).dimensions] == [2, 3, 2]
    assert "line" in array(line).tells and "plane" in array(ring).tells and array(TETRAHEDRON).tells == "every direction"


@pytest.mark.parametrize(
    ("format", "told"),
    [
        (BINAURAL, True),
        (Ambisonics(1), True),
        (Mono(), False),
        (StereoMs(), False),
        (PAIR, False),  # a line from left to right: the cone around it holds all elevations
        (Array(((0.0, 0.0, 0.1), (0.0, 0.0, -0.1))), True),  # an upright line: the angle from it is the elevation
        (Array(((0.1, 0.0, 0.0), (0.0, 0.1, 0.0), (-0.1, 0.0, 0.0))), False),  # a level plane: above is below
        (Array(((0.1, 0.0, 0.0), (0.0, 0.0, 0.1), (-0.1, 0.0, 0.0))), True),  # an upright plane: left is right
        (Array(((0.1, 0.0, 0.0), (0.0, 0.1, 0.1), (-0.1, 0.0, 0.0))), False),  # an oblique one mixes both
        (Array(tuple(map(tuple, TETRAHEDRON.tolist()))), True),
        (RIGID, True),
        (Array(((0.042, 0, 0), (0, 0.042, 0), (-0.042, 0, 0)), sphere_radius_m=0.042), False),
        (Array(((0.0, 0.0, 0.0),)), False),
        (MEASURED, True),
    ],
)
def test_an_elevation_is_told_where_all_directions_that_sound_alike_have_it(format, told):
    assert format.tells_elevation is told


def test_places_that_cannot_be_are_refused_and_wide_arrays_doubted():
    with pytest.raises(AudioError, match=r"microphones 0 and 2 are both at \[0.0, 0.1, 0.0\]; give each its own place"):
        as_format("array:[[0, 0.1, 0], [0, -0.1, 0], [0, 0.1, 0]]")
    with pytest.raises(AudioError, match="up to 40 m apart; are the coordinates in centimetres"):
        as_format("array:[[0, 20, 0], [0, -20, 0]]")
    with pytest.warns(UserWarning, match="up to 4 m apart; are the coordinates in centimetres"):
        assert as_format("array:[[0, 2, 0], [0, -2, 0]]").channels == 2


def test_the_field_takes_ambisonics_and_arrays_and_has_no_channels_of_its_own():
    field, ambisonics_only = parse_input_format("field"), parse_input_format("field:ambisonics")
    assert (field, ambisonics_only) == (Field(), Field(arrays=False))
    assert [field.takes(each) for each in (Ambisonics(1), Ambisonics(3), PAIR, RIGID)] == [True] * 4
    assert [ambisonics_only.takes(each) for each in (Ambisonics(1), Ambisonics(3), PAIR, RIGID)] == [
        True,
        True,
        False,
        False,
    ]
    assert not any(field.takes(each) for each in (BINAURAL, Mono(), StereoMs(), Ambisonics(1, "fuma")))
    with pytest.raises(AudioError, match="binaural with 2 channels; the encoder takes field"):
        check_same(BINAURAL, field)
    with pytest.raises(AudioError, match="it is not said what the recording was made with"):
        _ = field.channels
    with pytest.raises(AudioError, match="format 'field' is not known"):
        parse_format("field")


# --- where two formats meet -------------------------------------------------------------------------------------------


def test_two_heads_are_one_layout_and_two_formats_are_named():
    check_same(Binaural("a.sofa"), BINAURAL)
    with pytest.raises(AudioError, match=r"^the recording is ambisonics1 with 4 channels; the encoder takes binaural with"):
        check_same(Ambisonics(1), BINAURAL)
    with pytest.raises(AudioError, match=r"a\.wav is mono with 1 channel; the model takes ambisonics2 with 9 channels\.$"):
        check_same(Mono(), Ambisonics(2), "a.wav", "the model")
    with pytest.raises(AudioError, match=r"is array2-.* takes binaural"):  # the same number of channels is not enough
        check_same(PAIR, BINAURAL)


@pytest.mark.parametrize("format", ALL, ids=lambda format: format.name)
def test_a_waveform_has_the_channels_of_its_format(format):
    waveform = np.random.default_rng(2).standard_normal((format.channels, 800)).astype(np.float32) * 0.1
    np.testing.assert_array_equal(check_waveform(waveform, format), waveform)
    assert prepare_waveform(waveform, 16_000, 32_000, 2000, format=format.internal, given=format).shape == (
        format.channels,
        2000,
    )
    with pytest.raises(AudioError, match=f"{format.channels} channels needed, got {format.channels + 1} .*{format.name} "):
        check_waveform(np.concatenate([waveform, waveform[:1]]), format)


def test_a_recording_said_to_be_of_another_format_is_refused():
    waveform = np.random.default_rng(3).standard_normal((4, 800)).astype(np.float32) * 0.1
    prepared = prepare_waveform(waveform, 32_000, 32_000, 800, format=Ambisonics(1), given=Ambisonics(1))
    np.testing.assert_array_equal(prepared, waveform)
    with pytest.raises(AudioError, match="the recording is ambisonics1 with 4 channels; the encoder takes binaural with 2"):
        prepare_waveform(waveform, 32_000, 32_000, 800, given=Ambisonics(1))
