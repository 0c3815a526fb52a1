"""Real sound: recorded clips through the measured head, through `ask` and through every recipe.

The clips lie outside the checkout; without them these tests are skipped.
"""

import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch
import yaml

from spatial_llm import SpatialLLM, SpatialLLMForConditionalGeneration
from spatial_llm.audio.io import read_audio
from spatial_llm.audio.level import rms_dbfs
from spatial_llm.scenes.heads.hrtf import kemar
from spatial_llm.scenes.render import render
from spatial_llm.testing import tiny_config, tiny_processor

CONFIGS = "tests/doors/configs"


@pytest.fixture(scope="module")
def bark(shared_audio):
    """One recorded bark, mono, at 32 kHz."""
    waveform, rate = read_audio(sorted((shared_audio / "dry" / "bark").glob("*.ogg"))[0])
    assert rate == 32_000
    return waveform[0]


@pytest.mark.parametrize(("azimuth_deg", "near"), [(90.0, 0), (-90.0, 1)])
def test_a_real_clip_through_the_measured_head_goes_through_ask(bark, tmp_path, azimuth_deg, near):
    hrtf = kemar(32_000)
    direction = np.array([0.0, np.sin(np.deg2rad(azimuth_deg)), 0.0])
    response = hrtf.responses[hrtf.nearest(direction[None])[0]]
    waveform = render([bark], [response], 64_000)
    assert rms_dbfs(waveform[near]) > rms_dbfs(waveform[1 - near]) + 6  # the near ear hears it louder
    torch.manual_seed(0)
    model = SpatialLLM(SpatialLLMForConditionalGeneration(tiny_config("spatial_llm")), tiny_processor())
    path = tmp_path / "bark.wav"
    soundfile.write(path, waveform.T, 32_000, subtype="FLOAT")
    with pytest.warns(UserWarning, match="the loudest window"):  # the tiny model hears less than 2 s
        from_file = model.ask(path, "Where is the sound of the bark coming from?")
        from_array = model.ask(waveform, "Where is the sound of the bark coming from?", sampling_rate=32_000)
    assert from_file == from_array and isinstance(from_file, str)


@pytest.mark.slow
def test_recorded_sounds_go_through_the_whole_demonstration(repository, shared_audio, tmp_path):
    """Simulation, both trainings, evaluation and `ask`, in seconds of training, on the index of recorded clips."""
    data = yaml.safe_load((repository / CONFIGS / "data.yaml").read_text())
    data["simulation"]["sounds"] = {"index": str(shared_audio / "dry" / "index.csv")}
    (tmp_path / "dry.yaml").write_text(yaml.safe_dump(data))
    runs = tmp_path / "runs"
    options = ["--runs", str(runs), "--configs", CONFIGS, "--data_config", str(tmp_path / "dry.yaml")]
    command = ["recipes/demo_train.py", *options]
    done = subprocess.run([sys.executable, *command], cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("answer: ") == 3
    manifest = (runs / "data" / "train.jsonl").read_text()
    assert ".ogg" in manifest and "synth:" not in manifest
    model = SpatialLLM.from_pretrained(runs / "bat" / "model")
    assert isinstance(model.ask(runs / "unseen.wav", "Enumerate the sound occurrences in the audio clip."), str)
