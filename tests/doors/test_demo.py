"""The first hour: the demonstration's chain with a toy model, and what the shipped model says when it is asked."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import matplotlib.image
import pytest

from spatial_llm import SpatialLLM
from spatial_llm.questions.types import parse_value
from spatial_llm.shipped.render import read_shipped
from spatial_llm.showcase.interview import interview

CONFIGS = "tests/doors/configs"
LONG = "ignore:.*loudest window"  # the toy model hears less than two seconds


@pytest.fixture(scope="module")
def door(repository: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo_door", repository / "recipes" / "demo.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["demo_door"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings(LONG)
def test_it_asks_and_draws(door: ModuleType, toy_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    door.main(door.DemoArguments(until="ask", runs=str(tmp_path), model=str(toy_model)))
    printed = capsys.readouterr().out
    assert printed.count("answer: ") == printed.count("truth: ") == 3 + 3 + 6
    assert "truth:  55 degrees" in printed and "truth:  -135 degrees" in printed
    assert "Is the sound of the siren on the left of the sound of the alarm?\n" in printed
    assert printed.index("one_source_behind.flac") < printed.index("two_sources.flac") < printed.index("one_source.flac")
    right = printed.count("✓")
    assert right + printed.count("✗") == 12 and f"\n{right} of 12 right" in printed
    picture = matplotlib.image.imread(tmp_path / "scene.png")
    assert picture.shape[1] > 1000 and picture[..., :3].std() > 0.05


@pytest.mark.slow
@pytest.mark.filterwarnings(LONG)
def test_the_whole_chain_and_what_is_reused(
    door: ModuleType,
    repository: Path,
    toy_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture,
) -> None:
    monkeypatch.chdir(repository)
    configs = {"data_config": f"{CONFIGS}/data.yaml", "training_config": f"{CONFIGS}/demo.yaml"}
    arguments = door.DemoArguments(runs=str(tmp_path), model=str(toy_model), **configs)
    door.main(arguments)
    first = capfd.readouterr().out
    assert all(f"[{number}/5]" in first for number in range(1, 6))
    table = [line for line in first.splitlines() if line.startswith("| ")]
    (start,) = (number for number, line in enumerate(table) if line.startswith("| right answers"))
    assert table[start + 1].startswith("| elevation (trained now) ")
    assert {line[2] for line in table[start + 2 :]} == {"A", "B", "D"}
    assert SpatialLLM.from_pretrained(tmp_path / "finetuned" / "model")
    door.main(arguments)
    again = capfd.readouterr().out
    assert again.count(", reused") == 5
    assert [line for line in again.splitlines() if line.startswith("| ")] == table[start:]


def test_the_shipped_model_hears_where_the_shipped_recordings_sound(shipped_tiny: Path) -> None:
    """Every answer can be read, and one source is on the right side. How often it is right at all is in its card."""
    model = SpatialLLM.from_pretrained("tiny")
    right = {}
    for scene, recording in read_shipped():
        asked = interview(model, scene, recording)
        right[scene.id] = [each.right for each in asked]
        for each in asked:
            said, true = (parse_value(each.question_type, text) for text in (each.answer, each.truth))
            assert said is not None, each
            if each.question_type == "DOA":
                assert said["left_right"] == true["left_right"], each
                assert said["front_behind"] == true["front_behind"], each
    assert all(right["one_source_behind"]), "the demonstration shows it as what the model can do"
    assert not all(right["two_sources"]), "and this as what it cannot"
