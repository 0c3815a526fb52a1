"""Reads files of scenes, one JSON object and one scene a line, and lists the files that scenes need."""

from collections.abc import Iterator
from pathlib import Path

from spatial_llm.data.paths import DataRoot, FileCheck
from spatial_llm.data.repeated_ids import RepeatedIds
from spatial_llm.errors import ManifestError, SceneError
from spatial_llm.jsonl import iter_jsonl
from spatial_llm.scenes.events import SYNTH_PREFIX
from spatial_llm.scenes.scene import Scene
from spatial_llm.scenes.scene_json import scene_from_dict


def read_scenes(path: str | Path) -> list[Scene]:
    """Returns the scenes of a JSONL file, one a line, in order. Raises ManifestError, see `iter_scenes`."""
    return [scene for _, scene in iter_scenes(path)]


def iter_scenes(path: str | Path) -> Iterator[tuple[int, Scene]]:
    """Yields the scenes of a file with their line numbers, checked one at a time. Errors about several scenes come at the
    end.

    Raises:
        ManifestError: a line is not a scene; at the end: there was none, ids occur twice, or files that scenes name are
            missing. File, line and field are named.
    """
    path = Path(path)
    files, ids = FileCheck(DataRoot(path.parent)), RepeatedIds(path)
    for number, line in iter_jsonl(path):
        where = f"{path}:{number}"
        try:
            scene = scene_from_dict(line, where)
        except SceneError as error:
            raise ManifestError(str(error)) from None
        check_dry_sounds(scene, where)
        ids.add(number, scene.id)
        for field, name in paths_of_scene(scene):
            files.add(where, field, name)
        yield number, scene
    ids.finish()
    files.finish()


def check_dry_sounds(scene: Scene, where: str) -> None:
    """Raises ManifestError, which begins with `where`, if a source is a file and the scene names no folder of sounds."""
    for index, source in enumerate(scene.sources):
        if not source.recording.startswith(SYNTH_PREFIX) and scene.sounds is None:
            raise ManifestError(
                f"{where}: sources[{index}].recording {source.recording!r} is a file; name its folder in 'sounds'."
            )


def paths_of_scene(scene: Scene) -> Iterator[tuple[str, str]]:
    """Yields (field, path relative to the file's folder) of every file or folder the scene needs."""
    yield from ((field, getattr(scene, field)) for field in ("bank", "sounds") if getattr(scene, field) is not None)
    if scene.format.sofa is not None:
        yield "format.sofa", scene.format.sofa
    for index, source in enumerate(scene.sources):
        if not source.recording.startswith(SYNTH_PREFIX):
            yield f"sources[{index}].recording", f"{scene.sounds}/{source.recording}"
