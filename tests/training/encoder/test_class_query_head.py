"""Class queries: what they are taught about one source and several, and that it reaches the encoder."""

import dataclasses
import math
import shutil
from functools import partial
from pathlib import Path

import pytest
import torch

from spatial_llm.data.records import read_manifest, write_manifest
from spatial_llm.data.targets import targets_of
from spatial_llm.encoders.heads import AdaCosHead
from spatial_llm.errors import ManifestError
from spatial_llm.geometry import direction_to_vector
from spatial_llm.training.encoder.class_query_head import EncoderWithPlaces, class_place_scores, loss_with_places, place_loss
from spatial_llm.training.encoder.dataset import (
    LocalizationDataset,
    class_places,
    collate,
    localization_labels,
    one_source_recordings,
    recordings_with_places,
)
from spatial_llm.training.encoder.run import build_encoder, joint_loss, train_encoder
from tests.training.encoder.test_run import MIRRORED, SIZES, arguments

CUES = {"cues": MIRRORED, "normalized_cues": MIRRORED}


def labelled(data: Path) -> tuple[list, list[str], dict[str, torch.Tensor], torch.Tensor]:
    records = recordings_with_places(data / "train.jsonl")
    names = sorted({label for record in records for source in targets_of(record) for label in source.labels})
    return records, names, localization_labels(records, names), class_places(records, names)


def test_labels_of_several_sources(data: Path) -> None:
    records, names, labels, places = labelled(data)
    several = [row for row, record in enumerate(records) if len(targets_of(record)) == 2]
    assert several and len(records) > len(one_source_recordings(data / "train.jsonl"))
    for row, record in enumerate(records):
        sources = targets_of(record)
        assert (labels["azimuth"][row] < 0) == (len(sources) > 1)
        assert labels["event"][row].sum() == len(sources)
        for source in sources:
            place = places[row, names.index(source.labels[0])]
            expected = direction_to_vector(source.azimuth_deg, source.elevation_deg)
            torch.testing.assert_close(place[:3].double(), torch.tensor(expected), rtol=0, atol=1e-6)
            assert math.exp(place[3]) == pytest.approx(source.distance_m, rel=1e-5)


def test_a_class_that_sounds_twice_has_no_one_place(data: Path, tmp_path: Path) -> None:
    lines = [record for record in read_manifest(data / "train.jsonl") if len(targets_of(record)) == 2][:1]
    scene = lines[0].scene
    twice = dataclasses.replace(
        scene, sources=(scene.sources[0], dataclasses.replace(scene.sources[1], label=scene.sources[0].label))
    )
    labels = [source.labels for source in targets_of(dataclasses.replace(lines[0], scene=twice))]
    assert labels[0] == labels[1]
    shutil.copytree(data, tmp_path / "data")
    write_manifest(tmp_path / "data" / "twice.jsonl", [dataclasses.replace(lines[0], scene=twice)])
    with pytest.raises(ManifestError, match="no recording in which every class sounds from one place"):
        recordings_with_places(tmp_path / "data" / "twice.jsonl")


def test_exchanged_ears_reflect_the_places(data: Path) -> None:
    _records, _names, labels, places = labelled(data)
    cues = torch.randn(len(labels["event"]), 5, 8, 8)
    dataset = LocalizationDataset(cues, labels, MIRRORED, mirror=True, places=places)
    row = int(torch.nonzero(labels["azimuth"] < 0)[0])
    plain, mirrored = dataset[2 * row], dataset[2 * row + 1]
    assert int(plain["azimuth_labels"]) == int(mirrored["azimuth_labels"]) == -1
    torch.testing.assert_close(mirrored["class_places"], plain["class_places"] * torch.tensor([1.0, -1, 1, 1]))


def test_place_loss_by_hand() -> None:
    truth, heard = torch.zeros(1, 2, 4), torch.zeros(1, 2, 4)
    truth[0, 0] = torch.tensor([1.0, 0, 0, math.log(2.0)])
    heard[0, 0] = torch.tensor([0.0, 1, 0, math.log(1.0)])  # at a right angle, half as far
    heard[0, 1] = torch.tensor([0.0, 0, 0.5, 3.0])  # absent: half a vector too many, and its distance counts nothing
    expected = 2.0 + math.log(2.0) ** 2 + 0.25
    assert float(place_loss(heard, truth, torch.tensor([[1.0, 0.0]]))) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", ["spatial_ast", "dspast"])
