"""The doors data/prepare_spatialsoundqa.py and data/check_manifest.py, as they are called."""

import runpy
import sys

import numpy as np
import pytest
import soundfile
import yaml

from spatial_llm.data.records import Record, write_manifest
from spatial_llm.scenes.scene import Listener, Room, Scene, Source
from tests.evaluation.fixtures_small import write_small_set

RATE = 32_000


@pytest.fixture
def door(repository, monkeypatch):
    def run(name, *options):
        monkeypatch.setattr(sys, "argv", [name, *map(str, options)])
        runpy.run_path(str(repository / "data" / f"{name}.py"), run_name="__main__")

    return run


@pytest.fixture
def data(tmp_path):
    """One scene without a bank in each split, with one question each."""
    rng = np.random.default_rng(0)
    (tmp_path / "sounds").mkdir()
    for split in ("train", "eval"):
        soundfile.write(tmp_path / "sounds" / f"{split}.wav", 0.1 * rng.normal(size=4000), RATE)
        where = Room(split, (5.0, 4.0, 3.0), absorption=0.6, max_order=1, ray_tracing=False, response_s=0.1)
        source = Source("bell", f"{split}.wav", (4.0, 3.0, 1.0))
        scene = Scene(split, split, 0, 1.0, RATE, where, Listener((2.0, 2.0, 1.5)), (source,), sounds="sounds")
        asked = Record(split, split, "A", "CLASSIFICATION", "What?", "bell", {"labels": ["bell"]}, split, RATE, scene=scene)
        write_manifest(tmp_path / f"{split}.jsonl", [asked])
    return tmp_path


def test_export_prepare_and_check(door, data, capsys):
    release = data / "release"
    door("prepare_spatialsoundqa", "--export", f"[{data / 'train.jsonl'}, {data / 'eval.jsonl'}]", "--release", release)
    assert "closed-end/stage3-mixup/train.json: 1 questions" in capsys.readouterr().out
    door("prepare_spatialsoundqa", "--release", release)
    assert "eval: 1 of 1 questions kept -> eval.jsonl (sha256 " in capsys.readouterr().out
    manifests = f"[{release / 'train-stage1-clsdoa.jsonl'}, {release / 'eval.jsonl'}]"
    door("check_manifest", "--files", manifests, "--png", data / "check.png")
    printed = capsys.readouterr().out
    assert "train: 1 questions, 1 recordings, 1 rooms; sources: 1 with 1" in printed and "CLASSIFICATION" in printed
    assert (data / "check.png").read_bytes().startswith(b"\x89PNG")


def test_roots_elsewhere(door, data, capsys):
    release = data / "release"
    door("prepare_spatialsoundqa", "--export", f"[{data / 'eval.jsonl'}]", "--release", release)
    (release / "AudioSet").rename(data / "disk")
    options = ("--audio_root", data / "disk")
    door("prepare_spatialsoundqa", "--release", release, *options)
    with pytest.raises(SystemExit, match=r"check_manifest: .*1 files are missing"):
        door("check_manifest", "--files", f"[{release / 'eval.jsonl'}]")
    door("check_manifest", "--files", f"[{release / 'eval.jsonl'}]", *options)
    assert "eval: 1 questions" in capsys.readouterr().out


def test_errors_are_sentences_and_unknown_keys_stop(door, data, tmp_path, capsys):
    manifest = write_small_set(tmp_path / "small")
    door("check_manifest", "--files", f"[{manifest}]", "--by", "type")
    assert "27 questions, 3 recordings" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"check_manifest: training and evaluation overlap"):
        rows = manifest.read_text().replace('"split": "eval"', '"split": "train"')
        (tmp_path / "small" / "train.jsonl").write_text(rows)
        door("check_manifest", "--files", f"[{manifest}, {tmp_path / 'small' / 'train.jsonl'}]")
    with pytest.raises(SystemExit, match=r"prepare_spatialsoundqa: .*none of 10 question files"):
        door("prepare_spatialsoundqa", "--release", tmp_path)
    for name, option in (("check_manifest", "--file"), ("prepare_spatialsoundqa", "--relaese")):
        with pytest.raises(SystemExit) as stop:
            door(name, option, "x")
        assert stop.value.code == 2


@pytest.mark.parametrize("name", ["prepare_spatialsoundqa", "check_manifest"])
def test_the_yaml_of_a_door_is_read_by_it(door, repository, name, tmp_path):
    config = repository / "data" / "configs" / f"{name}.yaml"
    values = yaml.safe_load(config.read_text())
    missing = ["--release", tmp_path] if name.startswith("prepare") else ["--files", f"[{tmp_path / 'none.jsonl'}]"]
    with pytest.raises(SystemExit, match="none"):  # every key was understood, and the work begun
        door(name, "--config", config, *missing)
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(values | {"unknown": 1}))
    with pytest.raises(SystemExit) as stop:
        door(name, "--config", config)
    assert "config.yaml: unknown key unknown; known are " in stop.value.code
