"""The published stages at tiny size: what a clip is made of, who learns how fast, chaining, overfitting, everything on."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from spatial_llm.data.record import Pair, Record
from spatial_llm.data.records import read_manifest, write_manifest
from spatial_llm.data.rendering import load_waveform, render_record
from spatial_llm.encoders import DSpASTConfig, DSpASTForLocalization, SpatialASTConfig, SpatialASTForLocalization
from spatial_llm.errors import CheckpointError, ManifestError, SpatialLLMError
from spatial_llm.scenes.scene import Noise
from spatial_llm.training.encoder.arguments import ClipArguments, EncoderArguments, EncoderStage
from spatial_llm.training.encoder.clips import ClipDataset, ClipOrder, Convolution, CueRenderer, class_weights
from spatial_llm.training.encoder.dataset import localization_labels, one_source_recordings
from spatial_llm.training.encoder.optimizer import optimizer_and_schedule, parameter_groups
from spatial_llm.training.encoder.stages import plan_stage, stage_loss, train_stages
from spatial_llm.training.engine.schedule import Schedule
from tests.training.encoder.test_run import SIZES

PLAIN = ClipArguments(responses="own", response_s=1.0, gain=False, mixup=0.0)
JOINT = {"event": 20, "distance": 1, "azimuth": 2, "elevation": 2}
EVENTS = {"event": 20, "distance": 0, "azimuth": 0, "elevation": 0}
MASKED = {"drop_path_rate": 0.1, "spec_augment_mel_bins": 8, "spec_augment_frames": 12, "mask_rows": 0.25,
          "mask_columns": 0.5}  # fmt: skip


def clips(records: list[Record], root: Path, clip: ClipArguments = PLAIN) -> ClipDataset:
    config = SpatialASTConfig(**SIZES)
    labels = sorted({name for record in records for name in _labels(record)})
    return ClipDataset(records, localization_labels(records, labels), root, config, clip)


def _labels(record: Record) -> tuple[str, ...]:
    return record.pairs[0].labels if record.pairs else (record.scene.sources[0].label,)


def arguments(
    data: Path, run_folder: Path, model_type: str, stages: list[EncoderStage], **changes: object
) -> EncoderArguments:
    return EncoderArguments(
        **{
            "run_folder": str(run_folder),
            "train_manifest": str(data / "train.jsonl"),
            "eval_manifest": str(data / "train.jsonl"),
            "model_type": model_type,
            "model": SIZES,
            "schedule": Schedule(steps=1000, batch_size=4, learning_rate=0.1, log_every=1, max_grad_norm=0.0),
            "stages": stages,
            "clips": PLAIN,
            "cpu_threads": 1,
            **changes,
        }
    )


def test_convolution_on_the_device_is_the_rendering(data: Path) -> None:
    records = one_source_recordings(data / "train.jsonl")
    dataset = clips(records, data)
    batch = [dataset[index] for index in range(len(dataset))]
    heard = Convolution()(torch.stack([b["dry"] for b in batch]), torch.stack([b["response"] for b in batch]))
    wanted = np.stack([load_waveform(record, data, 32000, 32000) for record in records])
    assert np.abs(heard.numpy() - wanted).max() <= 1e-5 * np.abs(wanted).max()


def test_pairs_of_the_release_are_convolved_like_the_rendering(tmp_path: Path) -> None:
    import soundfile

    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "a.wav", 0.1 * rng.standard_normal(44100), 44100, subtype="FLOAT")
    response = rng.standard_normal((2, 96000)) * np.exp(-np.arange(96000) / 8000)
    np.save(tmp_path / "r.npy", response)
    pair = Pair("a.wav", "r.npy", ("bell", "ding"), 90.0, 0.0, 2.5)
    record = Record("q", "r", "A", "CLASSIFICATION", "?", "bell; ding", {"labels": ["bell", "ding"]}, "eval", 32000,
                    pairs=(pair,), protocol="checkpoint_matched")  # fmt: skip
    config = SpatialASTConfig()
    labels = localization_labels([record], ["bell", "ding", "zebra"])
    sample = ClipDataset([record], labels, tmp_path, config, dataclasses.replace(PLAIN, response_s=2.0))[0]
    assert sample["dry"].shape == (320_000,) and sample["response"].shape == (2, 64_000)
    assert sample["event_labels"].tolist() == [1, 1, 0]
    wanted = render_record(record, tmp_path)
    heard = Convolution()(sample["dry"][None], sample["response"][None])[0].numpy()
    assert np.abs(heard - wanted).max() <= 1e-5 * np.abs(wanted).max()


def test_level_of_the_paper_is_an_energy_of_one_and_gain_is_around_one(data: Path) -> None:
    records = one_source_recordings(data / "train.jsonl")[:1]
    dry = clips(records, data, dataclasses.replace(PLAIN, level="paper"))[0]["dry"]
    assert float((dry**2).sum()) == pytest.approx(1.0, abs=1e-5)
    plain, loud = clips(records, data), clips(records, data, dataclasses.replace(PLAIN, gain=True))
    gains = [float(loud[0]["dry"].norm() / plain[0]["dry"].norm()) for _ in range(200)]
    assert min(gains) > 0.5 and max(gains) < 1.5 and np.mean(gains) == pytest.approx(1.0, abs=0.03)
    assert np.std(gains) == pytest.approx(np.sqrt(0.25 / 21), rel=0.2)  # Beta(10, 10)
    turned = clips(records, data, dataclasses.replace(PLAIN, circular_shift=True))[0]["dry"]
    assert not torch.equal(turned, plain[0]["dry"])
    torch.testing.assert_close(turned.sort().values, plain[0]["dry"].sort().values)


def test_mixed_clips_share_one_response(data: Path) -> None:
    records = one_source_recordings(data / "train.jsonl")
    plain, mixed = clips(records, data), clips(records, data, dataclasses.replace(PLAIN, mixup=1.0))
    sounds = torch.stack([plain[index]["dry"] for index in range(len(plain))]).double()
    for index in range(4):
        sample = mixed[index]
        assert torch.equal(sample["response"], plain[index]["response"])
        assert all(
            sample[f"{task}_labels"] == plain[index][f"{task}_labels"] for task in ("distance", "azimuth", "elevation")
        )
        shares = torch.linalg.lstsq(sounds.T, sample["dry"].double()[:, None]).solution[:, 0]
        assert shares.sum() == pytest.approx(1.0, abs=1e-4) and (shares > 1e-3).sum() <= 2
        labels = torch.stack([plain[row]["event_labels"] for row in range(len(plain))]).double()
        torch.testing.assert_close(sample["event_labels"].double(), shares @ labels, atol=1e-4, rtol=0)


def test_random_responses_bring_their_place_and_distinct_sounds_are_the_clips(data: Path) -> None:
    records = one_source_recordings(data / "train.jsonl")
    sound = {name: getattr(records[0].scene.sources[0], name) for name in ("label", "recording")}
    elsewhere = dataclasses.replace(records[1].scene.sources[0], **sound)
    records[1] = dataclasses.replace(records[1], scene=dataclasses.replace(records[1].scene, sources=(elsewhere,)))
    dataset = clips(records, data, dataclasses.replace(PLAIN, responses="random"))
    assert dataset.sample_id(1) == records[2].id
    assert len(dataset) == len(records) - 1 == len({record.scene.sources[0].recording for record in records})
    own = clips(records, data)
    places = {own[row]["response"].numpy().tobytes(): int(own[row]["azimuth_labels"]) for row in range(len(own))}
    seen = [dataset[0] for _ in range(20)]
    assert all(places[sample["response"].numpy().tobytes()] == sample["azimuth_labels"] for sample in seen)
    assert len({int(sample["azimuth_labels"]) for sample in seen}) > 3


def test_what_cannot_be_convolved_is_refused_by_name(data: Path) -> None:
    record = one_source_recordings(data / "train.jsonl")[0]
    noisy = dataclasses.replace(record, scene=dataclasses.replace(record.scene, noise=Noise()))
    with pytest.raises(ManifestError, match=f"{record.id}.*background noise"):
        clips([noisy], data)
    with pytest.raises(ManifestError, match="16000 Hz"):
        clips([dataclasses.replace(record, sampling_rate=16000)], data)


def test_class_weights_and_draws_without_replacement() -> None:
    labels = torch.tensor([[1.0, 0.0]] * 9 + [[0.0, 1.0]] + [[1.0, 1.0]])
    weights = class_weights(labels)
    assert weights[0] == pytest.approx(1000 / 10.01)
    assert weights[9] == pytest.approx(1000 / 2.01)
    assert weights[10] == pytest.approx(1000 / 10.01 + 1000 / 2.01)
    order = ClipOrder(11, 4, seed=3, weights=weights)
    drawn = [order(epoch) for epoch in range(2000)]
    assert all(len(set(epoch)) == 4 for epoch in drawn) and drawn[7] == order(7) and drawn[0] != drawn[1]
    first = np.bincount([epoch[0] for epoch in drawn], minlength=11) / 2000
    np.testing.assert_allclose(first, weights / weights.sum(), atol=0.03)
    assert sorted(ClipOrder(5, 5, seed=0)(0)) == [0, 1, 2, 3, 4]
    with pytest.raises(SpatialLLMError, match="6 draws an epoch from 5"):
        ClipOrder(5, 6, seed=0)


@pytest.mark.parametrize("config_class, model_class", [
    (SpatialASTConfig, SpatialASTForLocalization), (DSpASTConfig, DSpASTForLocalization),
])  # fmt: skip
def test_layers_learn_at_their_own_rates(config_class: type, model_class: type) -> None:
    with torch.device("meta"):
        model = model_class(config_class())
    names = {id(parameter): name for name, parameter in model.named_parameters()}

    def of(cls_tokens: str) -> dict[str, tuple[float, float]]:
        groups = parameter_groups(model, 1e-3, 5e-4, 0.75, cls_tokens)
        return {names[id(p)]: (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}

    rates = of("released")
    assert set(rates) == set(names.values())
    assert rates["encoder.patch_embeddings.projection.weight"] == pytest.approx((1e-3 * 0.75**13, 5e-4))
    assert rates["encoder.patch_embeddings.projection.bias"] == pytest.approx((1e-3 * 0.75**13, 0))
    for layer in range(12):
        assert rates[f"encoder.layers.{layer}.fc1.weight"] == pytest.approx((1e-3 * 0.75 ** (12 - layer), 5e-4))
        assert rates[f"encoder.layers.{layer}.norm_before.weight"] == pytest.approx((1e-3 * 0.75 ** (12 - layer), 0))
    assert rates["encoder.cls_tokens"] == (1e-3, 5e-4)
    assert rates["event_head.weight"] == rates["azimuth_head.weight"] == (1e-3, 5e-4)
    assert of("paper")["encoder.cls_tokens"] == pytest.approx((1e-3 * 0.75**13, 0))


def test_the_rate_moves_every_step() -> None:
    weight = torch.nn.Parameter(torch.ones(1))
    groups = [{"params": [weight], "lr": 1e-3 * 0.75, "weight_decay": 0.0}]
    optimizer, schedule = optimizer_and_schedule(groups, 1e-3, 1e-6, warmup_steps=4, steps=24)
    rates = []
    for _ in range(25):
        rates.append(optimizer.param_groups[0]["lr"] / 0.75)
        optimizer.step()
        schedule.step()
    for step in range(25):
        cosine = 1e-6 + (1e-3 - 1e-6) * 0.5 * (1 + np.cos(np.pi * (step - 4) / 20))
        assert rates[step] == pytest.approx(1e-3 * step / 4 if step < 4 else cosine)


def test_a_stage_in_numbers(data: Path, tmp_path: Path) -> None:
    stage = EncoderStage("x", JOINT, epochs=50, warmup_epochs=10, epoch_fraction=0.01, learning_rate=1e-4)
    given = arguments(data, tmp_path, "dspast", [stage], schedule=Schedule(steps=10**9, batch_size=32, learning_rate=1e-3))
    plan = plan_stage(given, stage, clips=1_861_750, processes=4)
    assert (plan.draws, plan.steps, plan.warmup_steps) == (18_560, 145 * 50, 1450)  # 18,618 drawn, whole steps of 128 kept
    assert plan.learning_rate == pytest.approx(5e-5)
    first = dataclasses.replace(stage, epoch_clips=10_000, learning_rate=None)
    assert plan_stage(given, first, clips=20_000, processes=4).learning_rate == pytest.approx(5e-4)
    with pytest.raises(SpatialLLMError, match="'x': 100 of 10000 clips an epoch, 128 a step"):
        plan_stage(given, stage, clips=10_000, processes=4)


def test_a_loss_of_weight_0_is_not_computed(data: Path) -> None:
    dataset = clips(one_source_recordings(data / "train.jsonl"), data)
    batch = torch.utils.data.default_collate([dataset[index] for index in range(4)])
    config = DSpASTConfig(**SIZES, loss_weights=EVENTS, num_event_classes=batch["event_labels"].shape[1])
    model = DSpASTForLocalization(config).train()
    scale = model.azimuth_head.scale.clone()
    stage_loss(model, batch, CueRenderer(config)).backward()
    assert model.azimuth_head.weight.grad is None and torch.equal(model.azimuth_head.scale, scale)
    assert model.event_head.weight.grad.any()
    config.loss_weights = JOINT
    stage_loss(model, batch, CueRenderer(config)).backward()
    assert model.azimuth_head.weight.grad.any() and not torch.equal(model.azimuth_head.scale, scale)
    again = DSpASTForLocalization(config)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.azimuth_head.scale, model.azimuth_head.scale), "checkpoints hold the scale"


@pytest.mark.slow
@pytest.mark.parametrize("model_type", ["spatial_ast", "dspast"])
def test_overfits_in_stages_without_augmentation(data: Path, tmp_path: Path, model_type: str) -> None:
    stages = [EncoderStage("events", EVENTS, epochs=10, warmup_epochs=1), EncoderStage("all", JOINT, 110, 10)]
    write_manifest(data / "six.jsonl", one_source_recordings(data / "train.jsonl")[:6])
    schedule = Schedule(steps=1000, batch_size=6, learning_rate=0.2, max_grad_norm=1.0)
    # AdaCos' scale runs away where many classes share few dimensions: 360 in 8 at the width of SIZES.
    wide = SIZES | {"hidden_size": 96, "intermediate_size": 192} if model_type == "dspast" else SIZES
    six = dict.fromkeys(("train_manifest", "eval_manifest"), str(data / "six.jsonl"))
    scores = train_stages(arguments(data, tmp_path, model_type, stages, model=wide, schedule=schedule, **six))
    assert scores["event_accuracy"] == scores["left_right"] == scores["front_behind"] == 1.0
    assert scores["der"] == 0.0 and scores["mae_deg"] < 5.0


@pytest.mark.parametrize("model_type", ["spatial_ast", "dspast"])
def test_everything_on_and_stages_chained(
    data: Path, tmp_path: Path, model_type: str, capsys: pytest.CaptureFixture
) -> None:
    stages = [
        EncoderStage("events", EVENTS, epochs=2, warmup_epochs=1, sampling="class_weighted", epoch_clips=8),
        EncoderStage("all", JOINT, epochs=2, warmup_epochs=0, learning_rate=1e-30),
    ]
    clip = ClipArguments(response_s=0.1)
    given = arguments(data, tmp_path / "run", model_type, stages, model=SIZES | MASKED, clips=clip)
    scores = train_stages(given)
    assert {"event_map", "mae_deg", "er20", "der", "n"} <= set(scores)
    first, last = (_weights(tmp_path / "run" / name / "model", model_type) for name in ("events", "all"))
    # The second stage's rate moves nothing, so what it ends with is what it began with: the first stage's weights.
    moved = [name for name, tensor in first.items() if not torch.allclose(tensor, last[name], rtol=0, atol=1e-20)]
    assert all("norm.running" in name or "tracked" in name or "scale" in name for name in moved), moved
    final = _weights(tmp_path / "run" / "model", model_type)
    assert all(torch.equal(tensor, final[name]) for name, tensor in last.items())
    lines = [json.loads(line) for line in (tmp_path / "run" / "all" / "metrics.jsonl").read_text().splitlines()]
    assert lines[0]["step"] == 1, "a fresh optimiser counts from 1"

    capsys.readouterr()
    assert train_stages(given) == scores and capsys.readouterr().out.count("reused") == 2
    given.stages[1] = dataclasses.replace(stages[1], epochs=1)
    with pytest.raises(CheckpointError, match="made with other arguments"):
        train_stages(given)
    given.schedule.resume = "never"
    capsys.readouterr()
    train_stages(given)
    assert "reused" not in capsys.readouterr().out


@pytest.mark.slow
def test_stopped_in_the_second_stage_it_goes_on_to_the_same_weights(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    stages = [EncoderStage(name, JOINT, epochs=2, warmup_epochs=1) for name in ("one", "two", "three")]

    def given(name: str) -> EncoderArguments:
        schedule = Schedule(steps=1000, batch_size=4, learning_rate=0.1, log_every=1, save_every=2)
        return arguments(data, tmp_path / name, "dspast", stages, schedule=schedule, model=SIZES | MASKED,
                         clips=ClipArguments(response_s=0.1), eval_manifest=None)  # fmt: skip

    calls = []

    def stopping(*rest: object, **named: object) -> torch.Tensor:
        calls.append(None)
        if len(calls) == 6 + 4:  # the fourth step of the second stage, two after its checkpoint
            raise RuntimeError("power cut")
        return stage_loss(*rest, **named)

    monkeypatch.setattr("spatial_llm.training.encoder.stages.stage_loss", stopping)
    with pytest.raises(RuntimeError, match="power cut"):
        train_stages(given("stopped"))
    monkeypatch.undo()
    capsys.readouterr()
    train_stages(given("stopped"))
    output = capsys.readouterr().out
    assert output.count("reused") == 1 and "step 2 of 6" in output
    train_stages(given("whole"))
    for folder in ("two", "three", "."):
        files = [tmp_path / name / folder / "model" / "model.safetensors" for name in ("stopped", "whole")]
        assert files[0].read_bytes() == files[1].read_bytes(), folder


@pytest.mark.slow
def test_a_run_in_stages_repeats_itself_and_begins_with_a_given_encoder(data: Path, tmp_path: Path) -> None:
    stage = [EncoderStage("all", JOINT, epochs=1, warmup_epochs=0)]
    clip = ClipArguments(response_s=0.1)
    for name in "ab":
        train_stages(arguments(data, tmp_path / name, "dspast", stage, clips=clip, model=SIZES | MASKED, eval_manifest=None))
    weights = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in "ab"]
    assert weights[0] == weights[1]
    still = [dataclasses.replace(stage[0], learning_rate=1e-30)]
    train_stages(arguments(data, tmp_path / "c", "dspast", still, initial_encoder=str(tmp_path / "a" / "model"), model={}))
    begun = _weights(tmp_path / "c" / "model", "dspast")["encoder.layers.0.fc1.weight"]
    assert torch.allclose(
        begun, _weights(tmp_path / "a" / "model", "dspast")["encoder.layers.0.fc1.weight"], rtol=0, atol=1e-20
    )


def _weights(folder: Path, model_type: str) -> dict[str, torch.Tensor]:
    model_class = {"spatial_ast": SpatialASTForLocalization, "dspast": DSpASTForLocalization}[model_type]
    return model_class.from_pretrained(folder).state_dict()


def test_contradictions_are_refused_before_anything_is_written(data: Path, tmp_path: Path) -> None:
    stage = EncoderStage("all", JOINT, epochs=1, warmup_epochs=0)
    for wrong, message in (
        ({"mirror": True}, "mirror is for the joint run"),
        ({"audiomae": "a.pth", "initial_encoder": "b"}, "both audiomae and initial_encoder"),
        ({"stages": [stage, stage]}, "a name of its own"),
        ({"stages": [dataclasses.replace(stage, loss_weights=dict.fromkeys(JOINT, 0))]}, "all loss_weights are 0"),
        ({"stages": [dataclasses.replace(stage, loss_weights={"event": 1})]}, "loss_weights has"),
    ):
        given = dataclasses.replace(arguments(data, tmp_path / "run", "dspast", [stage]), **wrong)
        with pytest.raises(SpatialLLMError, match=message):
            train_stages(given)
    with pytest.raises(SpatialLLMError, match="learning_rate is 0"):
        dataclasses.replace(stage, learning_rate=0.0)
    assert not (tmp_path / "run").exists()


def test_two_source_recordings_are_left_out(data: Path, tmp_path: Path) -> None:
    records = read_manifest(data / "train.jsonl")
    two = [record for record in records if len(record.scene.sources) == 2]
    write_manifest(data / "two.jsonl", two)
    with pytest.raises(ManifestError, match="no recording with exactly one source"):
        train_stages(arguments(data, tmp_path, "dspast", [EncoderStage("all", JOINT, 1, 0)],
                               train_manifest=str(data / "two.jsonl")))  # fmt: skip
