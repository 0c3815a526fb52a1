"""What comes with the package and needs no download: a small model by its name, and three recordings to ask it about.

    shipped/<name>/             a saved SpatialLLM; its weights may be stored in float16 and are loaded as float32
    shipped/recordings/*.flac   2 s, 32 kHz, two channels (left ear first), 16 bit
    shipped/recordings/scenes.jsonl   their content, one Scene with its truth a line; its id is the file's name

Note: the name of a shipped model may also be the name of a folder. A local folder of that name that holds a model
(config.json) is used instead, as it is for a name on a hub; a folder without a model changes nothing.
"""

import os
from importlib import resources
from pathlib import Path

_HERE = Path(str(resources.files("spatial_llm.shipped")))
RECORDINGS = _HERE / "recordings"
SCENES = RECORDINGS / "scenes.jsonl"


def shipped_models() -> dict[str, Path]:
    """Returns the folders of the models that come with the package, by name."""
    return {config.parent.name: config.parent for config in sorted(_HERE.glob("*/config.json"))}


def is_shipped(folder: str | os.PathLike) -> bool:
    """Returns whether `folder` is that of a shipped model, given by name or as a path."""
    try:
        return os.path.realpath(find_model(folder)) in {os.path.realpath(path) for path in shipped_models().values()}
    except ValueError:  # no file can have this name
        return False


def find_model(folder: str | os.PathLike) -> str | os.PathLike:
    """Returns the folder of the shipped model of that name, unless a local folder of the name holds a model; any other value
    is returned unchanged."""
    name = os.fspath(folder)
    if os.path.isfile(os.path.join(name, "config.json")):
        return folder
    return shipped_models().get(name, folder)
