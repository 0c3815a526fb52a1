"""Audio formats: their channels, their two spellings, the mirror, and what happens where two of them meet."""

import json

import numpy as np
import pytest

from spatial_llm.audio.ambisonics import encode
from spatial_llm.audio.formats import (
    BINAURAL,
    FORMATS,
    Ambisonics,
    Array,
    Binaural,
    Mono,
    as_format,
    check_same,
    format_from_dict,
    format_to_dict,
    parse_format,
)
from spatial_llm.audio.io import check_waveform, prepare_waveform
from spatial_llm.errors import AudioError

PAIR = Array(((0.0, 0.1, 0.0), (0.0, -0.1, 0.0)))
ALL = [BINAURAL, Binaural("heads/my head.sofa"), Ambisonics(1), Ambisonics(2), Ambisonics(3), PAIR, Mono()]
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


@pytest.mark.parametrize(("format", "spelled"), list(zip(ALL, IN_BANKS, strict=True)))
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
        ({"kind": "ambisonics"}, r"'ambisonics' with \[\]; expected \['order'\]"),
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
    assert (mirrored is None) == (format is PAIR)
    if mirrored is not None:
        assert mirrored.dtype == np.float32
        np.testing.assert_array_equal(format.mirror(mirrored), waveform)


def test_which_mirrors_are_exact():
    assert [format.mirrors_exactly() for format in ALL] == [True, False, True, True, True, False, True]
    assert [format.mirrors_exactly(measured=True) for format in ALL] == [False, False, True, True, True, False, True]


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
    assert prepare_waveform(waveform, 16_000, 32_000, 2000, format=format).shape == (format.channels, 2000)
    with pytest.raises(AudioError, match=f"{format.channels} channels needed, got {format.channels + 1} .*{format.name} "):
        check_waveform(np.concatenate([waveform, waveform[:1]]), format)


def test_a_recording_said_to_be_of_another_format_is_refused():
    waveform = np.random.default_rng(3).standard_normal((4, 800)).astype(np.float32) * 0.1
    prepared = prepare_waveform(waveform, 32_000, 32_000, 800, format=Ambisonics(1), given=Ambisonics(1))
    np.testing.assert_array_equal(prepared, waveform)
    with pytest.raises(AudioError, match="the recording is ambisonics1 with 4 channels; the encoder takes binaural with 2"):
        prepare_waveform(waveform, 32_000, 32_000, 800, given=Ambisonics(1))
