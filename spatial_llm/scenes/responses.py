"""The responses of a drawn room: from each of its source positions to its listener, in several formats.

`room.arrivals` simulates how sound gets from a source to the listener, `microphones` what each format makes of it.
"""

from dataclasses import dataclass

import numpy as np

from spatial_llm.audio.formats import AudioFormat, Mono
from spatial_llm.errors import SceneError
from spatial_llm.scenes.microphones import receive
from spatial_llm.scenes.reception import check_arrivals, check_microphones
from spatial_llm.scenes.room.acoustics import rt60_s
from spatial_llm.scenes.room.arrivals import direct_to_reverberant_db, simulate_arrivals
from spatial_llm.scenes.room.sampling import RoomDraw


@dataclass(frozen=True, eq=False)
class RoomResponses:
    """What `simulate_responses` returns.

    responses: format name -> float32 (positions, channels, samples). rt60_s: T20 at the listener's point (mono), mean over
    the positions. drr_db: (positions) energy of the direct sound over that of all reflections.
    """

    responses: dict[str, np.ndarray]
    rt60_s: float
    drr_db: np.ndarray


def simulate_responses(draw: RoomDraw, formats: list[AudioFormat], sampling_rate: int) -> RoomResponses:
    """Responses of all positions of a room, `room.response_s` long, in each of the formats.

    Raises:
        SceneError: the room cannot be simulated (see `simulate_arrivals`), or not received in one of the formats (see
            `reception`), or its responses end before they have decayed.
    """
    room, listener = draw.room, draw.listener
    samples = round(room.response_s * sampling_rate)
    for format in formats:
        check_microphones(room, listener, format)
    arrivals = simulate_arrivals(room, listener.position_m, draw.positions_m)
    names = [f"room {room.id}, position {index}" for index in range(len(arrivals))]
    for format in formats:
        check_arrivals(arrivals, names, format, listener.heading_deg, sampling_rate, samples)
    decays = [rt60_s(receive(each, Mono(), 0.0, sampling_rate, samples), sampling_rate) for each in arrivals]
    if np.isnan(decays).all():
        raise SceneError(
            f"room {room.id} (absorption {room.absorption}, target_rt60_s {room.target_rt60_s}) has not decayed by 35 dB "
            f"after {room.response_s} s: raise duration_s or absorption."
        )
    responses = {
        format.name: np.stack([receive(each, format, listener.heading_deg, sampling_rate, samples) for each in arrivals])
        for format in formats
    }
    drr_db = np.array([direct_to_reverberant_db(each) for each in arrivals])
    return RoomResponses(responses, float(np.nanmean(decays)), drr_db)
