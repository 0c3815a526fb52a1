"""The wheel, in an environment of its own, outside the repository: the lines of README.md from rooms to a report."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

# What the lines of README.md are given in addition, so that they take seconds.
SMALLER = {
    "simulate": ["--simulation.train.rooms=4", "--simulation.train.clips_one_source=40",
                 "--simulation.train.clips_two_sources=0", "--simulation.eval.rooms=2",
                 "--simulation.eval.clips_one_source=10", "--simulation.eval.clips_two_sources=0"],
    "finetune": ["--schedule.batch_size=4"],
}  # fmt: skip
YAMLS = ("recipes/configs", "recipes/launch", "data/configs", "eval/tasks")


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of what git knows, because building leaves folders behind."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repository / name, source)
    for name in ("spatial_llm", *YAMLS):
        shutil.copytree(repository / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        out,
        source,
    ]
    subprocess.run(command, check=True)
    (built,) = out.glob("*.whl")
    return built


def without_checkout() -> dict[str, str]:
    """The environment, in which nothing leads to this checkout: pip would take it for the package, already installed."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`spatial-llm` of an environment that holds the wheel, and finds the other packages, not this one, in that of the
    tests."""
    environment = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", wheel]
    subprocess.run(command, env=without_checkout(), check=True)
    (site,) = environment.glob("lib/python*/site-packages")
    # A folder that a .pth file names is searched last, and its own .pth files, such as that of this checkout, are not read.
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment / "bin" / "spatial-llm"


@pytest.fixture(scope="module")
def folder(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("elsewhere")
    for name in ("one_source", "two_sources"):
        shutil.copy(repository / f"spatial_llm/shipped/recordings/{name}.flac", folder)
    return folder


def run(program: Path, folder: Path, *arguments: object, status: int = 0) -> subprocess.CompletedProcess:
    command = [str(program), *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=without_checkout(), capture_output=True, text=True, timeout=600)
    assert done.returncode == status, done.stderr
    return done


def readme_lines(repository: Path) -> list[list[str]]:
    section = (repository / "README.md").read_text().split("## Without a clone")[1]
    code = re.search(r"```\n(.*?)```", section, re.DOTALL)[1].replace("\\\n", " ")
    return [shlex.split(line) for line in code.splitlines()]


def test_the_wheel_holds_every_yaml_once_and_what_ships(wheel: Path, repository: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    yamls = {name.removeprefix("spatial_llm/yamls/") for name in names if name.endswith(".yaml")}
    assert yamls == {
        path.relative_to(repository).as_posix() for folder in YAMLS for path in (repository / folder).rglob("*.yaml")
    }
    assert {"spatial_llm/shipped/tiny/model.safetensors", "spatial_llm/commands/ask.py"} <= set(names)
    assert {name.split("/")[0] for name in names} == {"spatial_llm", "spatial_llm-0.1.0.dist-info"}, "no folder beside it"


def test_asking(program: Path, folder: Path) -> None:
    question = "Where is the sound in this audio clip coming from?"
    asked = run(program, folder, "ask", "one_source.flac", question)
    assert asked.stdout == "left, front, above; 3m\n"
    assert asked.stderr.count("\n") == 1, "and not a word of any library"
    assert asked.stderr.startswith("spatial-llm: warning: one_source.flac: distances rest on the level")
    run(program, folder, "ask", "one_source.flac", "two_sources.flac", question, "--out", "answers.csv")
    assert (folder / "answers.csv").read_text().count(question) >= 2
    assert "torch " in run(program, folder, "env").stdout


def test_the_lines_of_the_front_page(program: Path, folder: Path, repository: Path) -> None:
    lines = readme_lines(repository)
    assert [line[1] for line in lines] == ["simulate", "questions", "finetune", "predict", "score", "report"]
    for _, command, *options in lines:
        done = run(program, folder, command, *options, *SMALLER.get(command, []))
        assert "Traceback" not in done.stderr and "Warning" not in done.stderr
    runs = folder / "runs" / "demo"
    assert json.loads((runs / "scores" / "scores.json").read_text())["metrics"]["B_left_right_acc"]["n"] == 10
    assert (runs / "report" / "index.html").is_file() and (runs / "finetuned" / "model" / "model.safetensors").is_file()
    steps = [json.loads(line) for line in (runs / "finetuned" / "metrics.jsonl").read_text().splitlines()]
    assert max(step.get("step", 0) for step in steps) == 20


def test_names_and_includes_of_the_wheel(program: Path, folder: Path) -> None:
    said = run(program, folder, "finetune", "--config", "demo_trian/bat", status=1).stderr
    assert "did you mean demo_train/bat?" in said and "spatialsoundqa_single_stage" in said
    (launch,) = run(program, folder, "yaml", "zero3").stdout.split()
    assert launch.endswith("spatial_llm/yamls/recipes/launch/zero3.yaml") and "zero_stage: 3" in Path(launch).read_text()
    planned = run(program, folder, "plan", "spatialsoundqa_single_stage", "--encoder", "none")
    assert "GB on one GPU" in planned.stdout and planned.stderr == ""


def test_ctrl_c_in_a_conversation(program: Path, folder: Path) -> None:
    command = [str(program), "ask", "one_source.flac", "--interactive"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=folder, env=without_checkout(), **pipes) as process:
        process.stdin.write("What sound events can you hear in the audio clip?\n")
        process.stdin.flush()
        assert process.stdout.readline() == "clapping\n"
        time.sleep(1)  # it waits for the next line
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "spatial-llm: stopped.\n")
