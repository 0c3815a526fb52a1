"""`spatial-llm timeline`: the files that it writes, and what it refuses before the model is loaded."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spatial_llm import SpatialLLM
from spatial_llm.audio.io import read_audio, resample
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


HOUR_S, RATE = 3600, 32_000
EVENTS_S = (1234.56, 3333.3)  # where the shipped recording is
PROGRAM = """
import sys
from spatial_llm.cli import main
ended = main(["timeline", sys.argv[1], "--out", sys.argv[2], "--hop_s", "1.0"])
print("peak", [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")][0], file=sys.stderr)
sys.exit(ended)
"""


def run_program(file: Path, out: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(file), str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.slow  # an hour of sound, listed twice
def test_an_hour_killed_and_resumed_is_the_same_file_in_the_memory_of_a_minute(tmp_path: Path) -> None:
    sound, rate = read_audio(RECORDING)
    sound = resample(sound, rate, RATE)
    random, files = np.random.default_rng(0), {}
    for name, seconds in (("minute", 60), ("hour", HOUR_S)):
        files[name] = tmp_path / f"{name}.flac"
        with soundfile.SoundFile(files[name], "w", RATE, 2, "PCM_16") as file:
            for start in range(0, seconds, 60):
                block = 3e-5 * random.standard_normal((2, 60 * RATE))
                for event_s in EVENTS_S:
                    if start <= event_s < start + 60:
                        first = round((event_s - start) * RATE)
                        block[:, first : first + sound.shape[1]] += sound
                file.write(block.T)
    peaks = {}
    for name, file in files.items():
        done = run_program(file, tmp_path / name)
        _, error = done.communicate(timeout=600)
        assert done.returncode == 0, error
        peaks[name] = int(error.rsplit("peak", 1)[1]) / 1024
    assert peaks["hour"] < peaks["minute"] + 100, peaks  # MB
    killed = tmp_path / "killed"
    running, part = run_program(files["hour"], killed), killed / "timeline.jsonl.part"
    while not (part.is_file() and part.read_bytes().count(b"\n") > 1500):
        assert running.poll() is None, running.stderr.read()
        time.sleep(0.02)
    running.kill()
    running.communicate()
    assert not (killed / "timeline.jsonl").exists()
    assert run_program(files["hour"], killed).wait(timeout=600) == 0
    whole = (tmp_path / "hour" / "timeline.jsonl").read_bytes()
    assert (killed / "timeline.jsonl").read_bytes() == whole
    _, *rows = [json.loads(line) for line in whole.splitlines()]
    assert len(rows) == HOUR_S - 1
    for event_s in EVENTS_S:
        near = [row for row in rows if not row["quiet"] and abs(row["start_s"] - event_s) < 60]
        shares = [row["events"].get("alarm", 0.0) for row in near]
        assert max(shares) > 0.5
        # The event is as long as a window, so the windows around it are heard as it from one before to one behind.
        middle_s = np.average([row["start_s"] for row in near], weights=shares)
        assert abs(middle_s - event_s) <= 1.0
    print(f"peak memory: {peaks['minute']:.0f} MB for a minute, {peaks['hour']:.0f} MB for an hour")
