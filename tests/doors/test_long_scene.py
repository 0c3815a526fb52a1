"""The door eval/long_scene.py: half a minute in which sounds walk, followed window by window."""

import json
import runpy
import sys

import pytest


@pytest.mark.slow  # half a minute of sound is simulated and listened to
def test_sounds_are_followed_and_scored_beside_one_window(repository, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["long_scene", f"--out={tmp_path}", "--minutes=0.5", "--hop_s=1.0"])
    runpy.run_path(str(repository / "eval" / "long_scene.py"), run_name="__main__")
    scores = json.loads((tmp_path / "scores.json").read_text())
    error = {name: scores[name]["metrics"]["direction_error"]["value"] for name in ("tracks", "middle_window")}
    assert error["tracks"] < 20 < 2 * error["tracks"] + 20 and error["tracks"] < error["middle_window"]
    assert scores["tracks"]["counts"]["reference_events"] == 4
    for name in ("scenes.jsonl", "recording.flac", "truth.csv", "tracks.csv", "middle_window.csv", "scores.md"):
        assert (tmp_path / name).is_file()
