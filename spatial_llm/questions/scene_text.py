"""Writes a scene in words, so that a language model can learn the questions before it gets any audio."""

from spatial_llm.answers import format_location, format_number, format_seconds
from spatial_llm.questions.facts import HeardScene, HeardSource


def scene_to_text(scene: HeardScene, everything: bool = False) -> str:
    """Returns all facts behind the answers of A, B, C and D: "bell: left, front, below; 2.5m | rain: right, ...".

    everything: also the facts behind our own families: "bell: left, front, below; 2.5m, azimuth 35, elevation -12, distance
    2.4m, from 0.3 s to 1.9 s | ... | room: RT60 0.45 s, 80 cubic meters"; unknown facts are left out.
    """
    parts = [f"{source.label}: {format_location(source.location)}" for source in scene.sources]
    if everything:
        parts = [f"{part}, {_in_numbers(source)}" for part, source in zip(parts, scene.sources, strict=True)]
        room = [] if scene.rt60_s is None else [f"RT60 {format_seconds(round(scene.rt60_s, 2))}"]
        room += [] if scene.volume_m3 is None else [f"{round(scene.volume_m3)} cubic meters"]
        parts += [f"room: {', '.join(room)}"] if room else []
    return " | ".join(parts)


def _in_numbers(source: HeardSource) -> str:
    text = f"azimuth {source.whole_azimuth_deg:.0f}, elevation {round(source.elevation_deg)}, "
    text += f"distance {format_number(round(source.distance_m, 1))}m"
    if source.onset_s is not None and source.offset_s is not None:
        text += f", from {format_seconds(round(source.onset_s, 1))} to {format_seconds(round(source.offset_s, 1))}"
    return text
