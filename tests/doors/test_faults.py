"""Every door that writes, at a full disk, without rights, with something in its way, and with an input that is not there:
one sentence that names the file, an exit status that is not 0, no traceback, nothing half-written, and what was there before
stays as it was."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tests.doors.failing import Ended, Hall
from tests.golden import golden

CONFIGS = "tests/doors/configs"
WRITE = ("data/write_questions.py", "--config=data/configs/all_families.yaml", "--workers=1", "--progress=false")
Command = Callable[[Path, Path], list]


def trained(recipe: str, *options: str) -> Command:
    return lambda made, out: [f"recipes/{recipe}.py", "--config", f"{CONFIGS}/{recipe.split('_')[1]}.yaml",
                              *(option.format(made=made) for option in options), f"--run_folder={out}"]  # fmt: skip


# What each door makes: `made` is a folder with what it needs, `out` what it is told to write.
DOORS: dict[str, Command] = {
    "simulate": lambda made, out: ["data/simulate_scenes.py", f"--config={CONFIGS}/data.yaml", f"--output={out}",
                                   "--workers=1", "--progress=false"],
    "simulate in two processes": lambda made, out: ["data/simulate_scenes.py", f"--config={CONFIGS}/data.yaml",
                                                    f"--output={out}", "--workers=2", "--progress=false"],
    "prepare sounds": lambda made, out: ["data/prepare_sounds.py", f"--sounds.index={made}/sounds/index.csv",
                                         "--sounds.licences=[CC0]", f"--output={out}"],
    "export": lambda made, out: ["data/prepare_spatialsoundqa.py", f"--export=[{made}/data/eval.jsonl]", f"--release={out}"],
    "check": lambda made, out: ["data/check_manifest.py", f"--files=[{made}/data/eval.jsonl]", f"--png={out}/check.png"],
    "draw": lambda made, out: ["data/draw_scene.py", f"--data={made}/data/eval.jsonl", "--scene=eval-000000",
                               f"--out={out}/scene.png"],
    "render shipped": lambda made, out: ["data/render_shipped.py", f"--out={out}"],
    "predict": lambda made, out: ["eval/predict.py", f"--model={made}/model", f"--data={made}/data/eval.jsonl",
                                  f"--out={out}", "--max_new_tokens=2", "--controls=[ears_swapped]",
                                  "--control_recordings=2"],
    "score": lambda made, out: ["eval/score.py", f"--predictions={made}/answers/predictions.jsonl",
                                f"--data={made}/data/eval.jsonl", f"--out={out}", "--resamples=3"],
    "report": lambda made, out: ["eval/report.py", f"--scores={made}/scores", f"--data={made}/data/eval.jsonl",
                                 f"--out={out}"],
    "compare": lambda made, out: ["eval/compare.py", f"--first={made}/answers/predictions.jsonl",
                                  f"--second={made}/answers/predictions.jsonl", f"--data={made}/data/eval.jsonl",
                                  f"--out={out}", "--resamples=3"],
    "encoder scores": lambda made, out: ["eval/encoder.py", f"--model={made}/encoder/model",
                                         f"--data={made}/data/eval.jsonl", f"--out={out}", "--resamples=3"],
    "train encoder": trained("train_encoder", "--train_manifest={made}/data/train.jsonl",
                             "--eval_manifest={made}/data/eval.jsonl"),
    "pretrain text": trained("pretrain_text", "--manifest={made}/data/train.jsonl"),
    "finetune": trained("finetune_bat", "--train_manifest={made}/data/train.jsonl", "--encoder={made}/encoder/model",
                        "--language_model={made}/text/model"),
    "train preference": trained("train_preference", "--questions={made}/data/train.jsonl", "--start_from={made}/model"),
}  # fmt: skip
FAST = ("draw", "predict", "check", "pretrain text")  # one of each kind: several files, a stream, a picture, a run folder
LIMITS = (1_500, 30_000)  # bytes of a file
# Doors with no input but their configuration.
WITHOUT_INPUT = ("simulate", "simulate in two processes", "render shipped")
# Doors that write their folder as a whole.
REPLACING = ("simulate", "prepare sounds", "export", "report")
MAKING = {"data": "simulate", "encoder": "train encoder", "text": "pretrain text", "answers": "predict", "scores": "score"}


def table(doors: tuple[str, ...] = tuple(DOORS)) -> list:
    return [pytest.param(name, marks=() if name in FAST else pytest.mark.slow, id=name) for name in doors]


@pytest.fixture(scope="module")
def hall() -> Iterator[Hall]:
    hall = Hall()
    yield hall
    hall.close()


@pytest.fixture(scope="module")
def made(hall: Hall, toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes what a door needs, when it is first needed; returns the folder."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copytree(toy_model, folder / "model")
    (folder / "sounds").mkdir()
    rows = ["file,label,split,source_recording,licence,attribution"]
    for number in range(8):
        sound = np.random.default_rng(number).normal(0, 0.1, 16_000)
        soundfile.write(folder / "sounds" / f"{number}.wav", sound, 32_000)
        label, split = "dog" if number % 2 else "bell", "eval" if number > 5 else "train"
        rows.append(f"{number}.wav,{label},{split},r{number},CC0,nobody")
    (folder / "sounds" / "index.csv").write_text("\n".join(rows) + "\n")

    def make(name: str) -> Path:
        command = DOORS[name](folder, folder / "unused")
        needed = [part for part in MAKING if any(f"{folder}/{part}/" in str(word) or str(word).endswith(f"{folder}/{part}")
                                                 for word in command)]  # fmt: skip
        for part in needed:
            if not (folder / part).exists():
                make(MAKING[part])
                done(hall.open(*DOORS[MAKING[part]](folder, folder / part)))
                if part == "data":
                    done(hall.open(*WRITE, f"--data={folder / part}"))
        return folder

    return make


def done(ended: Ended) -> None:
    assert ended.status == 0, ended.said


def content(folder: Path) -> dict[str, str]:
    """SHA-256 of each file below a folder; what a run that is resumed keeps of its own is left out."""
    kept = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in ("lock.json", ".predictions.part.jsonl"):
            kept[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return kept


def refused(ended: Ended, *named: object) -> None:
    """One sentence that names something of these, and no more."""
    assert ended.status in (1, 2), ended.said
    assert "Traceback" not in ended.said, ended.said
    assert any(str(name) in ended.sentence for name in named), ended.said
    assert ended.sentence.endswith((".", "?")), ended.said


def no_leftovers(folder: Path) -> None:
    left = [path for path in folder.rglob(".*") if path.name.endswith((".tmp", ".old", ".new"))]
    assert left == []


@pytest.mark.parametrize("name", table())
@pytest.mark.parametrize(
    "limit", [64, *(pytest.param(size, marks=pytest.mark.slow) for size in (0, 1_500, 12_000, 100_000))]
)
def test_a_full_disk(hall: Hall, made: Callable, tmp_path: Path, name: str, limit: int) -> None:
    command, out = DOORS[name](made(name), tmp_path / "out"), tmp_path / "out"
    first = hall.open(*command, file_limit=limit)
    if first.status == 0:
        assert limit > 1_000, "nothing was as large as that"
        return
    refused(first, out, "spatial-llm-manifests-")  # rows of a manifest are kept in a temporary folder
    # A write that stops half-way has no error number: numpy says how much it wrote.
    assert any(words in first.sentence for words in ("File too large", "room", "free some space"))
    no_leftovers(tmp_path)
    if not name.startswith(("train", "pretrain", "finetune", "predict")):  # which keep what they can go on from
        assert not out.exists(), "nothing is left in part"
    done(hall.open(*command))
    before = content(out)
    assert before, "with room it goes on"
    if name.startswith(("train", "pretrain", "finetune")):
        return  # the model is there: the same command has nothing to do
    again = hall.open(*command, file_limit=limit)
    refused(again, out)
    assert content(out) == before, "what was there before is whole"
    no_leftovers(tmp_path)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no tmpfs may be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("free", [0, 3, 20, 100], ids=lambda pages: f"{pages} pages")
@pytest.mark.parametrize("name", DOORS)
def test_a_disk_that_fills_up(hall: Hall, made: Callable, disk: Path, name: str, free: int) -> None:
    """A real one, whose mapped files would kill the process."""
    command, room = DOORS[name](made(name), disk / "out"), os.statvfs(disk)
    (disk / "ballast").write_bytes(bytes((room.f_bavail - free) * room.f_frsize))
    ended = hall.open(*command)
    if ended.status == 0:
        assert free > 0, "nothing was as large as that"
        return
    refused(ended, disk)
    no_leftovers(disk)
    if not name.startswith(("train", "pretrain", "finetune", "predict", "simulate")):  # which keep what they go on from
        assert [path.name for path in disk.iterdir()] == ["ballast"]


@pytest.mark.parametrize("name", table())
@pytest.mark.skipif(sys.platform != "linux", reason="root is bound by no rights")
def test_a_folder_without_rights(hall: Hall, made: Callable, tmp_path: Path, name: str) -> None:
    folder, closed = made(name), tmp_path / "closed"
    (closed / "out").mkdir(parents=True)
    (closed / "out" / "before").write_text("old")
    (closed / "out").chmod(0o555)
    closed.chmod(0o555)
    try:
        for out in (closed / "new", closed / "out"):
            ended = hall.open(*DOORS[name](folder, out), bound=True)
            refused(ended, out)
        assert content(closed) == {"out/before": hashlib.sha256(b"old").hexdigest()} and len(list(closed.iterdir())) == 1
    finally:
        closed.chmod(0o755)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["full", "rights"])
def test_questions_beside_their_scenes(hall: Hall, made: Callable, tmp_path: Path, fault: str) -> None:
    """data/write_questions.py writes into the folder that it reads."""
    folder = tmp_path / "data"
    shutil.copytree(made("score") / "data", folder)
    before, command = content(folder), [*WRITE, f"--data={folder}", "--writing.seed=1"]
    folder.chmod(0o555)
    limits = {"file_limit": 2_000} if fault == "full" else {"bound": True}
    try:
        refused(hall.open(*command, **limits), folder)
    finally:
        folder.chmod(0o755)
    no_leftovers(folder)
    assert {name: digest for name, digest in content(folder).items() if ".parts/" not in name} == before
    done(hall.open(*command))
    changed = content(folder)
    assert set(changed) == set(before) and changed != before


@pytest.mark.slow
def test_converting_a_released_encoder(hall: Hall, tmp_path: Path) -> None:
    released, out = tmp_path / "released.pth", tmp_path / "out"
    state = {key: torch.from_numpy(value) for key, value in golden.encoder_state_dict("spatial_ast").items()}
    torch.save({"model": state}, released)
    command = ["spatial-llm", "convert", "spatial_ast", released, out]
    for limit in (64, 100_000):
        refused(hall.open(*command, file_limit=limit), out)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["released.pth"]
    out.write_text("a file")
    refused(hall.open(*command), out)
    out.unlink()
    tmp_path.chmod(0o555)
    refused(hall.open(*command, bound=True), out)
    tmp_path.chmod(0o755)
    refused(hall.open("spatial-llm", "convert", "spatial_ast", tmp_path / "absent.pth", out), tmp_path / "absent.pth")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["released.pth"]
    done(hall.open(*command))


@pytest.mark.parametrize("name", table())
def test_a_file_stands_in_the_way(hall: Hall, made: Callable, tmp_path: Path, name: str) -> None:
    wall = tmp_path / "wall"
    wall.write_text("a file")
    for out in (wall, wall / "below"):
        ended = hall.open(*DOORS[name](made(name), out))
        refused(ended, wall)
    assert wall.read_text() == "a file" and list(tmp_path.iterdir()) == [wall]


@pytest.mark.parametrize(
    "name", ["simulate", *(pytest.param(n, marks=pytest.mark.slow) for n in REPLACING if n != "simulate")]
)
def test_files_of_others_are_not_replaced(hall: Hall, made: Callable, tmp_path: Path, name: str) -> None:
    (tmp_path / "out" / "thesis").mkdir(parents=True)
    (tmp_path / "out" / "thesis" / "chapter").write_text("mine")
    ended = hall.open(*DOORS[name](made(name), tmp_path / "out"))
    refused(ended, tmp_path / "out")
    assert "give a new folder" in ended.said and (tmp_path / "out" / "thesis" / "chapter").read_text() == "mine"
    done(hall.open(*DOORS[name](made(name), tmp_path / "new")))
    done(hall.open(*DOORS[name](made(name), tmp_path / "new")))  # what it wrote itself it replaces


@pytest.mark.parametrize("name", table(tuple(name for name in DOORS if name not in WITHOUT_INPUT)))
def test_the_input_is_not_there(hall: Hall, tmp_path: Path, name: str) -> None:
    ended = hall.open(*DOORS[name](tmp_path / "absent", tmp_path / "out"))
    refused(ended, tmp_path / "absent")
    assert list(tmp_path.iterdir()) == [], "nothing is written"
