"""Small data sets in the exact layout of the DCASE and STARSS family, with invented labels and noise from the labelled
directions."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile

from spatial_llm.geometry import direction_to_vector

RATE = 24000
FRAME = 2400

# frame, class, source, azimuth, elevation, distance (cm)
Row = tuple[int, ...]


def frames(first: int, last: int, kind: int, source: int, azimuth: int, elevation: int, distance: int = 150) -> list[Row]:
    """The rows of a sound that keeps its place from one frame to another, both included."""
    return [(frame, kind, source, azimuth, elevation, distance) for frame in range(first, last + 1)]


def first_order(azimuth: float, elevation: float) -> np.ndarray:
    """W, Y, Z, X of a plane wave."""
    x, y, z = direction_to_vector(azimuth, elevation)
    return np.array([1.0, y, z, x])


def capsules(azimuth: float, elevation: float) -> np.ndarray:
    """Levels of four capsules: nearly the same, a little more towards the source, as on a sphere at low frequencies."""
    capsule = direction_to_vector([45, -45, 135, -135], [35, -35, -35, 35])
    return 1 + 0.05 * capsule @ direction_to_vector(azimuth, elevation)


def mid_side(azimuth: float, elevation: float) -> np.ndarray:
    """Left and right of a mid-side recording."""
    side = direction_to_vector(azimuth, elevation)[1]
    return np.array([1 + side, 1 - side]) / 2


ENCODERS = {"foa_dev": first_order, "mic_dev": capsules, "stereo_dev": mid_side}


def write_set(
    root: Path, labels: Mapping[str, list[Row]], audio: str = "foa_dev", columns: int = 6, seconds: float = 20.0
) -> Path:
    """Writes a data set and returns its folder; `labels`: by the path of a recording without its suffix, such as
    "dev-train-tau/fold3_room4_mix001"."""
    rng = np.random.default_rng(0)
    for name, rows in labels.items():
        encode = ENCODERS[audio]
        waveform = rng.normal(0, 20, (round(seconds * RATE), len(encode(0, 0))))
        for frame, _, _, azimuth, elevation, _ in rows:
            here = slice(frame * FRAME, min((frame + 1) * FRAME, len(waveform)))
            waveform[here] += rng.normal(0, 1500, (len(waveform[here]), 1)) * encode(azimuth, elevation)
        write_wav(root / audio / f"{name}.wav", waveform)
        write_csv(root / "metadata_dev" / f"{name}.csv", [row[:columns] for row in rows])
    return root


def write_stereo(root: Path, labels: Mapping[str, list[Row]]) -> Path:
    """Writes the stereo data set: 5 s, a header, azimuths behind folded to the front, no elevation."""
    write_set(root, labels, "stereo_dev", seconds=5.0)
    for name, rows in labels.items():
        lines = [(f, c, s, a if abs(a) <= 90 else int(np.sign(a) * 180 - a), d, 1) for f, c, s, a, _, d in rows]
        write_csv(root / "metadata_dev" / f"{name}.csv", lines, "frame,class,source,azimuth,distance,onscreen\n")
    return root


def write_wav(path: Path, waveform: np.ndarray) -> None:
    """Writes (samples, channels) in steps of 16 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, waveform.astype(np.int16), RATE, subtype="PCM_16")


def write_csv(path: Path, rows: list[Row], header: str = "") -> None:
    """Writes a label file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(header + "".join(",".join(map(str, row)) + "\n" for row in rows))
