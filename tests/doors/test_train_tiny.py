"""The recipe of the model that is to ship: each door knows its options; small, it runs to the packed model; its card."""

import csv
import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from spatial_llm import workflow
from spatial_llm.model import SpatialLLM
from spatial_llm.settings import parse_arguments, read_yaml
from spatial_llm.showcase.card import ENCODER, MIXED, NUMBERS, ONE_SOURCE, PRESENCE, TEST_SETS, TWO_SOURCES
from tests.doors.test_recipes import run
from tests.scenes.heads.test_sofa import write_sofa
from tests.scripts import arguments_of

RATE = 32_000
SMALL = {
    "sounds": {"sounds": {"licences": ["CC0"], "leave_out": [], "speeds": [1.0], "synthesized": ["siren", "knock"],
                          "synthesized_train": 3, "synthesized_eval": 2, "piece_s": 1.0}},
    "scenes": {"simulation": {"scenes": {"duration_s": 1.0}, "room": {"positions_per_room": 4, "max_order": 2},
                              "train": {"rooms": 3, "clips_one_source": 16, "clips_two_sources": 8},
                              "eval": {"rooms": 2, "clips_one_source": 6, "clips_two_sources": 6}}},
    "questions": {},
    "encoder": {"model": {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48,
                          "duration_s": 1.0, "num_mel_bins": 32, "num_frames": 17, "patch_size": [17, 8]},
                "schedule": {"steps": 3, "batch_size": 4}, "cpu_threads": 1},
    "text": {"examples": 40, "eval_examples": 4, "vocab_size": 300, "hidden_size": 24, "num_hidden_layers": 1,
             "num_attention_heads": 2, "schedule": {"steps": 3, "batch_size": 4}, "cpu_threads": 1},
    "bat": {"stages": [{"name": "scenes", "teach": "scenes", "steps": 3}, {"name": "answers"}],
            "projector": {"num_query_tokens": 2, "num_hidden_layers": 1, "hidden_size": 24, "num_attention_heads": 2,
                          "intermediate_size": 96},
            "schedule": {"steps": 3, "batch_size": 4}, "cpu_threads": 1},
}  # fmt: skip


def merged(into: dict, changes: dict) -> dict:
    return into | {
        key: merged(into[key], value) if isinstance(value, dict) and isinstance(into.get(key), dict) else value
        for key, value in changes.items()
    }


def small_configs(repository: Path, configs: Path, folder: Path, small: dict[str, dict]) -> list[str]:
    """Writes the configurations `small` of a comparison, and of its sounds, with changes, into a folder; returns the options
    that name them."""
    folder.mkdir()
    sounds = repository / "recipes/configs/tiny/sounds.yaml"
    for name, changes in small.items():
        config = read_yaml(repository / configs / f"{name}.yaml").content
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(merged(config, changes)))
    (folder / sounds.name).write_text(yaml.safe_dump(merged(read_yaml(sounds).content, SMALL["sounds"])))
    return [f"--configs={folder}", f"--sounds={folder / sounds.name}"]


