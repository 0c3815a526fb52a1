"""Rendering: the protocols, number by number; placed sounds; one scene in several formats; no file outside the folder."""

import dataclasses

import numpy as np
import pytest
import scipy.fft
import soundfile
from scipy.signal import correlate, fftconvolve

from spatial_llm.audio.ambisonics import intensity_direction
from spatial_llm.audio.formats import parse_format
from spatial_llm.audio.level import normalize_rms, pad_or_cut, rms_dbfs
from spatial_llm.errors import AudioError, ManifestError, SceneError
from spatial_llm.geometry import SPEED_OF_SOUND_M_S, direction_to_vector, great_circle_deg, vector_to_direction
from spatial_llm.scenes.bank import mirror_response
from spatial_llm.scenes.events import synthesize_event
from spatial_llm.scenes.heads.hrtf import interaural_delay_s
from spatial_llm.scenes.render import place, render, render_scene, scene_responses
from spatial_llm.scenes.scene import direction_of
from spatial_llm.scenes.truth import truth_of
from tests.scenes.small import ANECHOIC, RATE, bank, decaying, mirror, scene, source

RNG = np.random.default_rng(0)
BINAURAL, FOA, MONO = (parse_format(name) for name in ("binaural", "foa", "mono"))


def literal(dry, responses, samples, response_samples=None):
    """The rendering of BAT's released data set (SLAM-LLM, `spatial_audio_dataset.py`), step by step in float64."""
    total = np.zeros((len(responses[0]), samples))
    for sound, response in zip(dry, responses, strict=True):
        sound, response = sound.astype(np.float64), response.astype(np.float64)
        sound = sound * 10 ** (-14 / 20) / np.sqrt(np.mean(sound**2))  # over the whole length, also of what is cut
        sound = pad_or_cut(sound, samples)
        if response_samples is not None:
            response = pad_or_cut(response, response_samples)
        total += fftconvolve(response, sound[None], axes=1)[:, :samples]
    return total / len(dry)


@pytest.mark.parametrize("channels", [1, 2, 4])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_protocols_are_those_of_the_specs(count, channels):
    rate, samples = 500, 2000
    dry = [RNG.standard_normal(n).astype(np.float32) for n in (900, 2500, 2000, 10)[:count]]
    responses = [decaying(channels, n, seed=n) for n in (1500, 700, 1800, 990)[:count]]
    whole, cut = literal(dry, responses, samples), literal(dry, responses, samples, 2 * rate)
    assert np.abs(whole - cut).max() > 1e-4  # what comes after 2 s is heard
    official = render(dry, responses, samples)
    assert official.dtype == np.float32 and official.shape == (channels, samples)
    np.testing.assert_allclose(official, whole, atol=1e-6)
    np.testing.assert_allclose(render(dry, responses, samples, "checkpoint_matched", rate), cut, atol=1e-6)


def test_ten_seconds_in_float32_are_those_in_float64():
    dry = [RNG.standard_normal(n).astype(np.float32) for n in (200_000, 320_000)]
    responses = [decaying(2, 32000, seed) for seed in (1, 2)]
    wanted = literal(dry, responses, 320_000)
    assert 0.3 < np.abs(wanted).max() < 1.5
    np.testing.assert_allclose(render(dry, responses, 320_000), wanted, atol=1e-6)


def test_response_longer_than_the_window_is_exact():
    dry, response = RNG.standard_normal(50).astype(np.float32), decaying(2, 900, 0)
    np.testing.assert_allclose(render([dry], [response], 300), literal([dry], [response], 300), atol=1e-6)


