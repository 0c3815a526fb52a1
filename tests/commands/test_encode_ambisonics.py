"""`spatial-llm encode-ambisonics`: the files that it writes, what it prints, and what it refuses in words."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spatial_llm.audio.io import read_audio
from spatial_llm.cli import main

RATE = 16_000
CORNERS = [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]
POSITIONS_M = [[0.02425 * axis for axis in corner] for corner in CORNERS]
SECONDS, MEGABYTES = (120, 360), 2**20


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    noise = 0.1 * np.random.default_rng(0).standard_normal((4000, 4))
    soundfile.write(tmp_path / "recording.wav", noise, RATE)
    (tmp_path / "microphone.yaml").write_text(f"kind: array\npositions_m: {json.dumps(POSITIONS_M)}\n")
    return tmp_path / "recording.wav"


def test_a_recording_and_a_microphone_file_become_ambisonics(recording, capsys):
    out = recording.with_name("foa.wav")
    microphone = str(recording.with_name("microphone.yaml"))
    assert main(["encode-ambisonics", str(recording), "--microphone", microphone, "--order", "1", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert (
        "W holds from 0 to 3297 Hz." in printed
        and "Directions of single sources are within 5 degrees from 141 to" in printed
    )
    assert f"written: {out}, {out}.json" in printed
    assert read_audio(out)[0].shape == (4, 4000)
    everything = ["encode-ambisonics", str(recording), "--microphone", microphone, "--out", str(out), "--min_validity", "0"]
    assert main(everything) == 0
    assert "W holds from 0 to 8000 Hz." in capsys.readouterr().out
    assert json.loads(Path(f"{out}.json").read_text())["settings"] == {"order": 1, "min_validity": 0.0}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--order", "2"], "order 2 needs 9 microphones or more in space"),
        (["--order", "0"], "order is 0; give a whole number, 1 to 3."),
        (["--min_validity", "1.5"], "min_validity is 1.5; give a number, 0 to 1."),
        (["--microphone", "foa"], "ambisonics1 is not encoded to ambisonics; give an array"),
        (["--microphone", "array:[[0, 0, 0], [0, 0.1, 0]]"], "recording.wav: 2 channels needed, got 4"),
        (["--microphone", "none.yaml"], "none.yaml: no such file"),
    ],
)
def test_what_does_not_fit_is_one_sentence(options, said, recording, capsys):
    argv = ["encode-ambisonics", str(recording), "--microphone", str(recording.with_name("microphone.yaml"))]
    assert main([*argv, "--out", str(recording.with_name("foa.wav")), *options]) == 1
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not list(recording.parent.glob("foa*"))


PROGRAM = """
import sys
from spatial_llm.cli import main
ended = main(sys.argv[1:])
print("peak", [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")][0], file=sys.stderr)
sys.exit(ended)
"""


@pytest.mark.slow  # minutes of sound
def test_a_long_recording_takes_no_more_memory_than_a_short_one(recording):
    block = soundfile.read(recording)[0]
    long = recording.with_name("long.wav")
    with soundfile.SoundFile(long, "w", RATE, 4) as file:
        for _ in range(SECONDS[1] * RATE // len(block)):
            file.write(block)
    short = recording.with_name("short.wav")
    soundfile.write(short, soundfile.read(long, SECONDS[0] * RATE)[0], RATE)
    peaks = []
    for each in (short, long):
        argv = ["encode-ambisonics", str(each), "--microphone", str(recording.with_name("microphone.yaml"))]
        argv += ["--out", str(recording.with_name("foa.wav"))]
        done = subprocess.run([sys.executable, "-c", PROGRAM, *argv], capture_output=True, text=True, check=True)
        peaks.append(1024 * int(done.stderr.split("peak")[1].split()[0]))
    assert peaks[1] < peaks[0] + 20 * MEGABYTES, "the longer result has 60 MB more"
