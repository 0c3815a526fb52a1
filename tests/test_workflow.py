"""A finished stage is reused; a changed config, or a stage before it that ran, makes it run again."""

from pathlib import Path

import pytest

from spatial_llm.errors import SpatialLLMError
from spatial_llm.workflow import Stage, fingerprint_of, read_finished, run_stages, with_included, write_finished

COUNT = "import sys, pathlib; p = pathlib.Path(sys.argv[1]); p.mkdir(exist_ok=True); (p / 'runs').open('a').write('x')"


def chain(folder: Path) -> list[Stage]:
    config = folder / "first.yaml"
    if not config.exists():
        config.write_text("steps: 1\n")
    first = Stage("first", ["-c", COUNT, str(folder / "a")], folder / "a", configs=[config])
    second = Stage("second", ["-c", COUNT, str(folder / "b")], folder / "b", needs=[first])
    return [first, second]


def runs(folder: Path) -> tuple[int, int]:
    return tuple(len((folder / name / "runs").read_text()) for name in "ab")


def test_reuse_and_renewal(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run_stages(chain(tmp_path))
    run_stages(chain(tmp_path))
    assert runs(tmp_path) == (1, 1)
    assert "reused" in capsys.readouterr().out

    (tmp_path / "first.yaml").write_text("steps: 2\n")
    run_stages(chain(tmp_path))
    assert runs(tmp_path) == (2, 2), "a changed config renews its stage and what rests on it"

    (tmp_path / "a" / "stage.json").unlink()
    run_stages(chain(tmp_path))
    assert runs(tmp_path) == (3, 3), "what rests on a stage that ran again runs again too"


def test_what_another_process_made_of_a_renewed_stage_is_reused(tmp_path: Path) -> None:
    """Several processes share a chain: the second stage is finished elsewhere while this one is at another."""
    first, second = chain(tmp_path)
    finish = "import sys; from pathlib import Path; from spatial_llm.workflow import write_finished as w; "
    finish += "Path(sys.argv[1]).mkdir(); w(Path(sys.argv[1], 'stage.json'), sys.argv[2]); Path(sys.argv[1], 'runs').touch()"
    elsewhere = Stage("elsewhere", ["-c", finish, str(second.folder), second.fingerprint()], tmp_path / "c", needs=[first])
    run_stages([first, elsewhere, second])
    assert runs(tmp_path) == (1, 0)
    (tmp_path / "a" / "stage.json").unlink()
    run_stages([first, second])
    assert runs(tmp_path) == (2, 1), "older than what it rests on"


def test_a_changed_file_that_a_config_includes_renews_its_stage(tmp_path: Path) -> None:
    (tmp_path / "first.yaml").write_text("include: common.yaml\nsteps: 1\n")
    (tmp_path / "common.yaml").write_text("seed: 1\n")
    run_stages(chain(tmp_path))
    run_stages(chain(tmp_path))
    assert runs(tmp_path) == (1, 1)
    (tmp_path / "common.yaml").write_text("seed: 2\n")
    run_stages(chain(tmp_path))
    assert runs(tmp_path) == (2, 2)
    # A file that the stage lists itself counts once, as in version 0.1.
    files = [tmp_path / "first.yaml", tmp_path / "common.yaml"]
    assert with_included(files) == files == with_included(files[:1])


def test_markers_of_version_0_1_are_understood(tmp_path: Path) -> None:
    (tmp_path / "stage.json").write_text('{"made_by": "abc", "scores": {"mAP": 1.0}}')  # of a stage of an encoder
    assert read_finished(tmp_path / "stage.json", "abc")["scores"] == {"mAP": 1.0}
    assert read_finished(tmp_path / "stage.json", "abd") is None
    write_finished(tmp_path / "stage.json", "abd", scores={})
    assert read_finished(tmp_path / "stage.json", "abd") == {"fingerprint": "abd", "scores": {}}
    one, other = {"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}
    assert fingerprint_of(one, sort_keys=True) == fingerprint_of(other, sort_keys=True)
    assert fingerprint_of(one) != fingerprint_of(other)


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"other": 1}', "\\xff"])
def test_a_stage_whose_marker_is_damaged_runs_again(tmp_path: Path, damage: str) -> None:
    run_stages(chain(tmp_path))
    (tmp_path / "b" / "stage.json").write_text(damage)
    run_stages(chain(tmp_path))
    assert runs(tmp_path) == (1, 2)


def test_a_failed_stage_stops_the_chain_and_is_not_marked(tmp_path: Path) -> None:
    bad = Stage("bad", ["-c", "raise SystemExit(3)"], tmp_path / "bad")
    with pytest.raises(SpatialLLMError, match="status 3"):
        run_stages([bad])
    assert not bad.finished()


@pytest.mark.parametrize("how", ["sys.exit(130)", "signal.signal(2, signal.SIG_DFL); os.kill(os.getpid(), 2)"])
def test_a_chain_ends_as_its_stage_does_at_ctrl_c(tmp_path: Path, how: str) -> None:
    stage = Stage("stopped", ["-c", f"import os, signal, sys; {how}"], tmp_path / "stopped")
    with pytest.raises(SystemExit) as ended:
        run_stages([stage])
    assert ended.value.code == 130 and not stage.finished()


@pytest.mark.parametrize("where", [".", "1-scenes"])  # of a run, of a stage of a run in stages
def test_a_stopped_stage_goes_on_and_a_changed_one_begins_anew(tmp_path: Path, where: str) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import pathlib, sys\n"
        f"kept = pathlib.Path(sys.argv[1]) / '{where}' / 'checkpoints' / 'step-00000001'\n"
        "print('resumed' if kept.exists() else 'fresh')\n"
        "(pathlib.Path(sys.argv[1]) / 'seen').open('a').write('r' if kept.exists() else 'f')\n"
        "kept.mkdir(parents=True, exist_ok=True)\n"
        "sys.exit(75 if sys.argv[2] == 'stop' and not (kept / 'x').exists() and not (kept / 'x').touch() else 0)\n"
    )
    config = tmp_path / "config.yaml"
    config.write_text("steps: 1\n")
    folder = tmp_path / "run"

    def stage() -> Stage:
        return Stage("train", [str(script), str(folder), "stop"], folder, configs=[config])

    folder.mkdir()
    with pytest.raises(SystemExit) as stopped:
        run_stages([stage()])
    assert stopped.value.code == 75 and not stage().finished()
    run_stages([stage()])
    assert (folder / "seen").read_text() == "fr" and stage().finished()
    config.write_text("steps: 2\n")
    with pytest.raises(SystemExit):
        run_stages([stage()])
    assert (folder / "seen").read_text() == "frf", "checkpoints of another configuration are gone"
