"""The table of commands: each has a module, a sentence, help; mistyped ones find what was meant; help is quick."""

import subprocess
import sys
from pathlib import Path

import pytest

import spatial_llm.commands
from spatial_llm.cli import main
from spatial_llm.commands import COMMANDS, load, module_name

HELPERS = {"__init__", "arguments", "asked", "answering", "quiet"}


def test_every_module_is_a_command_and_every_command_a_module():
    modules = {path.stem for path in Path(spatial_llm.commands.__file__).parent.glob("*.py")} - HELPERS
    assert modules == {module_name(name) for name in COMMANDS}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_how_a_command_is_called(name, capsys):
    assert f"spatial-llm {name}" in load(name).__doc__
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    printed = capsys.readouterr().out
    assert ended.value.code == 0 and f"usage: spatial-llm {name}" in printed


def test_help_lists_the_commands(capsys):
    for argv in (["--help"], []):
        assert main(argv) == 0
        printed = capsys.readouterr().out
        assert all(f"\n  {name} " in printed and about in printed for name, about in COMMANDS.items())


@pytest.mark.parametrize(
    ("argv", "status", "said"),
    [
        (["simulat"], 2, "simulat is no command; did you mean simulate?"),
        (["xyz"], 2, "xyz is no command; commands are ask, timeline, serve"),
        (["ask", "a.wav", "Where?", "--jsn"], 2, "--jsn is no option or argument of this command; did you mean --json?"),
        (["parts", "tiny", "x", "--mergd"], 2, "did you mean --merged?"),
        (["simulate", "--outputt", "x"], 2, "--outputt x; did you mean --output?"),
        (["simulate", "--output", "x", "--simulation.train.roms=3"], 2, "did you mean --simulation.train.rooms?"),
        (
            ["simulate", "--output", "x", "--config", "dem"],
            1,
            "no config of this name comes with the package; did you",
        ),
        (
            ["predict", "--model", "m", "--out", "x", "--task", "our"],
            1,
            "with the package; did you mean ours?",
        ),
        (["finetune"], 1, "give a configuration, such as --config demo"),
    ],
)
def test_what_is_mistyped_finds_what_was_meant(argv, status, said, capsys):
    try:
        ended = main(argv)
    except SystemExit as end:
        ended = end.code
    error = capsys.readouterr().err
    assert ended == status and said in error and error.count("\n") <= 2 and "usage:" not in error


HELP = """
import sys
from spatial_llm.cli import main
try:
    main({argv})
except SystemExit:
    pass
assert not {{"torch", "transformers", "numpy"}} & set(sys.modules)
"""


@pytest.mark.parametrize("argv", [["--help"], ["ask", "--help"]])
def test_help_imports_no_torch(argv):
    ran = subprocess.run([sys.executable, "-c", HELP.format(argv=argv)], capture_output=True, text=True)
    assert ran.returncode == 0 and "spatial-llm" in ran.stdout, ran.stderr
