"""What a microphone receives of one source that moves, or of one that stands still around a listener who turns."""

import numpy as np
from numpy.typing import NDArray

from spatial_llm.audio.formats import AudioFormat
from spatial_llm.errors import SceneError
from spatial_llm.scenes.microphones import microphone_of
from spatial_llm.scenes.motion.early import early_images, early_part
from spatial_llm.scenes.motion.late import late_part
from spatial_llm.scenes.motion.travel import Way, headings_at, turned_back
from spatial_llm.scenes.reception import check_microphones, check_way
from spatial_llm.scenes.scene import Listener, Room, Source

CHECKED_S = 0.1  # between the directions that are compared with those of a head


def receive_moving(
    sound: NDArray, source: Source, room: Room, listener: Listener, format: AudioFormat, sampling_rate: int, response: int
) -> NDArray[np.float32]:
    """Returns the contribution of one source to a recording, (channels, samples).

    Args:
        sound: (samples,) as the source plays it, see `render.place`.
        response: samples of a response of the room.

    Raises:
        SceneError: a microphone is outside the room at some time, the head was not measured near a direction of the source,
            or a direction changes too fast.
    """
    path = source.path or ((0.0, source.position_m),)
    way = Way.of(path)
    microphone = microphone_of(format, sampling_rate)
    times_s = np.arange(0.0, len(sound) / sampling_rate, CHECKED_S)
    headings_deg = headings_at(listener.headings, listener.heading_deg, times_s)
    for heading_deg in np.unique(headings_deg.round(1)):
        check_microphones(room, Listener(listener.position_m, float(heading_deg)), format)
    try:
        check_way(
            turned_back(way.at(times_s) - np.array(listener.position_m), headings_deg), microphone, response, sampling_rate
        )
        early = early_part(sound, early_images(room), way, listener, microphone, sampling_rate)
    except SceneError as error:
        raise SceneError(f"{source.label!r}: {error}") from None
    return early + late_part(sound, room, way, listener, microphone, sampling_rate, response)
