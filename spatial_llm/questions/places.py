"""Where a source is: azimuth in degrees and on the clock, elevation, distance, the two sources of one class, and where a
source would be after the listener has turned."""

from collections.abc import Callable, Sequence

from spatial_llm.geometry import clock_hour
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene, HeardSource, same_place

TURNS_DEG = {
    "90 degrees to the left": 90.0,
    "90 degrees to the right": -90.0,
    "45 degrees to the left": 45.0,
    "45 degrees to the right": -45.0,
    "180 degrees": 180.0,
}
_COUNT_WORDS = {2: "two", 3: "three", 4: "four"}


def azimuth_deg(asker: Asker, scene: HeardScene) -> Question | None:
    """ "-35 degrees", whole degrees; of sources that are not nearly above or below."""
    source = _one(asker, scene.named, lambda source: _has_azimuth(asker, source))
    if source is None:
        return None
    return asker.ask_spread("AZIMUTH_DEG", {"azimuth_deg": source.whole_azimuth_deg}, x=source.label)


def azimuth_clock(asker: Asker, scene: HeardScene) -> Question | None:
    """ "2 o'clock"; of sources that are not nearly halfway between two hours."""

    def is_clear(source: HeardSource) -> bool:
        off_deg = abs(source.azimuth_deg - 30.0 * round(source.azimuth_deg / 30.0))
        return _has_azimuth(asker, source) and off_deg <= 15.0 - asker.config.clock_margin_deg

    source = _one(asker, scene.named, is_clear)
    if source is None:
        return None
    return asker.ask_spread("AZIMUTH_CLOCK", {"clock_hour": clock_hour(source.azimuth_deg)}, x=source.label)


def elevation_deg(asker: Asker, scene: HeardScene) -> Question | None:
    """ "-20 degrees", whole degrees."""
    source = _one(asker, scene.named)
    if source is None:
        return None
    return asker.ask_spread("ELEVATION_DEG", {"elevation_deg": round(source.elevation_deg) + 0.0}, x=source.label)


def distance_m(asker: Asker, scene: HeardScene) -> Question | None:
    """ "2.3m", to a tenth of a metre."""
    source = _one(asker, scene.named)
    if source is None:
        return None
    return asker.ask_spread("DISTANCE", {"distance_m": round(source.distance_m, 1)}, x=source.label)


def same_class(asker: Asker, scene: HeardScene) -> Question | None:
    """Where all sources of one class are; each at another place in words and metres."""
    groups = {label: [source for source in scene.sources if source.label == label] for label in scene.labels}
    clear = [
        label
        for label, group in groups.items()
        if len(group) > 1
        and all(source.all_clear(asker.config.axis_margin_deg) for source in group)
        and not any(same_place(x, y) for i, x in enumerate(group) for y in group[:i])
    ]
    if not clear:
        return None
    label = asker.pick(clear)
    # in the fixed order in which `answers.parse_locations` returns them
    places = sorted((source.location for source in groups[label]), key=lambda place: (place.words, place.distance_m))
    truth = {"locations": [place.to_dict() for place in places]}
    return asker.ask_spread("SAME_CLASS", truth, x=label, count=_COUNT_WORDS[len(places)])


def rotated_location(asker: Asker, scene: HeardScene) -> Question | None:
    """Direction words and distance after a turn of the listener."""
    turn = asker.pick(tuple(TURNS_DEG))
    margin_deg = asker.config.axis_margin_deg
    turned = [source.after_turn(TURNS_DEG[turn]) for source in scene.named]
    source = _one(asker, turned, lambda source: source.all_clear(margin_deg))
    if source is None:
        return None
    return asker.ask_spread("ROTATED", source.location.to_dict(), x=source.label, turn=turn)


def rotated_azimuth(asker: Asker, scene: HeardScene) -> Question | None:
    """Azimuth in whole degrees after a turn of the listener."""
    turn = asker.pick(tuple(TURNS_DEG))
    source = _one(asker, scene.named, lambda source: _has_azimuth(asker, source))
    if source is None:
        return None
    truth = {"azimuth_deg": source.after_turn(TURNS_DEG[turn]).whole_azimuth_deg}
    return asker.ask_spread("ROTATED_AZIMUTH", truth, x=source.label, turn=turn)


def _has_azimuth(asker: Asker, source: HeardSource) -> bool:
    return abs(source.elevation_deg) <= 90.0 - asker.config.zenith_margin_deg


def _one(
    asker: Asker, sources: Sequence[HeardSource], is_clear: Callable[[HeardSource], bool] = lambda source: True
) -> HeardSource | None:
    clear = [source for source in sources if is_clear(source)]
    return asker.pick(clear) if clear else None
