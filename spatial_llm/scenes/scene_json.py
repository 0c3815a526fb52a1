"""Scenes as JSON values, and back."""

import json
from typing import Any

from pydantic import TypeAdapter, ValidationError

from spatial_llm.errors import SceneError
from spatial_llm.scenes.scene import Scene
from spatial_llm.scenes.scene_checks import check_scene
from spatial_llm.validation import describe_validation

_ADAPTER = TypeAdapter(Scene)


def scene_to_dict(scene: Scene) -> dict[str, Any]:
    """Returns the scene as plain JSON values, without fields that have their default; `scene_from_dict` reads it back."""
    return _ADAPTER.dump_python(scene, mode="json", exclude_defaults=True)


def scene_from_dict(value: dict[str, Any], where: str = "scene") -> Scene:
    """Returns a checked scene; `where` (file:line) starts every error message.

    Raises:
        SceneError: a field is missing, unknown, of another type or not finite, or its value is impossible (see
            `check_scene`); the field is named.
    """
    try:
        scene = _ADAPTER.validate_json(json.dumps(value))
    except ValidationError as error:
        raise SceneError(f"{where}: {describe_validation(error)}") from None
    check_scene(scene, where)
    return scene
