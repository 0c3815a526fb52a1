"""eval/predict.py and eval/score.py as they are called: a tiny model, a manifest of ours, the released layout, errors."""

import json
import os
import runpy
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
import torch

from spatial_llm.data.spatialsoundqa.prepare import prepare_release
from spatial_llm.evaluation.report.scores_table import first_part
from spatial_llm.model import SpatialLLM, SpatialLLMForConditionalGeneration
from spatial_llm.testing import tiny_config, tiny_processor
from tests.evaluation.fixtures_small import write_small_set
from tests.evaluation.fixtures_tasks import TASKS

SHORT = {"max_new_tokens": 5, "controls": "[]"}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model")
    net = SpatialLLMForConditionalGeneration(tiny_config("SpatialLLMForConditionalGeneration"))
    SpatialLLM(net, tiny_processor()).save_pretrained(folder)
    return folder


@pytest.fixture
def door(repository, monkeypatch):
    def run(name, *flags, **options):
        arguments = [*flags, *(f"--{key}={value}" for key, value in options.items())]
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        runpy.run_path(str(repository / "eval" / f"{name}.py"), run_name="__main__")

    return run


def both(door, model, data, out, **options):
    door("predict", model=model, data=data, out=out, **SHORT, **options)
    door("score", predictions=out / "predictions.jsonl", data=data, out=out)


