"""The data sets of the DCASE and STARSS family: one line each, with what its files hold and what its labels tell.

All label frames of 100 ms in CSV files (frame, class, source, direction ...) beside audio of 24 kHz, azimuth
counter-clockwise from the front. Sources: the description of each data set at its Zenodo record, which is named below.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spatial_llm.errors import ManifestError
from spatial_llm.geometry import direction_to_vector

FRAME_S = 0.1
_STARSS = (
    "female speech", "male speech", "clapping", "telephone", "laughter", "domestic sounds", "footsteps", "door", "music",
    "musical instrument", "water tap", "bell", "knock",
)  # fmt: skip
_NIGENS_2020 = (
    "alarm", "crying baby", "crash", "barking dog", "running engine", "female scream", "female speech", "burning fire",
    "footsteps", "knocking on door", "male scream", "male speech", "ringing phone", "piano",
)  # fmt: skip
_NIGENS_2021 = tuple(label for label in _NIGENS_2020 if label not in ("running engine", "burning fire"))
_SPHERE_M = 0.042
_CAPSULES_DEG = ((45, 35), (-45, -35), (135, -35), (-135, 35))  # azimuth, elevation
_PLACED = ("frame", "class", "source", "azimuth", "elevation")
_FAR = (*_PLACED, "distance")
_STEREO = ("frame", "class", "source", "azimuth", "distance", "onscreen")
VALIDATION = "validation"


def _capsules() -> str:
    """Returns the format of four microphones on a rigid sphere as a text."""
    azimuths_deg, elevations_deg = np.transpose(_CAPSULES_DEG)
    positions_m = np.round(direction_to_vector(azimuths_deg, elevations_deg, _SPHERE_M), 9).tolist()
    return "array:" + json.dumps({"positions_m": positions_m, "sphere_radius_m": _SPHERE_M})


@dataclass(frozen=True)
class DataSet:
    """Describes one data set in one format.

    Attributes:
        audio: folder of its recordings.
        format: of these, as a text.
        channels: their number.
        columns: of its CSV files, in order; with a header where `header` is true.
        classes: names of the classes, in the order of their numbers.
        splits: fold, the number after "fold" in the names of files -> "train", "eval" or "validation".
        window_s: usual length of a recording in a manifest.
        family: whose rooms and recordings these are: derived sets share them.
        rooms_of_fold: whether rooms are numbered within a fold.
        actors: whether a source number stands for one actor through a recording; if not, for one event.
        complete: whether all that sounds is annotated.
        folded: whether azimuths behind are given as those of their mirror image ahead.
        licence: of its audio, and where it is published.
    """

    audio: str
    format: str
    channels: int
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    splits: Mapping[int, str]
    licence: str
    family: str = "starss"
    window_s: float = 10.0
    header: bool = False
    rooms_of_fold: bool = False
    actors: bool = True
    complete: bool = False
    folded: bool = False

    @property
    def most_azimuth_deg(self) -> float:
        """Returns the largest azimuth that its labels can have."""
        return 90.0 if self.folded else 180.0


_FOLDS = {3: "train", 4: "eval"}
_FOLDS_2020 = {1: "eval", 2: VALIDATION, 3: "train", 4: "train", 5: "train", 6: "train"}
_FOLDS_2021 = {1: "train", 2: "train", 3: "train", 4: "train", 5: VALIDATION, 6: "eval"}
_MIT22, _MIT23 = "MIT; Zenodo 6600531", "MIT; Zenodo 7880637"
_OF_STARSS23 = "see Zenodo 15087603; derived from STARSS23, which is MIT"
_NC20, _NC21 = "not for commercial use; see Zenodo 4064792", "not for commercial use; see Zenodo 5476980"
_NIGENS = {"family": "tau-nigens", "rooms_of_fold": True, "actors": False}
_MIC = _capsules()

DATA_SETS: dict[str, DataSet] = {
    "starss23-foa": DataSet("foa_dev", "foa", 4, _FAR, _STARSS, _FOLDS, _MIT23),
    "starss23-mic": DataSet("mic_dev", _MIC, 4, _FAR, _STARSS, _FOLDS, _MIT23),
    "starss22-foa": DataSet("foa_dev", "foa", 4, _PLACED, _STARSS, _FOLDS, _MIT22),
    "starss22-mic": DataSet("mic_dev", _MIC, 4, _PLACED, _STARSS, _FOLDS, _MIT22),
    "dcase2025-stereo": DataSet(
        "stereo_dev", "stereo_ms", 2, _STEREO, _STARSS, _FOLDS, _OF_STARSS23, window_s=5.0, header=True, folded=True
    ),
    "tau-nigens2020-foa": DataSet("foa_dev", "foa", 4, _PLACED, _NIGENS_2020, _FOLDS_2020, _NC20, **_NIGENS, complete=True),
    "tau-nigens2020-mic": DataSet("mic_dev", _MIC, 4, _PLACED, _NIGENS_2020, _FOLDS_2020, _NC20, **_NIGENS, complete=True),
    "tau-nigens2021-foa": DataSet("foa_dev", "foa", 4, _PLACED, _NIGENS_2021, _FOLDS_2021, _NC21, **_NIGENS),
    "tau-nigens2021-mic": DataSet("mic_dev", _MIC, 4, _PLACED, _NIGENS_2021, _FOLDS_2021, _NC21, **_NIGENS),
}


def labels_of_classes(classes: Sequence[str], with_distance: bool) -> DataSet:
    """Returns what label files of one's own hold, which are written as DCASE's are: no header, frame, class, source,
    azimuth, elevation, and distance where they have one.

    Args:
        classes: names of the classes, in the order of their numbers.
        with_distance: whether there is a sixth column.
    """
    return DataSet("", "foa", 4, _FAR if with_distance else _PLACED, tuple(classes), {}, "")


def data_set(name: str) -> DataSet:
    """Returns a data set by its name. Raises ManifestError if there is none of this name."""
    if name not in DATA_SETS:
        raise ManifestError(f"data_set is {name!r}; expected one of {', '.join(DATA_SETS)}.")
    return DATA_SETS[name]
