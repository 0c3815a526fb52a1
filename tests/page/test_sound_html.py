"""The player gets the samples as they are, and levels that can be computed by hand."""

import base64
import io

import numpy as np
import soundfile

from spatial_llm.page.sound_html import levels_db, player_value, wav_bytes


def test_samples_come_back_bit_for_bit_also_above_full_scale():
    rng = np.random.default_rng(1)
    window = (3 * rng.standard_normal((2, 5000))).astype(np.float32)
    back, rate = soundfile.read(io.BytesIO(wav_bytes(window, 32_000)), dtype="float32")
    assert rate == 32_000
    np.testing.assert_array_equal(back.T, window)
    value = player_value(window, 32_000, "a title")
    assert base64.b64decode(value["source"].removeprefix("data:audio/wav;base64,")) == wav_bytes(window, 32_000)
    assert value["peak"] == round(float(np.abs(window).max()), 3) and value["names"] == ["left", "right"]


def test_levels_are_those_of_sines_and_of_silence():
    time = np.arange(32_000) / 32_000
    sine = np.sin(2 * np.pi * 100 * time)
    window = np.stack([sine, 0.1 * sine]).astype(np.float32)
    assert levels_db(window) == [-3.0, -23.0]
    assert levels_db(np.zeros((1, 100), np.float32)) == [-120.0]
    assert player_value(window[:1], 32_000, "")["names"] == ["one channel"]
