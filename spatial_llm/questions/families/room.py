"""Asks about the room: reverberation time, size, dry or reverberant. Only for scenes whose room is known."""

from itertools import pairwise

from spatial_llm.answers import format_rt60_range
from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene
from spatial_llm.questions.family import Family
from spatial_llm.questions.wordings import Wordings

RT60 = Wordings(  # {bands}: "below 0.3 s, 0.3 to 0.6 s or above 0.6 s"
    both=(
        "What is the reverberation time of the room: {bands}?",
        "In which range is the RT60 of this room: {bands}?",
        "How long does the room reverberate (RT60): {bands}?",
    ),
    train=(
        "Choose the room's reverberation time: {bands}.",
        "Is the reverberation time (RT60) {bands}?",
    ),
    eval=(
        "Until sound has decayed by 60 dB, how long does it take here: {bands}?",
        "Name the range of the RT60: {bands}.",
    ),
)
SIZE = Wordings(
    both=(
        "Is the room small or large?",
        "Was this recorded in a large room or in a small one?",
        "What size is the room, small or large?",
    ),
    train=(
        "Do you hear a large or a small room?",
        "Does the room sound small or large?",
    ),
    eval=(
        "Judging by ear, is the space large or small?",
        "Would you call the room small or large?",
    ),
)
REVERBERATION = Wordings(
    both=(
        "Is the room dry or reverberant?",
        "Does the room sound reverberant or dry?",
        "What is the acoustics of the room, dry or reverberant?",
    ),
    train=(
        "Do you hear a reverberant or a dry room?",
        "Was this recorded in a dry or in a reverberant room?",
    ),
    eval=(
        "Judging by ear, is the space reverberant or dry?",
        "Would you call the acoustics dry or reverberant?",
    ),
)


def rt60_band(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks for the band of the reverberation time; not near a border."""
    borders_s, margin = asker.margins.rt60_bands_s, asker.margins.rt60_margin
    if scene.rt60_s is None or any(abs(scene.rt60_s - border) < margin * border for border in borders_s):
        return None
    bands = list(pairwise([0.0, *borders_s, None]))
    band = bands[sum(scene.rt60_s > border for border in borders_s)]
    *first, last = [format_rt60_range(each) for each in bands]
    return asker.ask_even("ROOM_RT60", RT60, {"rt60_range_s": list(band)}, About(), bands=f"{', '.join(first)} or {last}")


def room_size(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks whether the room is small or large; not in between."""
    small_m3, large_m3 = asker.margins.small_below_m3, asker.margins.large_above_m3
    if scene.volume_m3 is None or small_m3 <= scene.volume_m3 <= large_m3:
        return None
    truth = {"room_size": "small" if scene.volume_m3 < small_m3 else "large"}
    return asker.ask_even("ROOM_SIZE", SIZE, truth, About())


def reverberation(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks whether the room is dry or reverberant; not in between."""
    dry_s, reverberant_s = asker.margins.dry_below_s, asker.margins.reverberant_above_s
    if scene.rt60_s is None or dry_s <= scene.rt60_s <= reverberant_s:
        return None
    truth = {"reverberation": "dry" if scene.rt60_s < dry_s else "reverberant"}
    return asker.ask_even("ROOM_REVERB", REVERBERATION, truth, About())


FAMILY = Family(
    "room",
    {"ROOM_RT60": "rt60_range", "ROOM_SIZE": "room_size", "ROOM_REVERB": "reverberation"},
    (RT60, SIZE, REVERBERATION),
    ask=(rt60_band, room_size, reverberation),
    needs=("room",),
)
