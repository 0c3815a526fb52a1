"""Encodes a sound file of an array to a WAV file in ambisonics, with what holds in it beside it as JSON.

Files that `windows` reads in blocks are encoded in blocks, so that an hour takes no more memory than a minute.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from spatial_llm.audio.ambisonic_encoding import AmbisonicFilters, EncodingSettings, Steering, ambisonic_filters
from spatial_llm.audio.formats import Array, format_to_dict
from spatial_llm.audio.given import shown_path
from spatial_llm.audio.io import check_file
from spatial_llm.audio.limits import AudioLimits
from spatial_llm.audio.steering import steering
from spatial_llm.audio.windows import BLOCK, Blocks, iter_windows, open_blocks
from spatial_llm.errors import AudioError, OutputError
from spatial_llm.files import atomic_files, check_place, content_hash, write_json
from spatial_llm.provenance import provenance

MOST_OF_WAV = 2**32 - 2**16  # bytes of samples; more have RF64, its successor with 64-bit lengths
SUFFIX = ".wav"


def encode_file(
    recording: str | Path,
    format: Array,
    out: str | Path,
    settings: EncodingSettings,
    steering: Steering = steering,
    limits: AudioLimits | None = None,
) -> dict[str, Any]:
    """Encodes a recording to ambisonics in ACN/SN3D: 32-bit float samples, which clip nowhere, at the recording's own rate.

    Args:
        recording: sound file with one channel a microphone, in the order of the format.
        format: of the recording.
        out: WAV file to write; what holds in it is written to the same name with .json after it. Both or none are written.
        settings: see `EncodingSettings`.
        steering: transfer functions of the format, see `ambisonic_filters`.
        limits: how long and large the recording may be; None = any length.

    Returns:
        What the JSON file holds: the format, the recording, the microphones, the settings, and
        `EncodingValidity.to_dict`.

    Raises:
        AudioError: the recording cannot be read, has another number of channels than the array has microphones, or cannot be
            encoded (`check_encodable`); or the name of the result does not end in .wav, or is the recording's own.
        OutputError: it cannot be written.
    """
    out, limits = Path(out), limits or AudioLimits(max_seconds=float("inf"), max_bytes=2**50)
    if out.suffix.lower() != SUFFIX:
        raise AudioError(f"{out}: the result is a WAV file; give a name that ends in {SUFFIX}.")
    check_file(recording, format if isinstance(format, Array) else None, limits)
    if out.exists() and os.path.samefile(out, recording):
        raise AudioError(f"{out} is the recording itself; give the result another name.")
    written = [out, out.with_name(f"{out.name}.json")]
    for each in written:
        check_place(each)
    name = shown_path(recording)
    with open_blocks(recording, limits) as blocks:
        filters = ambisonic_filters(format, int(blocks.rate), settings, steering)
        facts = {
            "format": format_to_dict(filters.format),
            "sampling_rate": int(blocks.rate),
            "samples": blocks.frames,
            "recording": {"name": Path(recording).name, "sha256": content_hash(recording)},
            "microphone": format_to_dict(replace(format, sofa=format.sofa and Path(format.sofa).name)),
            "centre_m": [round(value, 6) for value in filters.centre_m],
            "settings": {"order": settings.order, "min_validity": settings.min_validity},
            "provenance": provenance(),
            **filters.validity.to_dict(format.tells),
        }
        with atomic_files(out.parent) as folder:
            _write(folder / out.name, out, filters, _windows(blocks, format, name), blocks)
            write_json(folder / written[1].name, facts)
    return facts


def _windows(blocks: Blocks, format: Array, name: str) -> Iterator[NDArray[np.float32]]:
    """Yields the samples of a recording in windows that follow each other, without the padding of the last."""
    left, length = blocks.frames, min(BLOCK, blocks.frames)
    for window in iter_windows(blocks, int(blocks.rate), length, length, format, name):
        yield window.waveform[:, : min(left, length)]
        left -= length


def _write(path: Path, out: Path, filters: AmbisonicFilters, blocks: Iterator[NDArray[np.float32]], read: Blocks) -> None:
    channels = filters.format.channels
    size = read.frames * channels * np.dtype(np.float32).itemsize
    try:
        with soundfile.SoundFile(
            path, "w", int(read.rate), channels, "FLOAT", format="RF64" if size > MOST_OF_WAV else "WAV"
        ) as file:
            for block in filters.encode_blocks(blocks):
                file.write(block.T)
    except (soundfile.LibsndfileError, AssertionError) as error:
        # libsndfile says little of a full disk, and soundfile then fails an assertion.
        raise OutputError.at(out, None, str(error) or "not all samples were written; the disk may be full") from None
