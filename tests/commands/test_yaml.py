"""`spatial-llm yaml`: every file that comes with the package has a line, and a name leads to its path."""

from pathlib import Path

import pytest

from spatial_llm.commands import load
from spatial_llm.errors import SpatialLLMError
from spatial_llm.named_yamls import named_yamls, yaml_root


def printed(capsys: pytest.CaptureFixture, *arguments: str) -> list[str]:
    load("yaml").main(list(arguments))
    return capsys.readouterr().out.splitlines()


def test_a_name_leads_to_its_path_and_one_of_two_commands_to_both(capsys):
    assert printed(capsys, "zero3") == [str(yaml_root() / "recipes/launch/zero3.yaml")]
    assert [Path(line).relative_to(yaml_root()).as_posix() for line in printed(capsys, "demo")] == [
        "recipes/configs/demo.yaml", "data/configs/demo.yaml",
    ]  # fmt: skip


def test_every_file_has_a_line_that_says_what_it_is(capsys):
    lines = printed(capsys)
    assert [line.split()[0] for line in lines] == [name for name, _ in named_yamls()]
    assert sum(len(line.split()) > 3 for line in lines) > 0.9 * len(lines)
    assert "One process a GPU" in next(line for line in lines if line.startswith("ddp "))


def test_a_mistyped_name_is_answered_with_the_one_that_was_meant():
    with pytest.raises(SpatialLLMError, match="did you mean zero3"):
        load("yaml").main(["zer3"])
