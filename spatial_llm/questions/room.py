"""What the room is like: reverberation time, size, dry or reverberant. Asked only where it is known."""

from itertools import pairwise

from spatial_llm.answers import format_rt60_range
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene


def rt60_band(asker: Asker, scene: HeardScene) -> Question | None:
    """The band of the reverberation time; not near a border."""
    borders_s, margin = asker.config.rt60_bands_s, asker.config.rt60_margin
    if scene.rt60_s is None or any(abs(scene.rt60_s - border) < margin * border for border in borders_s):
        return None
    ends = [0.0, *borders_s, None]
    bands = list(pairwise(ends))
    band = bands[sum(scene.rt60_s > border for border in borders_s)]
    *first, last = [format_rt60_range(each) for each in bands]
    return asker.ask_even("ROOM_RT60", {"rt60_range_s": list(band)}, bands=f"{', '.join(first)} or {last}")


def room_size(asker: Asker, scene: HeardScene) -> Question | None:
    """Small or large; not in between."""
    config = asker.config
    if scene.volume_m3 is None or config.small_below_m3 <= scene.volume_m3 <= config.large_above_m3:
        return None
    return asker.ask_even("ROOM_SIZE", {"room_size": "small" if scene.volume_m3 < config.small_below_m3 else "large"})


def reverberation(asker: Asker, scene: HeardScene) -> Question | None:
    """Dry or reverberant; not in between."""
    config = asker.config
    if scene.rt60_s is None or config.dry_below_s <= scene.rt60_s <= config.reverberant_above_s:
        return None
    return asker.ask_even("ROOM_REVERB", {"reverberation": "dry" if scene.rt60_s < config.dry_below_s else "reverberant"})
