"""Labels, mirrored samples, the smoothed loss, cue files, and a training run of an encoder that overfits."""

import dataclasses
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from spatial_llm.audio.cues.binaural import mirror_binaural_cues
from spatial_llm.data.dataset import CueDataset
from spatial_llm.data.records import Record
from spatial_llm.data.rendering import load_waveform
from spatial_llm.encoders import DSpASTForLocalization, SpatialASTForLocalization
from spatial_llm.encoders.feature_extraction_spatial import SpatialFeatureExtractor
from spatial_llm.encoders.finer_patches import with_finer_patches
from spatial_llm.encoders.metrics import encoder_scores
from spatial_llm.errors import CacheError, ManifestError, SpatialLLMError
from spatial_llm.jsonl import write_jsonl
from spatial_llm.training.encoder.arguments import EncoderArguments
from spatial_llm.training.encoder.cue_cache import precompute_cues
from spatial_llm.training.encoder.dataset import LocalizationDataset, localization_labels, one_source_recordings
from spatial_llm.training.encoder.run import build_encoder, bump, joint_loss, train_encoder, written_out_attention
from spatial_llm.training.engine.schedule import Schedule

SIZES = {
    "hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48, "duration_s": 1.0,
    "hop_length": 640, "num_mel_bins": 32, "num_frames": 64, "patch_size": [16, 16],
}  # fmt: skip

MIRRORED = ["logmel_left", "logmel_right", "gcc_phat", "cos_ipd", "sin_ipd"]


def arguments(data: Path, run_folder: Path, **changes: object) -> EncoderArguments:
    return EncoderArguments(
        **{
            "run_folder": str(run_folder),
            "train_manifest": str(data / "train.jsonl"),
            "eval_manifest": str(data / "eval.jsonl"),
            "model_type": "spatial_ast",
            "model": SIZES,
            "schedule": Schedule(steps=2, batch_size=4, learning_rate=1e-3, log_every=1),
            "precompute": True,
            "cpu_threads": 1,
            **changes,
        }
    )


def test_labels_follow_the_frame_of_bat(data: Path) -> None:
    record = one_source_recordings(data / "train.jsonl")[0]
    heard = dataclasses.replace(record.scene.truth.sources[0], azimuth_deg=-90.0, elevation_deg=30.0, distance_m=2.4)
    scene = dataclasses.replace(record.scene, truth=dataclasses.replace(record.scene.truth, sources=(heard,)))
    name = scene.sources[0].label
    label = localization_labels([dataclasses.replace(record, scene=scene)], [name, "zebra"])
    assert label["event"].tolist() == [[1.0, 0.0]]
    assert [int(label[task]) for task in ("distance", "azimuth", "elevation")] == [5, 0, 120]
    with pytest.raises(ManifestError, match=name):
        localization_labels([record], ["zebra"])


def test_mirrored_cues_are_those_of_exchanged_ears(data: Path) -> None:
    record = one_source_recordings(data / "train.jsonl")[0]
    waveform = load_waveform(record, data, 32000, 32000)
    extractor = SpatialFeatureExtractor(feature_size=32, hop_length=640, cues=MIRRORED)
    plain, exchanged = extractor([waveform, waveform[::-1]], sampling_rate=32000, return_tensors="pt")["input_features"]
    mirrored = mirror_binaural_cues(plain, MIRRORED)
    mirrored[MIRRORED.index("gcc_phat"), :, 0] = exchanged[MIRRORED.index("gcc_phat"), :, 0]
    torch.testing.assert_close(mirrored, exchanged, rtol=0, atol=1e-4)
    for cue in ("logmel_left", "ild"):
        with pytest.raises(SpatialLLMError, match=cue):
            mirror_binaural_cues(plain[:1], [cue])


def test_mirrored_samples_have_their_azimuth_reflected(data: Path) -> None:
    records = one_source_recordings(data / "train.jsonl")[:2]
    extractor = SpatialFeatureExtractor(feature_size=32, hop_length=640, cues=MIRRORED)
    cues = CueDataset(records, data, extractor, 32000)
    labels = localization_labels(records, sorted({r.scene.sources[0].label for r in records}))
    for azimuth_class, reflected in ((0, 180), (90, 90), (180, 0), (270, 270), (359, 181)):
        labels["azimuth"][1] = azimuth_class
        dataset = LocalizationDataset(cues, labels, extractor.cues, mirror=True)
        assert len(dataset) == 4
        assert [int(dataset[index]["azimuth_labels"]) for index in (2, 3)] == [azimuth_class, reflected]
    torch.testing.assert_close(dataset[3]["input_features"], mirror_binaural_cues(cues[1], extractor.cues))
    assert torch.equal(dataset[3]["event_labels"], dataset[2]["event_labels"])


