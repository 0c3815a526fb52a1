"""`spatial-llm timeline`: the files that it writes, and what it refuses before the model is loaded."""

import json
from pathlib import Path

import pytest

from spatial_llm import SpatialLLM
from spatial_llm.cli import main
from spatial_llm.shipped import RECORDINGS

RECORDING = str(RECORDINGS / "one_source.flac")
WHAT = "What sound events can you hear in the audio clip?"


def test_table_rows_and_picture_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "found"
    assert main(["timeline", RECORDING, WHAT, "--out", str(out), "--hop_s", "0.5"]) == 0
    header, *rows = [json.loads(line) for line in (out / "timeline.jsonl").read_text().splitlines()]
    assert header["questions"] == [WHAT] and header["hop_s"] == 0.5
    assert rows[0]["answers"] == {WHAT: "clapping"}
    assert (out / "timeline.md").read_text() in capsys.readouterr().out
    assert (out / "timeline.png").stat().st_size > 1_000


def test_a_missing_file_is_refused_before_the_model_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SpatialLLM, "from_pretrained", None)
    assert main(["timeline", str(tmp_path / "none.wav"), "--out", str(tmp_path / "out")]) == 1
    assert "none.wav: cannot be opened" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
