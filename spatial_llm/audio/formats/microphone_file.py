"""The description of a microphone in a file of its own, which is given in place of a format's text.

    kind: array                       # any kind of `FORMATS`
    positions_m: [[0.04, 0.0, 0.0], [-0.04, 0.0, 0.0]]      # x front, y left, z up, metres; of the kind array
    sphere_radius_m: 0.04             # of the rigid sphere that they are on, if they are
    sofa: array.sofa                  # or measured responses, relative to this file; it may stand in for positions_m

YAML or JSON, with the fields of `format_from_dict`.
"""

import itertools
import math
import warnings
from pathlib import Path
from typing import Any

from spatial_llm.audio.formats import FORMATS, Array, AudioFormat, format_from_dict
from spatial_llm.errors import AudioError, SceneError, SpatialLLMError
from spatial_llm.settings import read_yaml

SAME_PLACE_M = 1e-4  # nearer to each other than this, two microphones are one
WIDE_M, WIDEST_M = 1.0, 10.0  # an array of this extent is asked about, and refused: metres are centimetres then
MOST_BYTES = 2**20


def read_microphone(path: str | Path) -> AudioFormat:
    """Reads the format that a file describes (see the module); a `sofa` of it is returned as a path from here.

    Raises:
        AudioError: there is no such file, it is no YAML or JSON, has a field that its kind does not have, lacks one, or
            describes a microphone that cannot be: coordinates that are no finite numbers, two microphones at one place, or
            an array of more than 10 m. One of more than 1 m causes a warning.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise AudioError("no such file; give a YAML or JSON file that describes a microphone.")
        if path.stat().st_size > MOST_BYTES:
            raise AudioError(f"{path.stat().st_size} bytes are no description of a microphone; give a YAML or JSON file.")
        fields = read_yaml(path).content
        if fields.get("kind") not in list(FORMATS):
            raise AudioError(f"kind is {fields.get('kind')!r}; give one of {', '.join(FORMATS)}.")
        format = format_from_dict(_with_sofa(fields, path))
        if isinstance(format, Array):
            _check_places(format, path)
    except SpatialLLMError as error:
        text = str(error)
        raise AudioError(text if text.startswith(f"{path}:") else f"{path}: {text}") from None
    return format


def _with_sofa(fields: dict[str, Any], path: Path) -> dict[str, Any]:
    """Returns the fields with the SOFA file's path from here, and for an array its positions where the file has none."""
    sofa = fields.get("sofa")
    if not isinstance(sofa, str):
        return fields
    if not (found := path.parent / sofa).is_file():
        raise AudioError(f"sofa is {sofa!r}; there is no such file relative to this one.")
    fields = fields | {"sofa": str(found)}
    if fields["kind"] != Array.kind or fields.get("positions_m") is not None:
        return fields
    from spatial_llm.audio.sofa_fields import read_fields, receivers_m  # its library takes half a second to import

    try:
        shape, places_m = read_fields(
            found, "impulse responses of an array", lambda each: (each.shape("Data_IR"), receivers_m(each))
        )
    except SceneError as error:
        raise AudioError(str(error)) from None
    if places_m is None:
        raise AudioError(
            f"{sofa} has responses of shape {shape} and no ReceiverPosition (microphones, 3) for them; give positions_m."
        )
    return fields | {"positions_m": places_m.tolist()}


def _check_places(array: Array, path: Path) -> None:
    apart_m = [
        (math.dist(one, other), first, second)
        for (first, one), (second, other) in itertools.combinations(enumerate(array.positions_m), 2)
    ]
    for distance_m, first, second in apart_m:
        if distance_m < SAME_PLACE_M:
            raise AudioError(
                f"microphones {first} and {second} are both at {list(array.positions_m[first])}; give each its own place."
            )
    extent_m = max((distance_m for distance_m, _, _ in apart_m), default=0.0)
    said = f"the microphones are up to {extent_m:g} m apart; are the coordinates in centimetres? They are read as metres"
    if extent_m > WIDEST_M:
        raise AudioError(f"{said}, and an array of more than {WIDEST_M:g} m is refused.")
    if extent_m > WIDE_M:
        warnings.warn(f"{path}: {said}.", stacklevel=3)