@pytest.mark.parametrize("cue, dtype", [("cos_ipd", np.float16), ("ild", np.float32)])
def test_cue_file_holds_what_the_extractor_gives(data: Path, tmp_path: Path, cue: str, dtype: type) -> None:
    records = one_source_recordings(data / "train.jsonl")[:5]
    extractor = SpatialFeatureExtractor(feature_size=32, hop_length=640, cues=["logmel_left", cue])
    dataset = CueDataset(records, data, extractor, 32000)
    cues = precompute_cues(data / "train.jsonl", dataset, tmp_path)
    assert cues.dtype == dtype
    assert cues.shape == (5, 2, 51, 32)
    waveform = load_waveform(records[3], data, 32000, 32000)
    wanted = extractor(waveform, sampling_rate=32000, return_tensors="np")["input_features"][0]
    np.testing.assert_allclose(np.array(cues[3]), wanted, rtol=1e-3, atol=1e-3)

    (file,) = tmp_path.glob("*.npy")
    written = file.stat().st_mtime_ns
    precompute_cues(data / "train.jsonl", dataset, tmp_path)
    assert file.stat().st_mtime_ns == written, "made once"
    drawn = []
    for folder in (tmp_path, tmp_path / "new"):
        torch.manual_seed(0)
        precompute_cues(data / "train.jsonl", dataset, folder)
        drawn.append(float(torch.rand(())))
    assert drawn[0] == drawn[1], "a run that makes the file begins with the same weights as one that finds it"
    precompute_cues(data / "train.jsonl", CueDataset(records[:4], data, extractor, 32000), tmp_path)
    assert len(list(tmp_path.glob("*.npy"))) == 2, "other recordings, another file"


