"""Writes a scene in words, so that a language model can learn the questions before it gets any audio."""

from spatial_llm.answers import format_location, format_number, format_seconds
from spatial_llm.geometry import wrap_azimuth_deg
from spatial_llm.questions.facts import HeardScene, HeardSource
from spatial_llm.scenes.motion.track import TRACK_HZ, Track

EACH = round(TRACK_HZ)  # places of a track from one that is told to the next: one a second


def scene_to_text(scene: HeardScene, everything: bool = False) -> str:
    """Returns all facts behind the answers of A, B, C and D: "bell: left, front, below; 2.5m | rain: right, ...".

    everything: also the facts behind our own families: "bell: left, front, below; 2.5m, azimuth 35, elevation -12, distance
    2.4m, from 0.3 s to 1.9 s | ... | room: RT60 0.45 s, 80 cubic meters"; unknown facts are left out. Where something moves,
    each source has its place each second of its sound, and the listener his headings: "bell: moves, at 0.3 s azimuth 35,
    elevation -12, distance 2.4m; at 1.3 s ... | listener: turned by 0 at 1 s, 90 at 2.5 s".
    """
    if scene.tracks:
        parts = [_in_motion(source, track) for source, track in zip(scene.sources, scene.tracks, strict=True)]
    else:
        parts = [f"{source.label}: {format_location(source.location)}" for source in scene.sources]
    if everything:
        if not scene.tracks:
            parts = [f"{part}, {_in_numbers(source)}" for part, source in zip(parts, scene.sources, strict=True)]
        turned = [f"{_in_degrees(heading_deg)} at {_at(time_s)}" for time_s, heading_deg in scene.headings]
        parts += [f"listener: turned by {', '.join(turned)}"] if turned else []
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


def _in_motion(source: HeardSource, track: Track | None) -> str:
    if track is None:
        return f"{source.label}: not heard"
    last = len(track.times_s) - 1
    indices = [*range(0, last, EACH), last]
    places = [
        f"at {_at(track.times_s[index])} azimuth {_in_degrees(wrap_azimuth_deg(track.azimuth_deg[index]))}, elevation "
        f"{_in_degrees(track.elevation_deg[index])}, distance {format_number(round(float(track.distance_m[index]), 1))}m"
        for index in indices
    ]
    return f"{source.label}: {'moves' if track.moves else 'stands still'}, {'; '.join(places)}"


def _at(time_s: float) -> str:
    return format_seconds(round(float(time_s), 1))


def _in_degrees(angle_deg: float) -> str:
    return format_number(round(float(angle_deg)))
