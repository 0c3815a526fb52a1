"""From manifest to samples: windows, stored encoder output, and errors that name the record."""

import dataclasses
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from spatial_llm.audio.arrays import LOUD
from spatial_llm.audio.formats import BINAURAL, Ambisonics
from spatial_llm.audio.limits import AudioLimits
from spatial_llm.data.collator import SpatialQACollator
from spatial_llm.data.dataset import CueDataset, SpatialQADataset, distinct_recordings
from spatial_llm.data.paths import DataRoot
from spatial_llm.data.records import Record, read_manifest, record_from_dict, write_manifest
from spatial_llm.data.rendering import load_waveform, render_record
from spatial_llm.errors import ManifestError
from spatial_llm.testing import tiny_processor
from tests.scenes.small import scene, source

RATE = 8000


def record(number: int, audio: str, recording: str | None = None) -> Record:
    return Record(
        id=f"q{number}", recording_id=recording or audio, type="A", question_type="CLASSIFICATION", question="What sounds?",
        answer="bell", truth={"labels": ["bell"]}, split="train", sampling_rate=RATE, audio=audio,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two-channel files: L = +0.5 and R = -0.5 (a mono mix of it is silence), a mono file, and one with a NaN."""
    opposed = np.stack([np.full(4000, 0.5), np.full(4000, -0.5)])
    broken = opposed.copy()
    broken[1, 7] = np.nan
    for name, waveform in (("opposed", opposed), ("mono", opposed[:1]), ("nan", broken)):
        soundfile.write(tmp_path / f"{name}.wav", waveform.T, RATE, subtype="FLOAT")
    return tmp_path


def test_ears_stay_apart_and_the_window_is_filled(folder: Path) -> None:
    write_manifest(folder / "m.jsonl", [record(0, "opposed.wav")])
    sample = SpatialQADataset(folder / "m.jsonl", RATE, 6000)[0]
    assert sample["waveform"].shape == (2, 6000) and sample["waveform"].dtype == np.float32
    np.testing.assert_allclose(sample["waveform"][:, :4000], [[0.5] * 4000, [-0.5] * 4000], atol=1e-4)
    assert not sample["waveform"][:, 4000:].any(), "shorter recordings are padded with silence"
    assert (sample["id"], sample["question"], sample["answer"]) == ("q0", "What sounds?", "bell")
    assert SpatialQADataset(folder / "m.jsonl", 2 * RATE, 8000)[0]["waveform"].shape == (2, 8000)


@pytest.mark.parametrize("name, reason", [("mono", "2 channels"), ("nan", "channel 1, sample 7")])
def test_errors_name_the_record(folder: Path, name: str, reason: str) -> None:
    with pytest.raises(ManifestError, match=f"q3.*{reason}"):
        load_waveform(record(3, f"{name}.wav"), folder, RATE, 4000)


def test_the_format_of_a_file_is_compared_with_the_encoders(folder: Path) -> None:
    foa = np.random.default_rng(0).standard_normal((4, 4000)).astype(np.float32) * 0.1
    soundfile.write(folder / "foa.wav", foa.T, RATE, subtype="FLOAT")
    line = dataclasses.replace(record(3, "foa.wav"), audio_format="foa")
    write_manifest(folder / "m.jsonl", [line])
    (again,) = read_manifest(folder / "m.jsonl")
    assert again == line and again.format == Ambisonics(1)
    np.testing.assert_array_equal(render_record(again, folder), foa)
    np.testing.assert_array_equal(load_waveform(again, folder, RATE, 4000, Ambisonics(1)), foa)
    with pytest.raises(ManifestError, match=r"q3.* is ambisonics1 with 4 channels; the encoder takes binaural with 2"):
        load_waveform(again, folder, RATE, 4000)
    dataset = SpatialQADataset(folder / "m.jsonl", RATE, 4000, format=Ambisonics(1))
    np.testing.assert_array_equal(dataset[0]["waveform"], foa)
    with pytest.raises(ManifestError, match=r"q3.*4 channels needed, got 2 .*expected ambisonics1"):
        render_record(dataclasses.replace(line, audio="opposed.wav"), folder)
    assert record(3, "opposed.wav").format == BINAURAL and "audio_format" not in record(3, "opposed.wav").to_dict()


@pytest.mark.parametrize(
    "entry, words", [("stereo", "audio_format: format 'stereo' is not known"), (3, "audio_format: .*string")]
)
def test_a_format_that_is_none_names_the_line(folder: Path, entry, words) -> None:
    line = record(3, "opposed.wav").to_dict() | {"audio_format": entry}
    with pytest.raises(ManifestError, match=f"m.jsonl:7: {words}"):
        record_from_dict(line, "m.jsonl:7")


def test_limits_of_the_root_reach_every_recording(folder: Path) -> None:
    """A recording of half a second, and a file of it that was cut."""
    whole = (folder / "opposed.wav").read_bytes()
    (folder / "cut.wav").write_bytes(whole[:20_000])
    write_manifest(folder / "m.jsonl", [record(0, "opposed.wav"), record(1, "cut.wav")])
    root = DataRoot(folder, limits=AudioLimits(max_seconds=0.4))
    with pytest.raises(ManifestError, match=r"q0.*lasts 0\.5 s, and max_seconds is 0\.4 s"):
        SpatialQADataset(folder / "m.jsonl", RATE, 4000, root=root)[0]
    with pytest.raises(ManifestError, match=r"q1.*cut or damaged WAV"):
        SpatialQADataset(folder / "m.jsonl", RATE, 4000)[1]
    root = DataRoot(folder, limits=AudioLimits(allow_truncated=True))
    with pytest.warns(UserWarning, match="What is there is taken"):
        assert SpatialQADataset(folder / "m.jsonl", RATE, 4000, root=root)[1]["waveform"].any()


def test_stored_encoder_output_replaces_the_waveform(folder: Path) -> None:
    write_manifest(folder / "m.jsonl", [record(0, "opposed.wav"), record(1, "nan.wav")])
    hidden = {"opposed.wav": torch.zeros(3, 4), "nan.wav": torch.ones(3, 4)}
    sample = SpatialQADataset(folder / "m.jsonl", RATE, 4000, hidden)[1]
    assert "waveform" not in sample and torch.equal(sample["audio_hidden_states"], torch.ones(3, 4))
    with pytest.raises(ManifestError, match=r"nan\.wav"):
        SpatialQADataset(folder / "m.jsonl", RATE, 4000, {"opposed.wav": torch.zeros(3, 4)})


def test_distinct_recordings_keep_their_order() -> None:
    records = [record(0, "b.wav"), record(1, "a.wav"), record(2, "b.wav"), dataclasses.replace(record(3, "c.wav"))]
    assert [r.id for r in distinct_recordings(records)] == ["q0", "q1", "q3"]


def test_a_loud_scene_passes_from_its_record_to_the_cues_without_a_word(tmp_path: Path) -> None:
    """A source near the ears peaks far above full scale; the library rendered it, so nobody is warned of its scale."""
    near = scene(source(recording="synth:clapping/1", gain_db=30.0))
    item = Record(
        id="q", recording_id="r", type="A", question_type="CLASSIFICATION", question="What sounds?", answer="clapping",
        truth={"labels": ["clapping"]}, split="train", sampling_rate=near.sampling_rate, scene=near,
    )  # fmt: skip
    write_manifest(tmp_path / "m.jsonl", [item])
    processor = tiny_processor()
    rate, window = processor.feature_extractor.sampling_rate, processor.window_samples
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*full scale")
        sample = SpatialQADataset(tmp_path / "m.jsonl", rate, window)[0]
        assert np.abs(sample["waveform"]).max() > LOUD
        batch = SpatialQACollator(processor)([sample])
        cues = CueDataset([item], tmp_path, processor.feature_extractor, window)[0]
    torch.testing.assert_close(batch["input_features"][0], cues)