def test_silence_stays_silence_and_errors():
    assert not render([np.zeros(10, dtype=np.float32)], [np.ones((2, 3), dtype=np.float32)], 20).any()
    with pytest.raises(SceneError, match="one response for each"):
        render([np.zeros(10)], [], 20)
    with pytest.raises(SceneError, match=r"\(channels, taps\)"):
        render([np.zeros(10)], [np.zeros((10, 2))], 20)  # on its side
    with pytest.raises(SceneError, match="as many channels"):
        render([np.zeros(10)] * 2, [np.zeros((2, 9)), np.zeros((4, 9))], 20)
    with pytest.raises(SceneError, match=r"\(samples,\)"):
        render([np.zeros((1, 10))], [np.zeros((2, 9))], 20)
    with pytest.raises(SceneError, match="official_bat, checkpoint_matched"):
        render([np.zeros(10)], [np.zeros((2, 9))], 20, "official")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A data folder: a bank of two rows at +60 and -60 degrees, one second long, and two sounds."""
    root = tmp_path_factory.mktemp("data")
    responses = {kind: [decaying(kind.channels, 80_000, seed) for seed in (1, 2)] for kind in (BINAURAL, FOA)}
    bank(root / "bank", [60.0, -60.0], responses)
    (root / "sounds" / "bell").mkdir(parents=True)
    stereo = np.stack([synthesize_event("bell", 1, 0.8), np.ones(25600, dtype=np.float32)], axis=1)
    soundfile.write(root / "sounds" / "bell" / "1.wav", stereo, RATE, subtype="FLOAT")
    soundfile.write(root / "sounds" / "broken.wav", np.array([0.1, np.nan]), RATE, subtype="FLOAT")
    return root


PAIR = source(60.0, response=0), source(-60.0, "synth:bark/2", response=1)


def banked(*sources, **fields):
    return scene(*(sources or PAIR), **({"duration_s": 3.0, "bank": "bank"} | fields))


def test_a_scene_without_additions_is_rendered_as_before_they_came(root):
    dry = [synthesize_event("rain", 1, 3.0, RATE), synthesize_event("bark", 2, 3.0, RATE)]
    responses = [np.load(root / "bank" / "responses-binaural.npy")[row] for row in (0, 1)]
    size = scipy.fft.next_fast_len(3 * RATE + 80_000 - 1, real=True)
    spectrum = 0.0
    for sound, response in zip(dry, responses, strict=True):
        sound = pad_or_cut(normalize_rms(sound, -14.0), 3 * RATE)
        spectrum = spectrum + scipy.fft.rfft(sound, size) * scipy.fft.rfft(response, size)
    before = (scipy.fft.irfft(spectrum, size)[:, : 3 * RATE] / 2).astype(np.float32)
    assert np.array_equal(render_scene(banked(), root), before)
    assert np.array_equal(render(dry, responses, 3 * RATE), before)


def test_the_protocol_of_a_scene_is_used_in_every_format(root):
    for kind in (BINAURAL, FOA):
        dry = [synthesize_event("rain", 1, 3.0, RATE), synthesize_event("bark", 2, 3.0, RATE)]
        responses = [decaying(kind.channels, 80_000, seed) for seed in (1, 2)]
        for protocol, limit in (("official_bat", None), ("checkpoint_matched", 2 * RATE)):
            wanted = literal(dry, responses, 3 * RATE, limit)
            np.testing.assert_allclose(render_scene(banked(protocol=protocol), root, kind), wanted, atol=1e-6)


def test_a_placed_sound_is_brought_to_its_level_before_it_is_cut():
    loud_start = np.concatenate([np.ones(RATE // 2), 0.1 * np.ones(RATE)]).astype(np.float32)
    heard = scene(source(onset_s=0.25, offset_s=0.65, gain_db=-6.0), duration_s=2.0)
    placed = place(loud_start, heard.sources[0], heard)
    first, last = int(0.25 * RATE), int(0.65 * RATE)
    assert placed.dtype == np.float32 and len(placed) == 2 * RATE
    assert not placed[:first].any() and not placed[last:].any()
    level = 10 ** ((-14 - rms_dbfs(loud_start) - 6.0) / 20)  # of the whole sound
    np.testing.assert_allclose(placed[first : last - 160], level, rtol=1e-5)
    assert (np.diff(placed[last - 160 : last]) < 0).all() and placed[last - 1] == 0  # no click
    # Played to its end where the offset comes later; to the end of the scene where that comes first.
    late = scene(source(onset_s=0.5, offset_s=2.1), source(onset_s=0.5), source(onset_s=1.0), duration_s=2.2)
    wanted = pad_or_cut(np.pad(normalize_rms(loud_start), (RATE // 2, 0)), round(2.2 * RATE))
    for each in late.sources[:2]:
        np.testing.assert_array_equal(place(loud_start, each, late), wanted)
    end = normalize_rms(loud_start)[: round(1.2 * RATE)]
    np.testing.assert_array_equal(place(loud_start, late.sources[2], late)[RATE:], end)


def test_onset_and_gain_move_and_scale_the_recording(root):
    plain = banked(source(response=0))
    moved = banked(source(response=0, onset_s=0.5, gain_db=-12.0))
    first, second = render_scene(plain, root), render_scene(moved, root)
    np.testing.assert_allclose(second[:, RATE // 2 :], 10 ** (-12 / 20) * first[:, : -RATE // 2], atol=1e-6)
    assert np.abs(second[:, : RATE // 2]).max() < 1e-6


def test_sounds_from_files_are_their_first_channel(root):
    made = banked(dataclasses.replace(source(response=0), recording="bell/1.wav"), sounds="sounds")
    wanted = render([synthesize_event("bell", 1, 0.8)], [decaying(2, 80_000, 1)], 3 * RATE)
    np.testing.assert_array_equal(render_scene(made, root), wanted)
    broken = banked(dataclasses.replace(source(response=0), recording="broken.wav"), sounds="sounds")
    with pytest.raises(AudioError, match=r"broken.wav.*not finite"):
        render_scene(broken, root)


def test_sounds_that_are_given_are_played_instead_of_those_that_are_named(root):
    made = banked()
    given = [synthesize_event("bell", 1, 0.8), synthesize_event("rain", 2, 2.0)]
    wanted = render(given, [decaying(2, 80_000, seed) for seed in (1, 2)], 3 * RATE)
    np.testing.assert_array_equal(render_scene(made, root, dry=given), wanted)
    known = truth_of(made, root, given)
    assert known.sources[0].offset_s < 0.9 < known.sources[1].offset_s < 2.1
    with pytest.raises(SceneError, match="1 dry sounds and 2 sources; give one for each"):
        render_scene(made, root, dry=given[:1])


def test_one_scene_in_several_formats_has_one_truth(tmp_path):
    array = parse_format("array:[[0, 0.1, 0], [0, -0.1, 0], [0.1, 0, 0.05]]")
    heard = scene(source(60.0), room=ANECHOIC)
    azimuth_deg, elevation_deg, distance_m = direction_of(heard.listener, heard.sources[0].position_m)
    ears = render_scene(heard, tmp_path)
    assert rms_dbfs(ears[0]) > rms_dbfs(ears[1]) + 3
    assert 3e-4 < interaural_delay_s(ears, RATE) < 8e-4  # the right ear hears later
    first_order = render_scene(heard, tmp_path, FOA)
    heard_deg = vector_to_direction(intensity_direction(first_order))[:2]
    assert great_circle_deg(*heard_deg, azimuth_deg, elevation_deg) < 1
    mono = render_scene(heard, tmp_path, MONO)
    np.testing.assert_allclose(mono[0], first_order[0], atol=1e-5)
    assert rms_dbfs(mono) == pytest.approx(-14 - 20 * np.log10(distance_m), abs=0.2)
    microphones = render_scene(heard, tmp_path, array)
    ways_m = [np.linalg.norm(direction_to_vector(azimuth_deg, elevation_deg, distance_m) - p) for p in array.positions_m]
    for other in (1, 2):
        lag = np.argmax(correlate(microphones[other], microphones[0])) - (len(mono[0]) - 1)
        assert abs(lag - (ways_m[other] - ways_m[0]) / SPEED_OF_SOUND_M_S * RATE) < 1


def test_a_format_that_the_bank_lacks_is_simulated_in_the_mirror_too(root):
    plain, left_right = banked(), mirror(banked())
    responses, mirrored_ones = scene_responses(plain, root), scene_responses(left_right, root)
    for response, other in zip(responses, mirrored_ones, strict=True):
        np.testing.assert_array_equal(response, other[::-1])
    third = parse_format("ambisonics3")
    simulated = scene_responses(plain, root, third)
    assert simulated[0].shape == (16, round(0.2 * RATE))
    for response, other in zip(simulated, scene_responses(left_right, root, third), strict=True):
        np.testing.assert_allclose(mirror_response(response, third), other, atol=1e-6)
        assert np.abs(response - other).max() > 0.05


def test_a_scene_and_its_bank_must_agree(root, tmp_path):
    bank(tmp_path / "bank", [60.0, -60.0], {BINAURAL: [decaying(2, 100, 0)] * 2}, sampling_rate=16000)
    with pytest.raises(SceneError, match=r"32000 Hz.*16000"):
        render_scene(banked(), tmp_path)
    with pytest.raises(SceneError, match="rows 0 to 1"):
        render_scene(banked(source(response=2)), root)
    with pytest.raises(SceneError, match=r"sources\[0\].*row 1.*another bank"):
        render_scene(banked(source(response=1)), root)
    with pytest.raises(SceneError, match="another bank"):
        render_scene(dataclasses.replace(banked(), mirror=True), root)


def test_nothing_outside_the_folder_is_read(root, tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "bank").symlink_to(root / "bank")
    (inside / "sounds").mkdir()
    (inside / "sounds" / "linked.wav").symlink_to(root / "sounds" / "bell" / "1.wav")
    file = dataclasses.replace(source(response=0), recording="linked.wav")
    for bad in (
        banked(bank="bank"),
        banked(bank=f"../{root.name}/bank"),
        banked(bank=str(root / "bank")),
        scene(dataclasses.replace(file, response=None), sounds="sounds"),
        scene(dataclasses.replace(file, response=None, recording="../a.wav"), sounds="sounds"),
        scene(dataclasses.replace(file, response=None), sounds=".."),
        scene(source(), format=parse_format("binaural:/etc/passwd")),
    ):
        with pytest.raises(ManifestError, match="leads out"):
            render_scene(bad, inside)
    with pytest.raises(SceneError, match="name its folder in 'sounds'"):
        render_scene(scene(dataclasses.replace(file, response=None)), inside)
