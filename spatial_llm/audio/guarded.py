"""Decodes in a separate process the containers that this package does not check: it can be killed, and its memory is
bounded.

This costs about a quarter of a second a file, so common containers, whose headers are walked, do without it. The module is
also the program of that process: run as a script it reads standard input and imports nothing of this library.
"""

import json
import os
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING

import numpy as np
import soundfile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spatial_llm.audio.containers import Sound, Source
    from spatial_llm.audio.limits import AudioLimits

SECONDS = 20.0  # to decode one file
SPARE_BYTES = 2**30  # memory that the process may use in addition to the samples


def decode_guarded(source: "Source", sound: "Sound", limits: "AudioLimits") -> "tuple[NDArray[np.float32], int]":
    """Returns all samples (samples, channels) float32 and the rate, as libsndfile decodes them in another process.

    Raises:
        AudioError: the file cannot be read, is beyond the limits, or the process does not end in time.
    """
    from spatial_llm.audio.limits import check_rate

    command = [sys.executable, "-P", __file__, str(int(min(limits.max_bytes, 2**40)))]
    os.lseek(source.file.fileno(), 0, os.SEEK_SET)  # the descriptor itself, which seek() of a buffered file may leave
    try:
        done = subprocess.run(command, stdin=source.file, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise source.damaged(sound.container, f"the decoder did not end within {SECONDS:g} s") from None
    head, _, body = done.stdout.partition(b"\n")
    try:
        told = json.loads(head)
    except ValueError:
        raise source.damaged(sound.container, f"the decoder ended with status {done.returncode}") from None
    if "error" in told:
        raise source.error(sound.otherwise) if sound.otherwise else source.damaged(sound.container, told["error"])
    for note in sound.notes:
        warnings.warn(f"{source.name}: {note}.", stacklevel=6)
    frames, channels, rate = told["frames"], told["channels"], told["rate"]
    check_rate(rate, source.name)
    limits.check(frames, channels, rate, source.name)
    samples = np.frombuffer(body, np.float32).reshape(-1, channels)
    if len(samples) < frames:
        raise source.damaged(sound.container, f"it promises {frames} samples, {len(samples)} could be decoded")
    return samples.copy(), rate


def main(max_bytes: int) -> None:
    """Reads the sound file at standard input; writes a line of JSON and, if it is within the limit, the samples."""
    try:
        import resource

        most = 4 * max_bytes + SPARE_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    except (ImportError, ValueError, OSError):
        pass  # this system has no such limits; the time limit still holds
    out = sys.stdout.buffer
    try:
        with soundfile.SoundFile(0, closefd=False) as file:
            if file.format in ("MP3", "RAW"):  # the library's walkers ruled MP3 out, and RAW is a guess without evidence
                raise RuntimeError("no sound")
            told = {"frames": file.frames, "channels": file.channels, "rate": file.samplerate}
            fits = 0 < file.frames * file.channels * 4 <= max_bytes
            samples = file.read(file.frames, dtype="float32", always_2d=True) if fits else np.empty(0, np.float32)
    except (soundfile.LibsndfileError, RuntimeError, MemoryError) as error:
        told, samples = {"error": f"it cannot be decoded ({error})"}, np.empty(0, np.float32)
    out.write(json.dumps(told).encode() + b"\n")
    out.write(samples.tobytes())


if __name__ == "__main__":
    main(int(sys.argv[1]))
