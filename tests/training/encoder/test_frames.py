"""A frame head: its loss against another computation, clips learned by heart to the row, and a run from scenes to events."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel

from spatial_llm.audio.cues.binaural import mirror_binaural_cues
from spatial_llm.commands import load
from spatial_llm.data.frame_targets import places_in_rows, sources_in_rows
from spatial_llm.data.records import read_manifest
from spatial_llm.data.scene_files import read_scenes
from spatial_llm.encoders.feature_extraction_spatial import SpatialFeatureExtractor
from spatial_llm.encoders.frame_head import FRAME_HEAD, FrameHead, Frames
from spatial_llm.errors import SpatialLLMError
from spatial_llm.evaluation.scoring.event_files import EventFileSettings, read_events
from spatial_llm.evaluation.scoring.event_scores import score_events
from spatial_llm.geometry import direction_to_vector, great_circle_deg
from spatial_llm.jsonl import write_jsonl
from spatial_llm.model.fingerprint import fingerprint
from spatial_llm.scenes.scene import place_at
from spatial_llm.scenes.scene_json import scene_to_dict
from spatial_llm.testing import tiny_config
from spatial_llm.training.encoder.dataset import collate
from spatial_llm.training.encoder.frame_samples import FrameDataset
from spatial_llm.training.encoder.frames import EVENTS, active_classes, frame_loss, frame_scores, train_frames
from spatial_llm.training.encoder.run import build_encoder, train_encoder
from spatial_llm.training.encoder.stages import train_stages
from spatial_llm.training.engine.schedule import Schedule
from tests.training.encoder.test_run import MIRRORED, SIZES, arguments

SMALL = SIZES | {"cues": MIRRORED, "normalized_cues": MIRRORED, "patch_size": [4, 16]}  # 16 rows of 62.5 ms


class Fixed(torch.nn.Module):
    """A head that tells what it was given: activity last."""

    def forward(self, told: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return told[..., 4], told[..., :4]


def test_the_loss_is_that_of_activity_everywhere_and_of_places_where_something_sounds() -> None:
    generator = np.random.default_rng(0)
    told, true = generator.normal(size=(2, 3, 5, 5)), np.zeros((2, 3, 5, 4))
    for clip, row, number in ((0, 0, 1), (0, 2, 4), (1, 1, 1)):
        direction = direction_to_vector(*generator.uniform(-80, 80, 2))
        true[clip, row, number] = [*direction, math.log(generator.uniform(0.5, 4))]
    expected = 0.0
    for clip in range(2):
        for row in range(3):
            for number in range(5):
                own, known = told[clip, row, number], true[clip, row, number]
                share = 1 / (1 + math.exp(-own[4]))
                if known.any():
                    expected += -math.log(share) + sum((own[:4] - known) ** 2)
                else:
                    expected += -math.log(1 - share)
    batch = {"input_features": torch.tensor(told), "frame_places": torch.tensor(true)}
    assert float(frame_loss(Fixed(), batch)) == pytest.approx(expected / 6, rel=1e-5)


def test_scores_by_hand() -> None:
    true = np.zeros((4, 2, 4))
    true[0, 0] = true[1, 0] = [1, 0, 0, math.log(2.0)]  # ahead
    true[1, 1] = [0, 1, 0, math.log(1.0)]  # left
    told, activity = np.zeros_like(true), np.zeros((4, 2))
    told[0, 0], activity[0, 0] = [2, 0, 0, math.log(2.0)], 0.9  # right
    told[1, 0], activity[1, 0] = [0.1, 0.1, 0, math.log(3.0)], 0.3  # missed, 45 degrees off, half as far again
    told[1, 1], activity[1, 1] = [0, 0.7, 0, math.log(1.0)], 0.5
    told[3, 1], activity[3, 1] = [0, 0, 0.9, 0], 0.8  # nothing is there
    sounds = active_classes(torch.from_numpy(true)).numpy()
    pair = tuple(Frames.of(*each, ("a", "b"), 0.25) for each in ((activity, told), (sounds, true)))
    scores = frame_scores([pair])
    assert (scores["frame_precision"], scores["frame_recall"], scores["frame_f1"]) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert scores["frame_error_deg"] == pytest.approx(15.0) and scores["frame_distance_error"] == pytest.approx(0.5 / 3)
    assert scores["n"] == 1
    silent = frame_scores([(pair[0], Frames.of(np.zeros((4, 2)), np.zeros((4, 2, 4)), ("a", "b"), 0.25))])
    assert silent == {"frame_f1": 0.0, "frame_precision": 0.0, "frame_recall": 0.0, "n": 1}


def test_four_clips_are_learned_to_the_row_and_the_direction() -> None:
    torch.manual_seed(0)
    config = tiny_config("DSpASTModel")
    config.event_labels = [f"sound {number}" for number in range(config.num_event_classes)]
    head, layout = FrameHead(config, 64), config.token_layout
    generator = np.random.default_rng(1)
    true = torch.zeros(4, layout.grid[0], config.num_event_classes, 4)
    for clip in range(4):
        for number in generator.choice(config.num_event_classes, 2, replace=False):
            first, last = sorted(generator.choice(layout.grid[0] + 1, 2, replace=False))
            azimuth_deg = np.linspace(*generator.uniform(-180, 180, 2), last - first)
            vectors = direction_to_vector(azimuth_deg, generator.uniform(-40, 40))
            true[clip, first:last, number, :3] = torch.from_numpy(vectors).float()
            true[clip, first:last, number, 3] = math.log(generator.uniform(0.5, 4))
    batch = {"input_features": torch.randn(4, layout.num_tokens, layout.width), "frame_places": true}
    optimizer = torch.optim.Adam(head.parameters(), 5e-3)
    for _ in range(200):
        optimizer.zero_grad()
        frame_loss(head, batch).backward()
        optimizer.step()
    logits, places = (each.detach() for each in head(batch["input_features"]))
    for activity, told, wanted in zip(logits.sigmoid(), places, true, strict=True):
        row_s = layout.seconds_per_row
        own = Frames.of(activity, told, head.labels, row_s)
        known = Frames.of(active_classes(wanted), wanted, head.labels, row_s)
        active = known.activity > 0.5
        np.testing.assert_array_equal(own.activity >= 0.5, active)
        error_deg = great_circle_deg(own.azimuth_deg, own.elevation_deg, known.azimuth_deg, known.elevation_deg)
        assert error_deg[active].max() < 5
        assert np.abs(own.distance_m / known.distance_m - 1)[active].max() < 0.1


def test_exchanged_ears_reflect_the_places(data: Path) -> None:
    record = read_manifest(data / "train.jsonl")[0]
    labels = sorted({source.label for source in record.scene.sources})
    layout = build_encoder("dspast", SMALL, labels).config.token_layout
    sources = [sources_in_rows(record, layout, labels)]
    cues = torch.randn(1, 5, 51, 32)
    dataset = FrameDataset(cues, sources, labels, layout.grid[0], MIRRORED, mirror=True, ids=["one"])
    plain, mirrored = dataset[0], dataset[1]
    assert len(dataset) == 2 and dataset.sample_id(1) == "one"
    torch.testing.assert_close(plain["frame_places"], places_in_rows(sources[0], labels, layout.grid[0]))
    torch.testing.assert_close(mirrored["frame_places"], plain["frame_places"] * torch.tensor([1.0, -1.0, 1.0, 1.0]))
    torch.testing.assert_close(mirrored["input_features"], mirror_binaural_cues(cues[0], MIRRORED))
    assert collate([plain, mirrored])["frame_places"].shape == (2, layout.grid[0], len(labels), 4)


def saved_encoder(data: Path, folder: Path, bare: bool = False) -> Path:
    scenes = [scene for split in ("train", "eval") for scene in read_scenes(data / f"{split}_scenes.jsonl")]
    torch.manual_seed(0)
    whole = build_encoder("spatial_ast", SMALL, sorted({source.label for scene in scenes for source in scene.sources}))
    (whole.encoder if bare else whole).save_pretrained(folder)
    SpatialFeatureExtractor.for_encoder(whole.config).save_pretrained(folder)
    return folder


def frames_arguments(data: Path, tmp_path: Path, **changes: object):
    given = {"model": {}, "initial_encoder": str(tmp_path / "encoder"), "trains": "frames", "frame_width": 16}
    return arguments(data, tmp_path / "run", **(given | changes))


@pytest.mark.slow
def test_a_run_saves_the_head_beside_its_encoder_and_writes_events_that_are_scored(data: Path, tmp_path: Path) -> None:
    """From scenes of one and two sources, of which one is made to move."""
    saved_encoder(data, tmp_path / "encoder", bare=True)
    scene = next(scene for scene in read_scenes(data / "eval_scenes.jsonl") if len(scene.sources) == 1)
    (source,), (x, y, z) = scene.sources, scene.sources[0].position_m
    moved = dataclasses.replace(source, response=None, path=((0.0, (x, y, z)), (1.0, (x, y, z + 0.3))))
    heard = scene.truth.sources[0]
    place = zip(("azimuth_deg", "elevation_deg", "distance_m"), place_at(scene.listener, moved, heard.onset_s), strict=True)
    truth = dataclasses.replace(scene.truth, sources=(dataclasses.replace(heard, **dict(place)),))
    moving = dataclasses.replace(scene, id="moving", bank=None, sources=(moved,), truth=truth)
    write_jsonl(data / "moving_scenes.jsonl", [scene_to_dict(each) for each in (scene, moving)])
    given = frames_arguments(
        data, tmp_path, train_manifest=str(data / "train_scenes.jsonl"), eval_manifest=str(data / "moving_scenes.jsonl"),
        mirror=True, schedule=Schedule(steps=40, batch_size=8, learning_rate=1e-2, log_every=1),
    )  # fmt: skip
    scores = train_frames(given)
    assert set(scores) == {
        "frame_f1", "frame_precision", "frame_recall", "frame_error_deg", "frame_distance_error", "n"
    } and scores["n"] == 2  # fmt: skip
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert sum(losses[-5:]) < 0.85 * sum(losses[:5]) and lines[-1]["eval"] == scores
    saved = AutoModel.from_pretrained(tmp_path / "run" / "model")
    before = AutoModel.from_pretrained(tmp_path / "encoder")
    assert all(torch.equal(tensor, before.state_dict()[name]) for name, tensor in saved.state_dict().items())
    head = FrameHead.from_pretrained(tmp_path / "run" / "model", saved.config, fingerprint(saved))
    assert head.row.out_features == 16

    predicted = read_events(tmp_path / "run" / EVENTS, EventFileSettings())
    reference = read_events(data / "moving_scenes.jsonl", EventFileSettings())
    assert set(predicted.recordings) == set(reference.recordings) == {scene.id, "moving"}
    assert len(reference.recordings["moving"][0].track) > 5 and len(reference.recordings[scene.id][0].track) == 1
    assert (
        score_events(reference.recordings, predicted.recordings, resamples=10)["metrics"]["segment_F1_1000ms"]["value"] >= 0
    )

    first = (tmp_path / "run" / "model" / FRAME_HEAD).read_bytes()
    again = dataclasses.replace(given, run_folder=str(tmp_path / "again"))
    assert train_frames(again) == scores and (tmp_path / "again" / "model" / FRAME_HEAD).read_bytes() == first


def test_what_a_frozen_encoder_has_no_use_for_is_refused(data: Path, tmp_path: Path) -> None:
    saved_encoder(data, tmp_path / "encoder")
    for changes, words in (
        ({"initial_encoder": None}, "give initial_encoder"),
        ({"class_places": 1.0}, "trains: frames with class_places"),
        ({"direction_smoothing_deg": 5.0}, "with direction_smoothing_deg"),
        ({"model": {"patch_size": [2, 16]}}, "with model"),
        ({"rotation": "yaw"}, "with rotation"),
        ({"model_type": "dspast"}, "holds a spatial_ast, but model_type is dspast"),
    ):
        with pytest.raises(SpatialLLMError, match=words):
            train_frames(frames_arguments(data, tmp_path, **changes))
    assert not (tmp_path / "run").exists()
    with pytest.raises(SpatialLLMError, match="frame_width, are for training a frame head"):
        train_encoder(arguments(data, tmp_path / "run", frame_width=16))
    with pytest.raises(SpatialLLMError, match="frame_width is for trains: frames"):
        train_stages(arguments(data, tmp_path / "run", frame_width=16, precompute=False))
    with pytest.raises(SpatialLLMError, match="trains: frames"):
        train_encoder(frames_arguments(data, tmp_path))


def test_the_command_trains_frames(data: Path, tmp_path: Path) -> None:
    saved_encoder(data, tmp_path / "encoder")
    given = {
        "run_folder": tmp_path / "run", "train_manifest": data / "train.jsonl", "eval_manifest": "null", "trains": "frames",
        "model_type": "spatial_ast", "initial_encoder": tmp_path / "encoder", "schedule.steps": 1, "schedule.batch_size": 4,
        "schedule.learning_rate": 1e-3,
        "cpu_threads": 1,
    }  # fmt: skip
    written = tmp_path / "empty.yaml"
    written.write_text("{}\n")
    options = [str(part) for name, value in given.items() for part in (f"--{name}", value)]
    load("train-encoder").main(["--config", str(written), *options])
    assert (tmp_path / "run" / "model" / FRAME_HEAD).is_file()
    assert not (tmp_path / "run" / EVENTS).exists()
