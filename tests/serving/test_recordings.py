"""Recordings are read in other processes as `listen` reads them; a process that hangs or dies takes nothing with it."""

import re
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from spatial_llm.audio.formats import Ambisonics
from spatial_llm.audio.io import prepare_waveform
from spatial_llm.errors import AudioError
from spatial_llm.serving import reader_process
from spatial_llm.serving.answering import Answerer
from spatial_llm.serving.app import Service
from spatial_llm.serving.arguments import ServeArguments
from spatial_llm.serving.reader_process import SPARE_BYTES, ReaderSettings
from spatial_llm.serving.recordings import ReaderProcess, Readers
from spatial_llm.serving.refusals import Refusal
from tests.audio.makers import make, sound
from tests.field_model import tiny_field
from tests.serving.running import WHAT, body

SETTINGS = ReaderSettings("binaural", "binaural", 32_000, 64_000, allow_mono=True, max_seconds=3)


@pytest.fixture(scope="module")
def reader():
    process = ReaderProcess(SETTINGS, 20)
    yield process
    process.close()


def test_windows_are_those_of_the_library_with_the_warnings(reader):
    for kind, samples in (("wav", 64_000), ("flac24", 32_000), ("wav_float", 80_000)):
        content = make(kind, sound(samples))
        window = reader.read(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            right = prepare_waveform(memoryview(content), None, 32_000, 64_000)
        np.testing.assert_array_equal(window.waveform, right)
        assert ("loudest window" in " ".join(window.warnings)) == (samples > 64_000)


def test_one_channel_is_heard_as_two_equal_ones_where_that_is_allowed(reader):
    window = reader.read(make("wav", sound(64_000, 1)))
    np.testing.assert_array_equal(window.waveform[0], window.waveform[1])
    assert "all channels of the recording are the same" in window.warnings[0]
    with pytest.raises(AudioError, match="2 channels needed, got 6"):
        reader.read(make("wav", sound(6000, 6)))
    with pytest.raises(AudioError, match="max_seconds is 3 s"):
        reader.read(make("flac", np.zeros((100_000, 2), np.float32)))


def program(tmp_path, monkeypatch, text: str) -> None:
    """Puts another program in the place of the reader."""
    (tmp_path / "other_reader.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(reader_process, "__name__", "other_reader")


IS_READY = "import sys, os, time, json\nsys.stdout.buffer.write(b'ready\\n')\nsys.stdout.flush()\n"
ANSWERS = """
sys.stdin.buffer.read(json.loads(sys.stdin.buffer.readline())["size"])
sys.stdout.buffer.write(b'{"shape": [1, 2], "warnings": []}\\n' + bytes(8))
"""


def test_a_process_that_hangs_or_dies_is_replaced(tmp_path, monkeypatch):
    readers = Readers(SETTINGS, 1, 1.0)
    content = make("wav", sound(64_000))
    with monkeypatch.context() as patch:
        program(tmp_path, patch, IS_READY + "time.sleep(60)")
        with pytest.raises(AudioError, match=r"cannot be decoded: the decoder did not end within 1 s"):
            readers.read(content)
        program(tmp_path, patch, IS_READY + "sys.stdin.buffer.readline(); os.abort()")
        with pytest.raises(AudioError, match=r"cannot be decoded: the decoder ended with status -6"):
            readers.read(content)
        program(tmp_path, patch, IS_READY + "print('no JSON', flush=True)\nsys.stdin.buffer.read()")
        with pytest.raises(AudioError, match="cannot be decoded"):
            readers.read(content)
    readers._all[0].seconds = 60
    assert readers.read(content).waveform.shape == (2, 64_000)
    readers.close()


def test_the_start_of_a_process_is_not_counted_as_decoding(tmp_path, monkeypatch):
    program(tmp_path, monkeypatch, f"import time; time.sleep(4)\n{IS_READY}{ANSWERS}")
    reader = ReaderProcess(SETTINGS, 3)
    begun = time.monotonic()
    assert reader.read(b"abc").waveform.shape == (1, 2) and time.monotonic() - begun > 4
    reader.close()


def test_a_process_that_cannot_be_started_is_told_as_that(tmp_path, monkeypatch):
    for text, words in (
        ("import time; time.sleep(60)", "was not ready within 1 s while it was started; try again later"),
        ("import os; os.abort()", "the process that decodes them ended with status -6 while it was started"),
        ("print('no such line', flush=True)\nimport time; time.sleep(60)", "ended with status -9 while it was started"),
    ):
        program(tmp_path, monkeypatch, text)
        with pytest.raises(Refusal, match=f"^no recording can be read now: .*{words}") as refused:
            ReaderProcess(SETTINGS, 60, start_seconds=60 if "status" in words else 1).read(b"abc")
        assert refused.value.status == 503 and refused.value.retry_after_s


def test_a_client_is_told_to_come_again_where_no_recording_can_be_read(tmp_path, monkeypatch):
    program(tmp_path, monkeypatch, "raise SystemExit(3)")
    service = Service(Answerer(tiny_field(), Ambisonics(1)), Readers(SETTINGS, 1, 60), "field", ServeArguments())
    with TestClient(service.app()) as client:
        response = client.post(
            "/v1/chat/completions", json=body(WHAT, make("wav", sound(64_000)), kind="wav", model="field")
        )
    said = response.json()["error"]
    assert response.status_code == 503 and response.headers["retry-after"] == "5"
    assert said["type"] == "server_error" and said["code"] == "no_reader" and "ended with status 3" in said["message"]


def test_memory_of_a_process_is_bounded(reader):
    reader.read(make("wav", sound(64_000)))
    limits = Path(f"/proc/{reader._process.pid}/limits").read_text()
    (most,) = re.findall(r"Max address space +(\d+)", limits)
    assert int(most) == 4 * SETTINGS.max_bytes + SPARE_BYTES