def test_a_damaged_cue_file_is_refused_and_one_of_other_sounds_is_not_taken(data: Path, tmp_path: Path) -> None:
    folder, cues = tmp_path / "data", tmp_path / "cues"
    shutil.copytree(data, folder)
    records = one_source_recordings(folder / "train.jsonl")[:3]
    extractor = SpatialFeatureExtractor(feature_size=32, hop_length=640, cues=["logmel_left"])

    def precomputed() -> np.ndarray:
        return np.array(precompute_cues(folder / "train.jsonl", CueDataset(records, folder, extractor, 32000), cues))

    whole = precomputed()
    (file,) = cues.glob("*.npy")
    for damage in (lambda content: content[: len(content) // 2] + bytes(len(content) - len(content) // 2),
                   lambda content: content[:-7], lambda content: b""):  # fmt: skip
        file.write_bytes(damage(file.read_bytes()))
        with pytest.raises(CacheError, match=f"{file.name}: damaged.*delete the file"):
            precomputed()
        file.unlink()
        np.testing.assert_array_equal(precomputed(), whole)
    file.with_suffix(".sha256").unlink()  # as a version before left it
    file.write_bytes(bytes(file.stat().st_size))
    np.testing.assert_array_equal(precomputed(), whole)
    # The responses are another file now, in the same process: another file of cues.
    (responses,) = (folder / "train_bank").glob("*.npy")
    louder = np.load(responses) * 3
    np.save(responses, louder)
    precomputed()
    assert len(list(cues.glob("*.npy"))) == 2


def test_cues_kept_on_disk_are_those_of_the_sounds_of_now(tmp_path: Path) -> None:
    """A recording replaced by another one of the same length and time, under the same manifest."""
    manifest, path = tmp_path / "train.jsonl", tmp_path / "clip.wav"
    clip = np.random.default_rng(0).standard_normal((32000, 2)).astype(np.float32) * np.float32(0.1)
    soundfile.write(path, clip, 32000)
    record = Record(
        id="q", recording_id="r", type="A", question_type="CLASSIFICATION", question="What sounds?", answer="bell",
        truth={"labels": ["bell"]}, split="train", sampling_rate=32000, audio="clip.wav",
    )  # fmt: skip
    write_jsonl(manifest, [record.to_dict()])
    extractor = SpatialFeatureExtractor(feature_size=16, hop_length=640, cues=["logmel_left"])
    levels = []
    for gain in (1.0, 0.1):
        before = path.stat()
        soundfile.write(path, gain * clip, 32000)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        cues = precompute_cues(manifest, CueDataset([record], tmp_path, extractor, 32000), tmp_path / "cues")
        levels.append(float(np.mean(cues, dtype=np.float64)))
    assert levels[1] < levels[0] - 0.5


def test_bump_wraps_around_only_where_angles_do() -> None:
    circular = bump(torch.tensor([0]), 360, 10.0, circular=True)[0]
    torch.testing.assert_close(circular[1], circular[359])
    torch.testing.assert_close(circular.sum(), torch.tensor(1.0))
    torch.testing.assert_close(circular[10] / circular[0], torch.exp(torch.tensor(-0.5)))
    flat = bump(torch.tensor([0]), 180, 10.0, circular=False)[0]
    assert flat[179] < 1e-6 < flat[1]


def test_smoothed_distances_count_what_lies_near_and_directions_stay_sharp() -> None:
    torch.manual_seed(0)
    model = build_encoder("spatial_ast", SIZES | {"loss_weights": {"event": 0, "distance": 1, "azimuth": 0, "elevation": 0}},
                          ["bell"])  # fmt: skip
    labels = {"distance_labels": torch.tensor([4, 7]), "azimuth_labels": torch.tensor([0, 1])}
    output = model(input_features=torch.zeros(2, 4, 51, 32))
    offset = torch.arange(21) - torch.tensor([[4], [7]])
    wanted = -(torch.softmax(-0.5 * offset**2, dim=-1) * output.distance_logits.log_softmax(-1)).sum(-1).mean()
    torch.testing.assert_close(joint_loss(model, labels, 0.0, 0.5, output), wanted)  # 0.5 m is one class
    sharp = torch.nn.functional.cross_entropy(output.distance_logits, labels["distance_labels"])
    torch.testing.assert_close(joint_loss(model, labels, 10.0, 0.0, output), sharp)


def test_scores_of_perfect_and_of_mirrored_answers() -> None:
    azimuth, elevation = np.array([90, 180, 300, 10]), np.array([90, 100, 80, 95])
    labels = {"event": np.eye(4), "distance": np.array([2, 4, 6, 8]), "azimuth": azimuth, "elevation": elevation}
    perfect = {"event": np.eye(4), "distance": np.eye(21)[labels["distance"]], "azimuth": np.eye(360)[azimuth],
               "elevation": np.eye(180)[elevation]}  # fmt: skip
    scores = encoder_scores(perfect, labels)
    assert scores == {"event_accuracy": 1, "event_map": 1, "mae_deg": 0, "er20": 0, "left_right": 1, "front_behind": 1,
                      "above_below": 1, "der": 0, "n": 4}  # fmt: skip
    behind = encoder_scores(perfect | {"azimuth": np.eye(360)[(360 - azimuth) % 360]}, labels)
    assert behind["front_behind"] == 0.25  # 180 degrees, exactly left, is its own reflection
    assert behind["left_right"] == 1
    off = encoder_scores(perfect | {"distance": np.eye(21)[labels["distance"] + np.array([1, -1, 2, -2])]}, labels)
    assert off["der"] == 0.5, "half a metre off is still right"


def test_unknown_field_of_the_encoder_is_named() -> None:
    with pytest.raises(SpatialLLMError, match="hiden_size"):
        build_encoder("dspast", {"hiden_size": 3}, ["bell"])


@pytest.mark.parametrize("precompute", [True, False])
def test_run_folder_is_complete_and_loads(data: Path, tmp_path: Path, precompute: bool) -> None:
    scores = train_encoder(arguments(data, tmp_path / "run", model_type="dspast", precompute=precompute))
    assert scores["n"] == 6
    assert {"config.yaml", "provenance.json", "metrics.jsonl", "model"} <= {p.name for p in (tmp_path / "run").iterdir()}
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert lines[0]["step"] == 1 and "loss" in lines[0] and lines[-1]["eval"] == scores
    assert json.loads((tmp_path / "run" / "provenance.json").read_text())["seed"] == 0
    model = DSpASTForLocalization.from_pretrained(tmp_path / "run" / "model")
    assert len(model.config.event_labels) == model.config.num_event_classes


def test_a_joint_run_begins_with_a_given_encoder(data: Path, tmp_path: Path) -> None:
    cues, given = str(tmp_path / "cues"), str(tmp_path / "first" / "model")
    train_encoder(arguments(data, tmp_path / "first", cues_folder=cues))
    weights = {"event": 5.0, "distance": 0.0, "azimuth": 1.0, "elevation": 1.0}
    still = Schedule(steps=1, batch_size=4, learning_rate=1e-30, weight_decay=0.0)
    changes = {"model": {"loss_weights": weights}, "schedule": still, "initial_encoder": given, "cues_folder": cues}
    train_encoder(arguments(data, tmp_path / "second", **changes))
    first, second = (SpatialASTForLocalization.from_pretrained(tmp_path / run / "model") for run in ("first", "second"))
    assert second.config.loss_weights == weights != first.config.loss_weights
    begun = dict(first.named_parameters())
    assert all(torch.allclose(value, begun[name], rtol=0, atol=1e-20) for name, value in second.named_parameters())
    with pytest.raises(SpatialLLMError, match="hiden_size"):
        train_encoder(arguments(data, tmp_path / "third", **changes | {"model": {"hiden_size": 3}}))


def test_a_joint_run_goes_on_with_finer_patches(data: Path, tmp_path: Path) -> None:
    cues, given = str(tmp_path / "cues"), str(tmp_path / "first" / "model")
    train_encoder(arguments(data, tmp_path / "first", cues_folder=cues))
    first = SpatialASTForLocalization.from_pretrained(given)
    rows, columns = first.config.patch_size
    still = Schedule(steps=1, batch_size=4, learning_rate=1e-30, weight_decay=0.0)
    changes = {"schedule": still, "initial_encoder": given, "cues_folder": cues}
    changes["model"] = {"patch_size": [rows, columns // 2]}
    train_encoder(arguments(data, tmp_path / "second", **changes))
    second = SpatialASTForLocalization.from_pretrained(tmp_path / "second" / "model")
    assert second.config.patch_size == [rows, columns // 2]
    rows_before, columns_before = first.config.token_layout.grid
    assert second.config.token_layout.grid == (rows_before, 2 * columns_before)
    expected = with_finer_patches(first, [rows, columns // 2]).state_dict()
    for name, value in second.named_parameters():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=1e-20)


def test_attention_is_written_out_on_a_cpu_in_half_precision() -> None:
    model = build_encoder("spatial_ast", SIZES, ["bell"])

    def implementations() -> set[str]:
        return {layer.attention.config._attn_implementation for layer in model.encoder.layers}

    cues = torch.randn(2, len(model.config.cues), model.config.num_frames, model.config.num_mel_bins)

    def gradient() -> torch.Tensor:
        model.zero_grad()
        model.eval()(input_features=cues).azimuth_logits.square().mean().backward()
        return model.encoder.patch_embeddings.projection.weight.grad.clone()

    with written_out_attention(model, "bf16"):
        assert implementations() == {"sdpa" if torch.cuda.is_available() else "eager"}
        written_out = gradient()
    with written_out_attention(model, "fp32"):
        assert implementations() == {"sdpa"}
    assert implementations() == {"sdpa"}
    torch.testing.assert_close(written_out, gradient(), rtol=1e-4, atol=1e-7)


def test_a_run_repeats_itself(data: Path, tmp_path: Path) -> None:
    for name in "ab":
        train_encoder(arguments(data, tmp_path / name, cues_folder=str(tmp_path / "cues")))
    weights = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in "ab"]
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_overfits_its_own_clips(data: Path, tmp_path: Path) -> None:
    scores = train_encoder(
        arguments(
            data,
            tmp_path / "run",
            eval_manifest=str(data / "train.jsonl"),
            model=SIZES | {"loss_weights": {"event": 20, "distance": 1, "azimuth": 2, "elevation": 2}},
            schedule=Schedule(steps=400, batch_size=12, learning_rate=5e-3),
            direction_smoothing_deg=5.0,
        )
    )
    assert scores["event_accuracy"] == scores["left_right"] == scores["front_behind"] == 1.0
    assert scores["der"] == 0.0 and scores["mae_deg"] < 5.0
    assert isinstance(SpatialASTForLocalization.from_pretrained(tmp_path / "run" / "model"), SpatialASTForLocalization)
