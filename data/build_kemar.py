"""Build the package data of the KEMAR HRTF from the SOFA file that Debian's libmysofa1 installs.

    apt-get download libmysofa1 && dpkg -x libmysofa1_*.deb mysofa
    python data/build_kemar.py mysofa/usr/share/libmysofa/MIT_KEMAR_normal_pinna.sofa

Writes spatial_llm/scenes/package_data/mit_kemar.npz (0.5 MB; the attribution stands beside it). Takes a second. Needs
h5py. The same file in gives the same bytes out: nothing in the archive depends on the time or the machine.

The data are 16-bit integers in the original, and the left and right ears mirror each other exactly, so the left ear
alone, as int16, is the whole data set; both facts are checked here and a file that breaks them is refused.
"""

import sys
from pathlib import Path

import h5py
import numpy as np

from spatial_llm.door import door
from spatial_llm.errors import SceneError
from spatial_llm.files import atomic_path, sha256_of
from spatial_llm.scenes.heads import hrtf

OUTPUT = Path(hrtf.__file__).parents[1] / "package_data" / hrtf.KEMAR_FILE
FULL_SCALE = 32768


def read_left_ear(sofa: Path) -> dict[str, np.ndarray]:
    """Reads the arrays of the package data: left (directions, taps) int16, azimuth_deg, elevation_deg, rate."""
    with h5py.File(sofa) as file:
        responses = file["Data.IR"][:]  # (directions, ears, taps); ear 0 is the left one by the data index
        position = file["SourcePosition"][:]  # (directions, [azimuth, elevation, distance])
        rate = int(file["Data.SamplingRate"][0])
    integers = np.round(responses * FULL_SCALE)
    if np.abs(integers - responses * FULL_SCALE).max() > 1e-6 or np.abs(integers).max() >= FULL_SCALE:
        raise SceneError(f"{sofa.name}: not 16-bit integers; expected MIT_KEMAR_normal_pinna.sofa of libmysofa1.")
    azimuth_deg, elevation_deg = position[:, 0], position[:, 1]
    mirrored = hrtf.left_right_partner(azimuth_deg, elevation_deg)
    if not np.array_equal(integers[:, 0], integers[mirrored, 1]):
        raise SceneError(f"{sofa.name}: the ears do not mirror each other; expected KEMAR's normal pinna, symmetric.")
    return {
        "left": integers[:, 0].astype(np.int16),
        "azimuth_deg": azimuth_deg.astype(np.float64),
        "elevation_deg": elevation_deg.astype(np.float64),
        "rate": np.int64(rate),
    }


def main() -> None:
    if len(sys.argv) not in (2, 3) or not Path(sys.argv[1]).is_file():
        sys.exit(__doc__)
    output = Path(sys.argv[2]) if len(sys.argv) == 3 else OUTPUT
    arrays = read_left_ear(Path(sys.argv[1]))
    with atomic_path(output) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
    directions, size = len(arrays["left"]), output.stat().st_size
    print(f"{output.name}: {directions} directions, {size} bytes, sha256 {sha256_of(output)}")


if __name__ == "__main__":
    with door("build_kemar"):
        main()
