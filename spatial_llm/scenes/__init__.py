"""Rooms, heads and sounds: a described scene is simulated to a recording."""

from spatial_llm.audio.formats import AudioFormat, parse_format
from spatial_llm.scenes.bank import ResponseBank
from spatial_llm.scenes.events import EVENT_CLASSES, synthesize_event
from spatial_llm.scenes.heads.hrtf import kemar, read_sofa
from spatial_llm.scenes.scene import Listener, Noise, Room, Scene, Source
from spatial_llm.scenes.scene_json import scene_from_dict, scene_to_dict

__all__ = [
    "EVENT_CLASSES",
    "AudioFormat",
    "Listener",
    "Noise",
    "ResponseBank",
    "Room",
    "Scene",
    "Source",
    "kemar",
    "parse_format",
    "read_sofa",
    "scene_from_dict",
    "scene_to_dict",
    "synthesize_event",
]
