"""Runs with an objective: each learns what it is for, what stays is beside the encoder, what cannot be had is refused."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel

from spatial_llm.commands import load
from spatial_llm.data.spatialsoundqa.release import data_root
from spatial_llm.encoders import DSpASTForLocalization
from spatial_llm.encoders.text_projection import ABOUT, TEXT_PROJECTION, TextProjection
from spatial_llm.errors import CacheError, CheckpointError, SpatialLLMError
from spatial_llm.model.fingerprint import fingerprint
from spatial_llm.questions.scene_captions import SOUND
from spatial_llm.training.encoder.alignment import aligned_loss, train_aligned
from spatial_llm.training.encoder.arguments import EncoderArguments, EncoderStage
from spatial_llm.training.encoder.dataset import one_source_recordings
from spatial_llm.training.encoder.frames import train_frames
from spatial_llm.training.encoder.objectives.captioning import IGNORED, Captioning
from spatial_llm.training.encoder.run import build_encoder, joint_loss, train_encoder
from spatial_llm.training.encoder.scene_texts import SceneTexts
from spatial_llm.training.encoder.stages import train_stages
from spatial_llm.training.encoder.text_space import TextSpace
from spatial_llm.training.engine.schedule import Schedule
from tests.training.encoder.test_run import MIRRORED, SIZES, arguments

SMALL = SIZES | {"cues": MIRRORED, "normalized_cues": MIRRORED}
FAST = Schedule(steps=40, batch_size=6, learning_rate=3e-3, log_every=4)


FROZEN = {"trains": "text", "initial_encoder": "x", "model": {}}


def aligned(data: Path, folder: Path, objective: dict | None, **changes: object) -> EncoderArguments:
    given = {"model_type": "dspast", "model": SMALL, "mirror": True, "eval_manifest": None, "schedule": FAST,
             "objective": objective, "cues_folder": str(folder.parent / "cues")}  # fmt: skip
    return arguments(data, folder, **(given | changes))


def losses(run: Path) -> list[float]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [row["loss"] for row in rows if "loss" in row]


@pytest.fixture(scope="module")
def contrastive(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a DSpAST that was trained with texts alone."""
    run = tmp_path_factory.mktemp("aligned") / "run"
    longer = dataclasses.replace(FAST, steps=160)
    train_aligned(aligned(data, run, {"type": "contrastive", "supervised_weight": 0.0}, schedule=longer))
    return run


def test_the_loss_is_that_of_the_objective_and_of_the_heads() -> None:
    class Learner(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.localizer = build_encoder("spatial_ast", SIZES, ["a", "b"]).eval()

        def forward(self, batch: dict) -> tuple:
            return self.localizer(input_features=batch["input_features"]), torch.tensor(3.0)

    learner = Learner()
    batch = {"input_features": torch.randn(2, 4, 51, 32), "event_labels": torch.eye(2)}
    batch |= {f"{task}_labels": torch.tensor([1, 2]) for task in ("distance", "azimuth", "elevation")}
    own = joint_loss(learner.localizer, batch, 0.0)
    assert float(aligned_loss(learner, batch, 0.5).detach()) == pytest.approx(3 + 0.5 * float(own.detach()), rel=1e-5)
    assert float(aligned_loss(learner, batch, 0.0)) == 3.0
    smooth = joint_loss(learner.localizer, batch, 10.0, 0.5)
    assert float(aligned_loss(learner, batch, 1.0, 10.0, 0.5).detach()) == pytest.approx(
        3 + float(smooth.detach()), rel=1e-5
    )


def test_the_caption_of_each_slice_is_written_from_the_tokens_of_that_slice(data: Path, tmp_path: Path) -> None:
    records = one_source_recordings(data / "train.jsonl")[:3]
    model = build_encoder("dspast", SMALL, sorted({r.scene.sources[0].label for r in records}))
    texts = SceneTexts(records, model.config.slice_names, 2)
    torch.manual_seed(0)
    head = Captioning(decoder_size=32, decoder_layers=1, decoder_heads=2).begin(model, texts, tmp_path).eval()
    layout = model.config.token_layout
    hidden = torch.randn(3, layout.num_tokens, layout.width)
    rows = texts.rows[:, :, 0]

    def loss_of(hidden: torch.Tensor, rows: torch.Tensor) -> float:
        return float(head(model, hidden, {"text_rows": rows}).detach())

    # By hand: each text alone, from its own channels; the loss is a mean over all tokens that are written.
    total = count = 0.0
    for view, (start, stop) in enumerate(layout.channel_slices):
        for clip in range(3):
            ids = head.labels[rows[clip, view]]
            ids = ids[ids != IGNORED][None]
            memory = head.reading[view](hidden[clip : clip + 1, :, start:stop])
            logits = head.decoder(input_ids=ids, encoder_hidden_states=memory, use_cache=False).logits[0]
            shares = torch.log_softmax(logits, dim=-1)[:-1].gather(1, ids[0, 1:, None])
            total, count = total - float(shares.sum()), count + len(shares)
    assert loss_of(hidden, rows) == pytest.approx(total / count, rel=1e-4)
    assert len(head.labels) == len(texts.texts)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["contrastive", "captioning", "both", "teacher"])
