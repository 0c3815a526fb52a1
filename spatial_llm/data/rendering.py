"""Makes a record's recording: read from its file, rendered from its scene, or convolved from the pairs of the released
data."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spatial_llm.audio.formats import BINAURAL, Array, AudioFormat, check_same
from spatial_llm.audio.io import Render, check_waveform, prepare_waveform, read_audio, resample
from spatial_llm.data.paths import DataRoot
from spatial_llm.data.records import Record
from spatial_llm.data.spatialsoundqa.pairs import render_pairs
from spatial_llm.errors import ManifestError, SpatialLLMError
from spatial_llm.files import below
from spatial_llm.scenes.render import render_scene


def render_record(record: Record, root: DataRoot | str | Path) -> np.ndarray:
    """Returns the recording of a record: float32 (channels of `record.format.internal`, samples) at `record.sampling_rate`.

    Args:
        record: from a manifest that was read.
        root: where its names start: the manifest's folder, or `Manifest.root`.

    Raises:
        ManifestError: the recording cannot be made; the record is named.
    """
    root = DataRoot.of(root)
    try:
        if record.audio is not None:
            waveform, rate = read_audio(root.path(record.audio), root.limits)
            waveform = record.format.to_internal(check_waveform(waveform, record.format, record.audio))
            return resample(waveform, rate, record.sampling_rate)
        if record.pairs is not None:
            return render_pairs(record, root)
        return render_scene(record.scene, root.folder)
    except (SpatialLLMError, OSError) as error:
        raise ManifestError(f"record {record.id!r}: {error}") from error


def heard_format(record: Record, root: DataRoot | str | Path) -> AudioFormat:
    """Returns the format in which `render_record` gives a recording; of an array with measured responses, with the path of
    their file from here.

    Raises:
        ManifestError: that file is outside `root`.
    """
    format = record.format.internal
    if not isinstance(format, Array) or format.sofa is None:
        return format
    return replace(format, sofa=str(below(DataRoot.of(root).folder, format.sofa)))


def load_waveform(
    record: Record,
    root: DataRoot | str | Path,
    sampling_rate: int,
    window_samples: int,
    format: AudioFormat = BINAURAL,
    render: Render | None = None,
) -> NDArray[np.float32]:
    """Returns the recording of one record, (channels, window_samples) float32 at `sampling_rate`.

    Args:
        record: a line of a manifest.
        root: where the record's names start: the manifest's folder, or `Manifest.root`.
        sampling_rate, window_samples, format: what the encoder takes.
        render: makes the recording one of that format, where its own is another; None refuses it.

    Raises:
        ManifestError: the recording cannot be made, or has another format; the message names the record and the reason.
    """
    try:
        own = record.format.internal
        if render is None:
            check_same(own, format)
        root = DataRoot.of(root)
        waveform = render_record(record, root)
        # Rendered at full scale 1, or a file whose scale was judged when it was read.
        return prepare_waveform(
            waveform,
            record.sampling_rate,
            sampling_rate,
            window_samples,
            root.limits,
            scale_known=True,
            format=format,
            given=own,
            warn_each=False,
            render=render,
        )
    except (SpatialLLMError, OSError) as error:
        raise ManifestError(f"record {record.id!r}: {error}") from error