def test_places_of_one_source_alone_and_the_lesson_reaches_the_encoder(data: Path, kind: str) -> None:
    torch.manual_seed(0)
    _records, names, labels, places = labelled(data)
    chosen = [int(row) for row in (*torch.nonzero(labels["azimuth"] < 0)[:2], *torch.nonzero(labels["azimuth"] >= 0)[:2])]
    dataset = LocalizationDataset(torch.randn(len(labels["event"]), 5, 64, 32), labels, places=places)
    batch = collate([dataset[row] for row in chosen])
    model = build_encoder(kind, SIZES | CUES, names).eval()
    output = model(input_features=batch["input_features"])
    mixed = joint_loss(model, batch, 0.0, output=output)
    # By the model's own loss: the events of all four, the places of the two with one source.
    alone = {name: tensor[2:] for name, tensor in batch.items()}
    own = model(
        input_features=alone["input_features"], event_labels=alone["event_labels"],
        **{f"{task}_labels": alone[f"{task}_labels"] for task in ("distance", "azimuth", "elevation")},
    )  # fmt: skip
    events = [
        torch.nn.functional.binary_cross_entropy_with_logits(logits, truth) * model.config.loss_weights["event"]
        for logits, truth in ((output.event_logits, batch["event_labels"]), (own.event_logits, alone["event_labels"]))
    ]
    torch.testing.assert_close(mixed - events[0], own.loss - events[1], rtol=1e-5, atol=1e-4)

    taught = EncoderWithPlaces(model)
    taught.gradient_checkpointing_enable()
    only_several = {name: tensor[:2] for name, tensor in batch.items()}
    loss_with_places(taught, only_several, partial(joint_loss, width_deg=10.0), 1.0).backward()
    assert taught.queries.grad.abs().sum() > 0
    trunk = [parameter.grad for parameter in model.encoder.layers.parameters()]
    assert all(gradient is not None for gradient in trunk) and sum(float(g.abs().sum()) for g in trunk) > 0


def test_soft_targets_around_the_class_meet_the_hard_ones_in_the_limit() -> None:
    torch.manual_seed(0)
    cosines, labels = torch.rand(6, 21) * 2 - 1, torch.randint(0, 21, (6,))
    heads = [AdaCosHead(8, 21).train() for _ in range(3)]
    one_hot = torch.nn.functional.one_hot(labels, 21).float()
    hard, same = heads[0].loss(cosines, labels), heads[1].loss(cosines, labels, one_hot)
    torch.testing.assert_close(hard, same)
    uniform = heads[2].loss(cosines, labels, torch.full((6, 21), 1 / 21))
    expected = -(heads[2].scale * cosines).log_softmax(-1).mean()
    torch.testing.assert_close(uniform, expected)
    assert heads[0].scale == heads[2].scale, "the scale adapts to the classes, however soft their targets"


def test_perfect_places_have_no_error(data: Path) -> None:
    _records, _names, labels, places = labelled(data)
    batch = {f"{name}_labels": labels[name] for name in ("event", "azimuth")}
    batch |= {"class_places": places, "input_features": places}

    class Oracle(EncoderWithPlaces):
        def __init__(self, turn: float) -> None:
            torch.nn.Module.__init__(self)
            self.turn, self.queries = turn, torch.zeros(0)

        def forward(self, input_features: torch.Tensor) -> tuple[None, torch.Tensor]:
            x, y, z, ln = input_features.unbind(-1)
            c, s = math.cos(self.turn), math.sin(self.turn)
            return None, torch.stack([c * x - s * y, s * x + c * y, z, ln + math.log(2.0) * bool(self.turn)], dim=-1)

    right = class_place_scores(Oracle(0.0), [batch])
    assert right["several_mae_deg"] < 0.1 and right["several_er20"] == right["several_der"] == 0
    turned = class_place_scores(Oracle(math.pi), [batch])
    assert turned["several_mae_deg"] > 90 and turned["several_er20"] == turned["several_der"] == 1


def test_a_run_with_two_sources_scores_both(data: Path, tmp_path: Path) -> None:
    heard = str(data / "train.jsonl")
    changes = {
        "model_type": "dspast",
        "model": SIZES | CUES,
        "eval_manifest": heard,
        "direction_smoothing_deg": 10.0,
        "class_places": 5.0,
        "mirror": True,
    }
    scores = train_encoder(arguments(data, tmp_path / "run", **changes))
    assert {"mae_deg", "several_mae_deg", "several_er20", "several_der"} <= set(scores)
    again = train_encoder(arguments(data, tmp_path / "again", **changes))
    assert scores == again


def test_what_has_no_weight_is_not_computed(data: Path) -> None:
    """AdaCos adapts its scale to every loss it computes, so a loss of weight 0 must not be."""
    records = one_source_recordings(data / "train.jsonl")
    names = sorted({source.labels[0] for record in records for source in targets_of(record)})
    dataset = LocalizationDataset(torch.randn(len(records), 5, 64, 32), localization_labels(records, names))
    batch = collate([dataset[0], dataset[1]])
    assert "class_places" not in batch, "labels of several sources are made for those alone who train on them"
    model = build_encoder(
        "dspast", SIZES | CUES | {"loss_weights": {"event": 0, "distance": 0, "azimuth": 2, "elevation": 0}}, names
    )
    before = {task: getattr(model, f"{task}_head").scale.clone() for task in ("distance", "azimuth", "elevation")}
    joint_loss(model.train(), batch, 10.0).backward()
    moved = {task: not torch.equal(getattr(model, f"{task}_head").scale, scale) for task, scale in before.items()}
    assert moved == {"distance": False, "azimuth": True, "elevation": False}
    assert model.event_head.weight.grad.abs().sum() == 0 and model.azimuth_head.weight.grad.abs().sum() > 0
