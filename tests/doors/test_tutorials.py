"""The tutorials run from the first cell to the last, at toy size; the first one with the shipped model as it stands."""

import ast
import re
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

TUTORIALS = sorted((Path(__file__).parents[2] / "recipes" / "tutorials").glob("*.py"))
Run = Callable[..., str]
LONG = "ignore:.*loudest window"  # the toy model hears less than two seconds
PARAMETERS = '# %% tags=["parameters"]\n'


def cells(path: Path) -> list[str]:
    """The cells of a notebook in the percent format, with their marks."""
    return re.split(r"(?m)^(?=# %%)", path.read_text(encoding="utf-8"))[1:]


@pytest.fixture
def run(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Run:
    """Runs a tutorial with other parameters, each of which it must have; returns what it prints."""

    def run(path: Path, **parameters: object) -> str:
        parts = cells(path)
        (number,) = (number for number, part in enumerate(parts) if part.startswith(PARAMETERS))
        names = [node for node in ast.walk(ast.parse(parts[number])) if isinstance(node, ast.Name)]
        assert set(parameters) <= {name.id for name in names if isinstance(name.ctx, ast.Store)}
        parts.insert(number + 1, "".join(f"{name} = {value!r}\n" for name, value in parameters.items()))
        script = tmp_path / path.name
        script.write_text("".join(parts), encoding="utf-8")
        monkeypatch.chdir(repository)
        runpy.run_path(str(script), run_name="__main__")
        return capsys.readouterr().out

    return run


def test_they_are_notebooks() -> None:
    """Text and code take turns; a text cell holds nothing that runs; parameters stand in a cell of their own."""
    assert [path.name for path in TUTORIALS] == ["1_ask.py", "2_simulate.py", "3_finetune.py", "4_sounds.py", "5_formats.py"]
    for path in TUTORIALS:
        found = cells(path)
        text = [part for part in found if part.startswith("# %% [markdown]\n")]
        assert len(text) >= 4 and len(found) - len(text) >= 5
        for part in text:
            nodes = ast.parse(part).body
            assert not nodes or (part is text[0] and len(nodes) == 1 and isinstance(nodes[0], ast.Expr))


@pytest.mark.filterwarnings(LONG)
def test_ask(run: Run, toy_model: Path) -> None:
    printed = run(TUTORIALS[0], MODEL=str(toy_model))
    assert "in truth 55 degrees" in printed and "warned:" in printed and "refused: " in printed
    assert printed.count("answer: ") == 12


@pytest.mark.filterwarnings(LONG)
def test_simulate(run: Run, tmp_path: Path, toy_model: Path) -> None:
    printed = run(TUTORIALS[1], MODEL=str(toy_model), OUT=str(tmp_path / "out"))
    assert re.search(r"alarm: azimuth \d+, elevation \d+ degrees, 1\.\d m, from 0\.\d\d s on", printed)
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"mine.png", "scenes.jsonl", "mine.binaural.wav", "mine.ambisonics1.wav"} <= written
    assert any(name.startswith("mine.array4-") for name in written)


@pytest.mark.slow
@pytest.mark.filterwarnings(LONG)
def test_sounds(run: Run, tmp_path: Path, toy_model: Path) -> None:
    sizes = {"ROOMS": 2, "CLIPS": 12, "EVAL_CLIPS": 4, "STEPS": 2}
    printed = run(TUTORIALS[3], MODEL=str(toy_model), OUT=str(tmp_path / "out"), **sizes)
    assert "| A (trained now) " in printed and "{'kettle': 24, 'shaver': 24, 'sprinkler': 24}" in printed
    assert (tmp_path / "out" / "run" / "model" / "config.json").is_file()


def test_ask_as_it_stands(run: Run, shipped_tiny: Path) -> None:
    printed = run(TUTORIALS[0])
    assert "'azimuth_deg'" in printed, "an answer in degrees that can be read"


@pytest.mark.slow
def test_formats(run: Run, tmp_path: Path) -> None:
    """The map of every array points at the alarm, that of the ring up to its plane; a listener who turns hears it turned."""
    printed = run(TUTORIALS[4], OUT=str(tmp_path / "formats"))
    off = dict(re.findall(r"^(.*): azimuth .*; (\d+) degrees off$", printed, re.MULTILINE))
    assert set(off) == {"first-order ambisonics", "third-order ambisonics", "rigid tetrahedron", "ring of eight"}
    assert int(off["third-order ambisonics"]) <= 10 and int(off["rigid tetrahedron"]) <= 15
    assert int(off["first-order ambisonics"]) <= 30 and int(off["ring of eight"]) <= 25  # 15 of them are its plane
    assert printed.count("(derived)") == 4 and re.search(r"^two ears: left", printed, re.MULTILINE)
    heard, turned = (
        int(each) for each in re.findall(r"^(?:as it was|listener turned): azimuth (-?\d+)", printed, re.MULTILINE)
    )
    straight, expected = map(int, re.search(r"expected: (-?\d+) and (-?\d+)", printed).groups())
    assert abs(heard - straight) <= 10 and abs(turned - expected) <= 10