@pytest.mark.parametrize("model_type", ["spatial_ast", "dspast"])
def test_every_objective_lowers_its_own_loss(kind: str, model_type: str, data: Path, text_run: Path, tmp_path: Path) -> None:
    objective = {"type": kind, "supervised_weight": 0.0}
    objective |= {"teacher": str(text_run / "model"), "dropout": 0.0} if kind == "teacher" else {}
    sizes = SMALL if model_type == "dspast" else SIZES
    steps = 80 if kind == "teacher" else FAST.steps
    of_two = {
        "schedule": dataclasses.replace(FAST, steps=steps),
        "model_type": model_type,
        "model": sizes,
        "mirror": model_type == "dspast",
    }
    train_aligned(aligned(data, tmp_path / "run", objective, **of_two))
    found = losses(tmp_path / "run")
    assert np.mean(found[-3:]) < 0.85 * np.mean(found[:2]), found
    kept = (tmp_path / "run" / "model" / TEXT_PROJECTION).is_file()
    assert kept == (kind in ("contrastive", "both")), "what is of no use afterwards is thrown away"


@pytest.mark.slow
def test_with_the_heads_both_are_learned(data: Path, tmp_path: Path) -> None:
    longer = {"eval_manifest": str(data / "train.jsonl"), "schedule": dataclasses.replace(FAST, steps=200)}
    scores = train_aligned(aligned(data, tmp_path / "run", {"type": "contrastive", "supervised_weight": 0.5}, **longer))
    alone = train_encoder(aligned(data, tmp_path / "alone", None, **longer))
    untaught = train_aligned(aligned(data, tmp_path / "none", {"type": "contrastive", "supervised_weight": 0.0}, **longer))
    assert min(scores["event_map"], alone["event_map"]) > 0.2 + untaught["event_map"]


