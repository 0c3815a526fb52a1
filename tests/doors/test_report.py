"""eval/report.py as it is called: scores and questions to a page, errors in sentences."""

import runpy
import sys

import pytest

from tests.evaluation.report.case import write_case


@pytest.fixture
def door(repository, monkeypatch):
    def run(**options):
        monkeypatch.setattr(sys, "argv", ["report", *(f"--{key}={value}" for key, value in options.items())])
        runpy.run_path(str(repository / "eval" / "report.py"), run_name="__main__")

    return run


def test_scores_to_a_report(door, tmp_path, capsys):
    manifest, scores = write_case(tmp_path, recordings=2)
    door(scores=scores, data=manifest, out=tmp_path / "report")
    assert {path.name for path in (tmp_path / "report").iterdir()} == {"index.html", "report.md", "plots", "items"}
    assert f"written: {tmp_path / 'report' / 'index.html'}" in capsys.readouterr().out


def test_errors_are_sentences_and_unknown_keys_stop(door, tmp_path, capsys):
    with pytest.raises(SystemExit, match=r"error: .*absent\.jsonl: no such file"):
        door(scores=tmp_path, data=tmp_path / "absent.jsonl", out=tmp_path / "report")
    with pytest.raises(SystemExit) as stop:
        door(scores="x", data="y", out="z", worst=5)
    assert stop.value.code == 2 and "worst" in capsys.readouterr().err
