"""Frame labels as DCASE has them: a CSV without header, one line for each source and frame of 100 ms in which it sounds.

Columns (DCASE 2023 and later): frame, class, source, azimuth and elevation in whole degrees (positive left and up), distance
in centimetres. `spatial-llm import-dcase` and `eval/events.py` read them.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spatial_llm.errors import SceneError
from spatial_llm.files import write_text
from spatial_llm.geometry import wrap_azimuth_deg
from spatial_llm.scenes.motion.track import places_of
from spatial_llm.scenes.scene import Scene

FRAME_S = 0.1


class Labelled(NamedTuple):
    """One source: its class, and its places (frames,) in the frames of these numbers (frames,)."""

    label: str
    frames: NDArray[np.int64]
    azimuth_deg: NDArray[np.float64]
    elevation_deg: NDArray[np.float64]
    distance_m: NDArray[np.float64]


def labelled_sources(scene: Scene, frame_s: float = FRAME_S, least: int = 0) -> list[Labelled]:
    """Returns the labels of a scene with its truth. A source is in every frame of which it sounds for half or more, at the
    place of the middle of the frame.

    Args:
        scene: with its truth.
        frame_s: seconds of a frame.
        least: a source that is heard is in so many frames at least (0 or 1): the one of its middle, where it sounds for
        less.
    """
    found = []
    for source, heard in zip(scene.sources, scene.truth.sources, strict=True):
        first, last = round(heard.onset_s / frame_s), round(heard.offset_s / frame_s)
        if last - first < least and heard.offset_s > heard.onset_s:
            first = int((heard.onset_s + heard.offset_s) / 2 / frame_s)
            last = first + 1
        frames = np.arange(first, last)
        middle_s = (frames + 0.5) * frame_s
        found.append(Labelled(source.label, frames, *places_of(scene.listener, source, middle_s)))
    return found


def write_frame_labels(sources: Iterable[Labelled], classes: Sequence[str], path: str | Path) -> None:
    """Writes frame labels, in order of frames; sources have their numbers in this order.

    Args:
        classes: names of classes; a class has the number of its place here.

    Raises:
        SceneError: a source is of another class.
    """
    number_of: Mapping[str, int] = {label: number for number, label in enumerate(classes)}
    lines = []
    for index, source in enumerate(sources):
        if source.label not in number_of:
            raise SceneError(
                f"{path}: source {index} is of class {source.label!r}, which is not among {', '.join(classes)}."
            )
        azimuth_deg = np.rint(wrap_azimuth_deg(source.azimuth_deg)).astype(int)
        azimuth_deg[azimuth_deg == 180] = -180  # DCASE counts from -180 to below 180
        whole = (np.rint(source.elevation_deg), np.maximum(np.rint(100 * source.distance_m), 1))
        places = zip(
            source.frames.tolist(), azimuth_deg.tolist(), *(each.astype(int).tolist() for each in whole), strict=True
        )
        lines += [(frame, number_of[source.label], index, *place) for frame, *place in places]
    write_text(Path(path), "".join(",".join(map(str, line)) + "\n" for line in sorted(lines)))