def understood(made: list[workflow.Stage], monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The doors of these stages, each of which takes its options, YAML and command line."""
    doors = set()
    for stage in made:
        door, *options = stage.command
        kind = arguments_of(door)
        monkeypatch.setattr(sys, "argv", [door, *options])
        assert parse_arguments(kind, description="") is not None
        doors.add(door)
    return doors


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    """What the recipe is told: four clips of two classes, and heads and responses that stand for measured ones."""
    with (tmp_path / "clips.csv").open("w", newline="") as out:
        rows = [["file", "label", "split", "source_recording", "licence", "attribution"]]
        for number in range(8):
            name, label = f"{number}.wav", "owl" if number % 2 else "gong"
            soundfile.write(tmp_path / name, 0.1 * np.random.default_rng(number).standard_normal(RATE), RATE)
            rows.append([name, label, "test" if number > 5 else "train", f"recording {number}", "CC0", "somebody"])
        csv.writer(out).writerows(rows)
    head = write_sofa(tmp_path / "head.sofa", whole=True)
    return [f"--clips={tmp_path / 'clips.csv'}", f"--runs={tmp_path / 'runs'}", f"--head={head}"]


def test_every_stage_is_understood_by_its_door(
    repository: Path, given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of the configuration as it stands, YAML and options, typed and known; nothing is run."""
    made: list[workflow.Stage] = []
    monkeypatch.chdir(repository)
    monkeypatch.setattr(workflow, "run_stages", made.extend)
    monkeypatch.setattr(sys, "argv", ["train_tiny", *given])
    runpy.run_path("recipes/train_tiny.py", run_name="__main__")
    assert len(made) == 19
    heard = [f"--test_head={tmp_path / 'head.sofa'}", f"--test_responses={tmp_path / 'responses.csv'}"]
    monkeypatch.setattr(sys, "argv", ["score_tiny", *given[:2], *heard])
    runpy.run_path("recipes/score_tiny.py", run_name="__main__")
    assert len(made) == 19 + 1 + 12 * 5 + 3 + 1
    assert len(understood(made, monkeypatch)) == 11


@pytest.mark.slow  # nineteen processes
def test_small_it_runs_to_the_packed_model(repository: Path, given: list[str], tmp_path: Path) -> None:
    configs = tmp_path / "configs"
    configs.mkdir()
    small = SMALL | {f"first_{name}": SMALL[name] for name in ("scenes", "encoder")}
    small |= {"presence_scenes": SMALL["scenes"], "presence_questions": {}}
    small |= {"second_encoder": SMALL["encoder"], "third_encoder": SMALL["encoder"]}
    small["encoder"] = merged(SMALL["encoder"], {"model": {"patch_size": [17, 4]}})
    small |= {"lookup": SMALL["text"], "compare": SMALL["text"]}
    small["answers"] = small["cooldown"] = small["presence"] = {
        key: SMALL["bat"][key] for key in ("schedule", "cpu_threads")
    }
    for name, changes in small.items():
        config = read_yaml(repository / f"recipes/configs/tiny/{name}.yaml").content
        (configs / f"{name}.yaml").write_text(yaml.safe_dump(merged(config, changes)))
    for name in ("test_scenes.yaml", "test_questions.yaml", "test_counts.yaml", "test_presence.yaml", "card.md"):
        (configs / name).write_text((repository / "recipes/configs/tiny" / name).read_text())
    done = run(repository, "recipes/train_tiny.py", *given, f"--configs={configs}", "--until=packed")
    assert done.returncode == 0, done.stdout + done.stderr
    runs = tmp_path / "runs"
    with (runs / "sounds" / "index.csv").open(newline="") as lines:
        assert {row["label"] for row in csv.DictReader(lines)} == {"owl", "gong", "siren", "knock"}
    heads = {
        json.loads(line)["scene"].get("format", {}).get("sofa")  # the built-in head is not said
        for line in (runs / "data" / "train.jsonl").read_text().splitlines()
    }
    assert heads == {None, "hrtf/head.sofa"}
    scores = json.loads((runs / "encoder" / "metrics.jsonl").read_text().splitlines()[-1])["eval"]
    assert {"mae_deg", "several_mae_deg"} <= set(scores)
    model = SpatialLLM.from_pretrained(runs / "packed")
    waveform = np.random.default_rng(0).standard_normal((2, RATE)).astype(np.float32)
    assert isinstance(model.ask(0.1 * waveform, "Where is it?", sampling_rate=RATE, max_new_tokens=4), str)
    again = run(repository, "recipes/train_tiny.py", *given, f"--configs={configs}", "--until=packed")
    assert again.stdout.count("reused") == 19


def test_the_card_says_scores_and_authors(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    entry = {"value": 12.5, "low": 10.0, "high": 15.0, "n": 1043, "unit": "%", "random": 50.0}
    for test in TEST_SETS:
        for number, rows in zip(NUMBERS, (ONE_SOURCE, TWO_SOURCES, MIXED, PRESENCE), strict=True):
            run_folder = tmp_path / f"test_{test}_{number}" / "run"
            scores, encoder = run_folder / "scores", run_folder / "encoder"
            scores.mkdir(parents=True)
            if number == "one":
                encoder.mkdir()
                heads = {
                    "metrics": {key: {"value": 7.25, "low": 6.0, "high": 8.5} for key in (*ENCODER, "above_below")},
                    "recordings": 99,
                }
                (encoder / "encoder.json").write_text(json.dumps(heads))
            found = {"metrics": {metric: entry for _, metric in rows}, "controls": {"no_audio": {"metrics": {}}}}
            found["provenance"] = {"manifest_sha256": f"hash of {test} {number}"}
            (scores / "scores.json").write_text(json.dumps(found))
    for log in runpy.run_path(str(repository / "recipes/pack_tiny.py"))["RUNS"]:
        (tmp_path / log).mkdir(parents=True)
        (tmp_path / log / "metrics.jsonl").write_text(f"log of {log}")
    (tmp_path / "sounds").mkdir()
    with (tmp_path / "sounds" / "index.csv").open("w", newline="") as out:
        header = ["file", "label", "split", "source_recording", "licence", "attribution"]
        rows = [["a", "owl", "train", "1", "CC0", "Ann"], ["b", "owl", "eval", "2", "CC BY", "Bob"]]
        csv.writer(out).writerows([header, *rows])
    out = tmp_path / "packed"
    monkeypatch.chdir(repository)
    monkeypatch.setattr(sys, "argv", ["pack_tiny", f"--out={out}", f"--runs={tmp_path}"])
    runpy.run_path("recipes/pack_tiny.py", run_name="__main__")
    card = (out / "README.md").read_text()
    assert "{" not in card, "every place is filled in"
    assert card.count("12.50 (10.00 to 15.00; n 1043)") == 3 * sum(map(len, (ONE_SOURCE, TWO_SOURCES, MIXED, PRESENCE)))
    assert card.count("; n 99)") == 3 * len(ENCODER) and "8.50; n 99" in card
    assert (out / "text.metrics.jsonl").read_text() == "log of text"
    assert (out / "bat-2-answers.metrics.jsonl").read_text() == "log of bat/2-answers"
    assert all(f"`hash of {test} {number}`" in card for test in TEST_SETS for number in NUMBERS)
    assert (out / "credits.csv").read_text() == "label,licence,attribution\nowl,CC0,Ann\n", "of what was trained on"
    assert "MB" in capsys.readouterr().out


@pytest.mark.slow
def test_too_large_a_model_is_refused(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(bytes(25_000_001))
    command = [sys.executable, "recipes/pack_tiny.py", f"--out={tmp_path}"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "at most 25000000 shall ship" in done.stderr


@pytest.mark.parametrize("given", [["--share=0.5", "--model=m"], ["--before=tiny"], ["--before=tiny", "--model=tiny"]])
def test_an_average_needs_both_models(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[str]
) -> None:
    monkeypatch.chdir(repository)
    monkeypatch.setattr(sys, "argv", ["pack_tiny", f"--out={tmp_path / 'out'}", *given])
    with pytest.raises(SystemExit, match="before and share are for an average"):
        runpy.run_path("recipes/pack_tiny.py", run_name="__main__")
    assert not (tmp_path / "out").exists()