@pytest.mark.slow
def test_what_stays_finds_the_recordings_it_was_trained_on(contrastive: Path, data: Path) -> None:
    space = TextSpace(contrastive / "model")
    manifest = str(data / "train.jsonl")
    root = data_root(manifest, aligned(data, contrastive, None))
    records = one_source_recordings(manifest, root)
    recordings = space.recordings(records, root)
    assert recordings.shape == (12, 3, 384)
    np.testing.assert_allclose(np.linalg.norm(recordings, axis=-1), 1, rtol=1e-5)
    queries = space.queries(records, (SOUND,))
    assert set(queries.by_view) == {"event"}, "the other slices are not asked for the sound"
    cosines = space.cosines(queries, recordings)
    own = cosines.argmax(axis=1)
    assert queries.right[np.arange(12), own].mean() > 0.6
    whole = space.queries(records, ("sound", "direction", "distance", "time"))
    parts = [space.texts(whole.by_view[view], view) @ recordings[:, n].T for n, view in enumerate(space.projection.views)]
    mean = np.mean(parts, axis=0)
    np.testing.assert_allclose(space.cosines(whole, recordings), mean, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_the_encoder_loads_as_every_other(contrastive: Path, tmp_path: Path) -> None:
    folder = contrastive / "model"
    model = DSpASTForLocalization.from_pretrained(folder)
    assert AutoModel.from_pretrained(folder).config.model_type == "dspast"
    TextProjection.from_pretrained(folder, model.config, fingerprint(model.base_model))
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    about = json.loads((other / ABOUT).read_text())
    (other / ABOUT).write_text(json.dumps(about | {"sentence_encoder_sha256": "0" * 64}))
    with pytest.raises(CheckpointError, match=r"is not the one that .* was trained with"):
        TextSpace(other)


@pytest.mark.slow
def test_a_projection_is_trained_on_a_frozen_encoder(contrastive: Path, data: Path, tmp_path: Path) -> None:
    before = contrastive / "model"
    given = aligned(data, tmp_path / "text", {"type": "contrastive"}, trains="text", model={}, initial_encoder=str(before))
    assert train_aligned(given) == {}
    found = losses(tmp_path / "text")
    assert np.mean(found[-3:]) < 0.9 * np.mean(found[:2])
    folders = before, tmp_path / "text" / "model"
    old, new = (DSpASTForLocalization.from_pretrained(folder).state_dict() for folder in folders)
    assert all(torch.equal(old[name], new[name]) for name in old), "nothing of the encoder has moved"
    assert (tmp_path / "text" / "model" / TEXT_PROJECTION).is_file()


@pytest.mark.slow
def test_a_stopped_run_goes_on_to_the_same_weights(data: Path, tmp_path: Path) -> None:
    def run(folder: str, **schedule: object) -> Path:
        schedule = dataclasses.replace(FAST, **({"steps": 6, "save_every": 3} | schedule))
        objective = {"type": "both", "supervised_weight": 0.5}
        train_aligned(aligned(data, tmp_path / folder, objective, schedule=schedule))
        return tmp_path / folder

    whole = run("whole")
    shutil.copytree(whole, tmp_path / "again")
    shutil.rmtree(tmp_path / "again" / "model")
    shutil.rmtree(tmp_path / "again" / "checkpoints" / "step-00000006")
    again = run("again")
    for name in ("model.safetensors", TEXT_PROJECTION):
        assert (whole / "model" / name).read_bytes() == (again / "model" / name).read_bytes()


@pytest.mark.slow
def test_vectors_of_texts_are_computed_once_and_a_damaged_file_is_refused(data: Path, tmp_path: Path) -> None:
    short = {"schedule": dataclasses.replace(FAST, steps=1)}
    train_aligned(aligned(data, tmp_path / "one", {"type": "contrastive"}, **short))
    (file,) = (tmp_path / "cues").glob("texts-*.npy")
    written = file.stat().st_mtime_ns
    train_aligned(aligned(data, tmp_path / "two", {"type": "contrastive"}, **short))
    assert [path.stat().st_mtime_ns for path in (tmp_path / "cues").glob("texts-*.npy")] == [written]
    train_aligned(aligned(data, tmp_path / "three", {"type": "contrastive"}, seed=1, **short))
    assert len(list((tmp_path / "cues").glob("texts-*.npy"))) == 2, "other wordings, another file"
    file.write_bytes(file.read_bytes()[:-4] + b"oops")
    with pytest.raises(CacheError, match=f"{file.name}: damaged.*delete the file"):
        train_aligned(aligned(data, tmp_path / "four", {"type": "contrastive"}, **short))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"class_places": 1.0}, "with class_places"),
        ({"rotation": "yaw"}, "with rotation"),
        ({"audiomae": "x.pth"}, "with audiomae"),
        ({"trains": "heads", "initial_encoder": "x"}, "trains: heads with an objective"),
        ({"trains": "text", "model": {}}, "give initial_encoder, and an objective of type contrastive"),
        ({"trains": "text", "initial_encoder": "x"}, "with model"),
        (
            {"trains": "text", "initial_encoder": "x", "model": {}, "objective": {"type": "captioning"}},
            "of type contrastive",
        ),
        ({"trains": "text", "initial_encoder": "x", "model": {}, "objective": None}, "of type contrastive"),
    ],
)
def test_what_cannot_be_had_is_refused(changes: dict, words: str, data: Path, tmp_path: Path) -> None:
    given = aligned(data, tmp_path / "run", {"type": "contrastive"})
    with pytest.raises(SpatialLLMError, match=words):
        train_aligned(dataclasses.replace(given, **changes))
    assert not (tmp_path / "run").exists(), "nothing has been written"


def test_other_trainings_take_no_objective(data: Path, tmp_path: Path) -> None:
    given = aligned(data, tmp_path / "run", {"type": "captioning"}, mirror=False, precompute=False, cues_folder=None)
    with pytest.raises(SpatialLLMError, match=r"encoder\.alignment\.train_aligned"):
        train_encoder(given)
    with pytest.raises(SpatialLLMError, match="frames with model, objective"):
        train_frames(dataclasses.replace(given, trains="frames", initial_encoder="x"))
    stage = EncoderStage("one", {"event": 1, "distance": 1, "azimuth": 1, "elevation": 1}, 1, 0)
    with pytest.raises(SpatialLLMError, match="objective is for the joint run"):
        train_stages(dataclasses.replace(given, stages=[stage]))
    assert not (tmp_path / "run").exists()


def test_the_command_chooses_the_training(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command, called = load("train-encoder"), []
    for name in ("train_aligned", "train_encoder", "train_frames", "train_stages"):
        monkeypatch.setattr(command, name, lambda given, name=name: called.append(name))
    for options in (["--objective.type=captioning"], ["--trains=text"], [], ["--trains=frames"]):
        command.main([*options, f"--run_folder={tmp_path}"])
    assert called == ["train_aligned", "train_aligned", "train_encoder", "train_frames"]
