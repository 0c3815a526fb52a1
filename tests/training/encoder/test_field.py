"""The recipe of the field: scenes by several microphones in turn, an encoder on them, its scores by microphone."""

import json
from pathlib import Path

import numpy as np
import pytest

from spatial_llm.audio.cues import FIELD_CUES
from spatial_llm.data.simulate.hear_with import hear_with
from spatial_llm.data.simulate.questions import WritingConfig, write_questions
from spatial_llm.data.simulate.scene_sampling import DrawConfig
from spatial_llm.data.simulate.simulation import SimulationConfig, SoundsConfig, SplitConfig, simulate
from spatial_llm.errors import SpatialLLMError
from spatial_llm.questions.config import official_only
from spatial_llm.scenes.room.sampling import RoomConfig
from spatial_llm.training.encoder.arguments import EncoderArguments, EncoderStage
from spatial_llm.training.encoder.run import load_encoder, train_encoder
from spatial_llm.training.encoder.stages import train_stages
from spatial_llm.training.engine.schedule import Schedule
from tests.audio.cues.waves import MICROPHONES
from tests.scripts import module_of

pytestmark = pytest.mark.slow  # a real simulation or model in every test

FORMATS = ["foa", "ambisonics3", MICROPHONES["glasses"].text]
MODEL = {
    "audio_format": "field", "cues": list(FIELD_CUES), "normalized_cues": list(FIELD_CUES), "hidden_size": 24,
    "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48, "duration_s": 0.5, "n_fft": 2048,
    "hop_length": 1000, "num_mel_bins": 32, "num_frames": 17, "patch_size": [17, 16],
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("field") / "data"
    config = SimulationConfig(
        formats=FORMATS,
        formats_in_turn=True,
        scenes=DrawConfig(duration_s=0.5, mirror=False),
        room=RoomConfig(positions_per_room=4, max_order=1, duration_s=0.1, absorption=(0.9, 0.95), ray_tracing=False),
        train=SplitConfig(rooms=2, clips_one_source=9, clips_two_sources=3),
        eval=SplitConfig(rooms=1, clips_one_source=3, clips_two_sources=0),
        sounds=SoundsConfig(synthesized_train=2, synthesized_eval=2),
    )
    simulate(config, folder, progress=False)
    write_questions(folder, WritingConfig(questions=official_only()), progress=False)
    return folder


def arguments(folder: Path, run_folder: Path, **changes: object) -> EncoderArguments:
    return EncoderArguments(
        **{
            "run_folder": str(run_folder),
            "train_manifest": str(folder / "train.jsonl"),
            "eval_manifest": str(folder / "eval.jsonl"),
            "model_type": "dspast",
            "model": MODEL,
            "schedule": Schedule(steps=2, batch_size=4, learning_rate=1e-3, log_every=1),
            "class_places": 1.0,
            "precompute": True,
            "mirror": True,
            "rotation": "yaw",
            "microphone_drop": 0.5,
            "cpu_threads": 1,
            **changes,
        }
    )


def test_an_encoder_trains_on_several_microphones_and_is_scored_by_each(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    scores = train_encoder(arguments(folder, tmp_path / "run"))
    assert np.isfinite(scores["mae_deg"])
    assert load_encoder(tmp_path / "run" / "model").config.audio_format == "field"
    manifests = [str(path) for path in hear_with(folder / "eval.jsonl", [*FORMATS, "binaural"])]
    formats = module_of("eval/formats.py")
    formats.main(formats.Arguments(str(tmp_path / "scores"), [str(tmp_path / "run" / "model")], manifests, resamples=10))
    rows = json.loads((tmp_path / "scores" / "formats.json").read_text())["rows"]
    # Two ears are no format of this encoder, which is not scored on them.
    assert [row["format"] for row in rows] == ["ambisonics1", "ambisonics3", MICROPHONES["glasses"].name]
    assert all(row["recordings"] == 3 and 0 <= row["metrics"]["left_right"]["value"] <= 100 for row in rows)
    assert all(row["provenance"]["manifest_sha256"] for row in rows) and "ambisonics3" in capsys.readouterr().out


def test_files_of_cues_differ_where_a_microphone_is_lost(folder: Path, tmp_path: Path) -> None:
    for share in (0.0, 0.5):
        changes = {"microphone_drop": share, "cues_folder": str(tmp_path / "cues"), "eval_manifest": None}
        train_encoder(arguments(folder, tmp_path / f"run{share}", **changes))
    assert len(list((tmp_path / "cues").glob("cues-*.npy"))) == 2


def test_stages_refuse_what_only_the_joint_run_has(folder: Path, tmp_path: Path) -> None:
    stage = {"name": "a", "loss_weights": {"event": 1, "distance": 1, "azimuth": 1, "elevation": 1},
             "epochs": 1, "warmup_epochs": 0}  # fmt: skip
    changes = {"precompute": False, "mirror": False, "class_places": 0.0, "stages": [EncoderStage(**stage)]}
    with pytest.raises(SpatialLLMError, match="rotation and microphone_drop are for the joint run"):
        train_stages(arguments(folder, tmp_path / "run", **changes))


def test_scores_of_answers_are_listed_by_format(tmp_path: Path) -> None:
    formats = module_of("eval/formats.py")
    metric = {"value": 71.25, "low": 65.0, "high": 76.5}
    for name in ("ambisonics1", "ambisonics3"):
        (tmp_path / name).mkdir()
        metrics = {"B_direction_acc": metric, "B_DER": metric | {"low": None, "high": None}, "yes_rate": metric}
        (tmp_path / name / "scores.json").write_text(json.dumps({"recordings": 7, "metrics": metrics}))
    folders = [str(tmp_path / name) for name in ("ambisonics1", "ambisonics3")]
    formats.main(formats.Arguments(str(tmp_path / "table"), scores=folders))
    table = (tmp_path / "table" / "formats.md").read_text()
    assert table.count("| 71.2 (65.0 to 76.5) | 71.2 ") == 2 and "ambisonics3" in table and "yes_rate" not in table
    with pytest.raises(SpatialLLMError, match=r"no scores; give folders that eval/score\.py has written"):
        formats.main(formats.Arguments(str(tmp_path / "table"), scores=[str(tmp_path / "none")]))
    for given in ({}, {"scores": folders, "encoders": ["a"], "manifests": ["b"]}, {"encoders": ["a"]}):
        with pytest.raises(SpatialLLMError, match="give encoders with manifests, or scores alone"):
            formats.main(formats.Arguments(str(tmp_path / "table"), **given))