def test_manifest_to_scores_twice_the_same_bytes(door, model, tmp_path, capsys):
    data = write_small_set(tmp_path / "data")
    out = tmp_path / "out"
    both(door, model, data, out)
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    assert sorted(first) == ["items.jsonl", "predictions.jsonl", "run.json", "scores.json", "scores.md"]
    assert len(first["items.jsonl"].splitlines()) == 27
    both(door, model, data, out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == first
    report = json.loads(first["scores.json"])
    assert report["metrics"]["B_left_right_acc"]["n"] == 3
    assert report["run"]["decoding"] == {"max_new_tokens": 5, "num_beams": 1}
    assert report["provenance"]["manifest_sha256"] == report["run"]["manifest_sha256"]
    table = first["scores.md"].decode()
    shown = capsys.readouterr().out
    assert first_part(table) in shown and "## Controls" in table and "## Controls" not in shown
    assert "DSpAST single-stage" in table
    assert str(tmp_path) not in first["scores.json"].decode() + table


def test_released_folder_to_scores(door, model, tmp_path, repository):
    """The released layout: every evaluation file, the label set of its CSV, comparable published rows."""
    root = tmp_path / "SpatialSoundQA"
    rows = {
        "stage1-clsdoa/eval-stage1-classification.json": (
            "CLASSIFICATION",
            "What is it?",
            "accelerating, revving, vroom; car",
        ),
        "stage1-clsdoa/eval-stage1-doa.json": ("DOA", "Where is it?", "left, front, above; 2m"),
        "stage3-mixup/eval-stage3-direction.json": ("MIXUP_DIRECTION", "Is it?", "Yes"),
        "stage3-mixup/eval-stage3-distance.json": ("MIXUP_DISTANCE_BOTH", "Is it nearer?", "No"),
    }
    for name, (kind, question, answer) in rows.items():
        path = root / "closed-end" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        row = {"audio_id": "eval/audio/Y1", "reverb_id": "s/0.npy", "audio_id2": None, "reverb_id2": None, "question_id": 0}
        path.write_text(json.dumps({"data": [row | {"question_type": kind, "question": question, "answer": answer}]}))
    (root / "AudioSet/eval/audio").mkdir(parents=True)
    (root / "mp3d_reverb/binaural/s").mkdir(parents=True)
    official = {"task": repository / "eval/tasks/spatialsoundqa.yaml"}
    with pytest.raises(SystemExit, match=r"2 files are missing or changed.*audio_root"):
        door("predict", model=model, data=root, out=tmp_path / "out", **SHORT, **official)
    soundfile.write(root / "AudioSet/eval/audio/Y1.wav", np.random.default_rng(0).normal(0, 0.1, 4000), 32_000)
    np.save(root / "mp3d_reverb/binaural/s/0.npy", np.eye(2, 50, dtype=np.float32))
    (root / "AudioSet/metadata").mkdir()
    (root / "AudioSet/metadata/class_labels_indices_subset.csv").write_text(
        'index,mid,display_name\n0,/m/0,"Accelerating, revving, vroom"\n1,/m/1,Car\n2,/m/2,Bell\n'
    )
    with pytest.warns(UserWarning, match="loudest window"):  # the tiny model hears less than the 10 s
        both(door, model, root, tmp_path / "out", **official)
    report = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert report["benchmark"] == "SpatialSoundQA" and report["label_set"] == "given"
    assert report["metrics"]["A_mAP"]["details"]["labels_averaged"] == 2
    comparable = {row["system"]: row["comparable"] for row in report["metrics"]["A_mAP"]["published"]}
    assert comparable["DSpAST single-stage"] and not comparable["BAT"]
    # its manifest, with the sounds on another disk: predicting needs to be told where, scoring needs no sound
    prepare_release(root)
    (root / "AudioSet").rename(tmp_path / "sounds")
    with pytest.raises(SystemExit, match=r"1 files are missing or changed"):
        door("predict", model=model, data=root / "eval.jsonl", out=tmp_path / "again", **SHORT, **official)
    with pytest.warns(UserWarning, match="loudest window"):
        door("predict", model=model, data=root / "eval.jsonl", out=tmp_path / "again", audio_root=tmp_path / "sounds",
             **SHORT, **official)  # fmt: skip
    door("score", predictions=tmp_path / "again/predictions.jsonl", data=root / "eval.jsonl", out=tmp_path / "again")
    assert json.loads((tmp_path / "again/scores.json").read_text())["metrics"]["A_mAP"]["n"] == 1


def test_resume_is_an_option(door, model, tmp_path):
    data = write_small_set(tmp_path / "data")
    door("predict", model=model, data=data, out=tmp_path / "out", **SHORT)
    before = (tmp_path / "out" / "predictions.jsonl").read_bytes()
    door("predict", "--resume", model=model, data=data, out=tmp_path / "out", **SHORT)
    assert (tmp_path / "out" / "predictions.jsonl").read_bytes() == before
    with pytest.raises(SystemExit, match=r"error: .*other settings"):
        door("predict", model=model, data=data, out=tmp_path / "out", resume="true", **SHORT | {"max_new_tokens": 6})


def test_predict_runs_the_task_with_its_controls(door, model, tmp_path):
    """The task names its questions; what the command line gives in its place is recorded."""
    data, out = write_small_set(tmp_path / "data"), tmp_path / "out"
    task = tmp_path / "mine.yaml"
    lines = f"name: mine\nquestions: {{path: {data}}}\ncontrol_recordings: null\n"
    task.write_text(f"include: {os.path.relpath(TASKS / 'ours.yaml', tmp_path)}\n{lines}")
    door("predict", task=task, model=model, out=out, max_new_tokens=2, control_recordings=1, seed=3)
    run = json.loads((out / "run.json").read_text())
    assert run["task"]["name"] == "mine" and run["overrides"] == {"decoding.max_new_tokens": 2, "seed": 3}
    assert str(tmp_path) not in (out / "run.json").read_text()
    for name in ("no_audio", "other_audio", "ears_swapped", "ears_equal"):
        assert len((out / "controls" / name / "predictions.jsonl").read_text().splitlines()) == 9, "one recording"
    door("predict", task=task, model=model, out=out, max_new_tokens=2, controls="[ears_swapped]", control_recordings="all")
    assert [path.name for path in (out / "controls").iterdir()] == ["ears_swapped"]
    assert len((out / "controls" / "ears_swapped" / "predictions.jsonl").read_text().splitlines()) == 27


def test_predict_refuses_questions_that_the_task_does_not_ask(door, model, tmp_path, repository):
    data = write_small_set(tmp_path / "data")
    with pytest.raises(SystemExit, match=r"error: the task names no questions; give their path: --data"):
        door("predict", model=model, out=tmp_path / "out")
    with pytest.raises(SystemExit, match=r"error: .*holds its room response already"):
        door("predict", task=repository / "eval/tasks/spatialsoundqa.yaml", model=model, data=data, out=tmp_path / "out")
    with pytest.raises(SystemExit, match=r"error: .*none.yaml: cannot be read"):
        door("predict", task=tmp_path / "none.yaml", model=model, data=data, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_killed_and_resumed_run_writes_the_same_bytes(repository, model, tmp_path):
    """SIGKILL in the middle of the questions, then in the middle of a control."""
    data = write_small_set(tmp_path / "data")
    options = [f"--model={model}", f"--data={data}", "--batch_size=1", "--num_beams=2", "--max_new_tokens=40"]
    command = [sys.executable, str(repository / "eval" / "predict.py"), *options]

    def finish(name):
        done = subprocess.run(
            [*command, "--resume", f"--out={tmp_path / name}"], capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, done.stderr

    finish("whole")
    for part in (".predictions.part.jsonl", "controls/ears_swapped/.predictions.part.jsonl"):
        part = tmp_path / "cut" / part
        run = subprocess.Popen([*command, "--resume", f"--out={tmp_path / 'cut'}"], stderr=subprocess.DEVNULL)
        while not part.is_file() or part.read_bytes().count(b"\n") < 4:
            assert run.poll() is None, "ended before it could be killed"
            time.sleep(0.005)
        run.kill()
        assert run.wait() == -signal.SIGKILL and part.is_file()
    finish("cut")
    files = [path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*") if path.is_file()]
    assert len(files) == 10
    assert sorted(files) == sorted(p.relative_to(tmp_path / "cut") for p in (tmp_path / "cut").rglob("*") if p.is_file())
    for name in files:
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_errors_are_sentences_not_tracebacks(door, tmp_path):
    with pytest.raises(SystemExit, match=r"error: .*absent\.jsonl: no such file"):
        door("score", predictions="p.jsonl", data=tmp_path / "absent.jsonl", out=tmp_path)


def test_scoring_by_a_task_with_controls(door, model, tmp_path):
    """Protocols and resamples are the task's; a control made by predict stands beside; the command line may override."""
    data, out = write_small_set(tmp_path / "data"), tmp_path / "out"
    door("predict", model=model, data=data, out=out, **SHORT | {"controls": "[no_audio, ears_swapped]"})
    door("score", task=TASKS / "ours.yaml", predictions=out / "predictions.jsonl", data=data, out=out, resamples=20)
    report = json.loads((out / "scores.json").read_text())
    assert report["task"]["name"] == "ours" and (report["resamples"], report["seed"]) == (20, 0)
    assert list(report["controls"]) == ["ears_swapped", "ears_swapped_mirrored", "no_audio", "question_only"]
    assert report["controls"]["no_audio"]["metrics"]["E_acc"]["same_items"]["value"] == report["metrics"]["E_acc"]["value"]
    assert "no audio" in (out / "scores.md").read_text()


def test_scoring_with_vectors_of_a_closed_model(door, tmp_path):
    """The first call says which texts need a vector, the second scores with them, under the model's name."""
    data, out = write_small_set(tmp_path / "data"), tmp_path / "out"
    out.mkdir()
    items = [json.loads(line) for line in data.read_text().splitlines()]
    names = ("id", "recording_id", "type", "question_type", "question", "answer")
    lines = [json.dumps({name: item[name] for name in names} | {"prediction": item["answer"]}) for item in items]
    (out / "predictions.jsonl").write_text("\n".join(lines) + "\n")
    np.savez(tmp_path / "some.npz", texts=np.array(["bell"]), vectors=np.eye(1, 8), model="closed-3")
    arguments = {"predictions": out / "predictions.jsonl", "data": data, "out": out, "resamples": 20}
    with pytest.raises(SystemExit, match=r"error: .*4 texts have no vector: .*missing_texts\.json"):
        door("score", vectors=tmp_path / "some.npz", **arguments)
    assert not (out / "scores.json").exists()
    texts = ["bell", *json.loads((out / "missing_texts.json").read_text())]
    np.savez(tmp_path / "all.npz", texts=np.array(texts), vectors=np.eye(len(texts), 8), model="closed-3")
    door("score", vectors=tmp_path / "all.npz", **arguments)
    metrics = json.loads((out / "scores.json").read_text())["metrics"]
    assert metrics["C_mAP"]["protocol"] == "bat, closed-3" and metrics["C_mAP"]["value"] == 100
    with pytest.raises(SystemExit, match="give one of them"):
        door("score", vectors=tmp_path / "all.npz", embedding="all-MiniLM-L6-v2", **arguments)
    with pytest.raises(SystemExit, match="no questions: give --data"):
        door("score", predictions="p", out=out)


@pytest.mark.parametrize("name", ["predict", "score"])
def test_unknown_key_stops(door, name, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        door(name, data="x", out="y", temperature=1)
    assert stop.value.code == 2 and "temperature" in capsys.readouterr().err
    config = tmp_path / "config.yaml"
    config.write_text("data: x\nbeams: 4\n")
    with pytest.raises(SystemExit) as stop:
        door(name, config=config)
    assert "config.yaml: unknown key beams; known are " in stop.value.code


def test_door_starts_as_a_program(repository):
    """From another folder, by path: nothing in eval/ hides a library."""
    command = [sys.executable, str(repository / "eval" / "predict.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=repository.parent)
    assert done.returncode == 0 and "--resume" in done.stdout, done.stderr
