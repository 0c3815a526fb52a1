"""When sounds begin and end and how long they last, as heard. Asked only of scenes whose times are known."""

from itertools import pairwise

from spatial_llm.answers import format_seconds
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene, HeardSource

WHOLE_S = 0.1  # a sound this much shorter than its recording, or less, fills it


def onset_first(asker: Asker, scene: HeardScene) -> Question | None:
    """The class of the sound that starts first, where the next one starts clearly later."""
    sources = _by_onset(scene)
    if len(sources) < 2 or sources[0].label == sources[1].label or not _apart(asker, sources[:2]):
        return None
    return asker.ask_spread("ONSET_FIRST", {"labels": [sources[0].label]})


def onset_order(asker: Asker, scene: HeardScene) -> Question | None:
    """All classes in the order in which they start, where all onsets are clearly apart."""
    sources = _by_onset(scene)
    if len(sources) < 2 or len(scene.named) < len(sources) or not _apart(asker, sources):
        return None
    return asker.ask_spread("ONSET_ORDER", {"order": [source.label for source in sources]})


def starts_at(asker: Asker, scene: HeardScene) -> Question | None:
    """The class that starts at a time, where no other starts near it."""
    sources = _by_onset(scene)
    if len(sources) < 2:
        return None
    clear = [
        source for i, source in enumerate(sources) if _apart(asker, sources[max(i - 1, 0) : i + 2]) and source in scene.named
    ]
    if not clear:
        return None
    source = asker.pick(clear)
    return asker.ask_spread("STARTS_AT", {"labels": [source.label]}, time=format_seconds(round(source.onset_s, 1)))


def duration_s(asker: Asker, scene: HeardScene) -> Question | None:
    """How long a sound lasts, to a tenth of a second; not of sounds that fill the whole recording."""
    clear = _bounded(asker, scene)
    if not clear:
        return None
    source = asker.pick(clear)
    return asker.ask_spread("DURATION", {"duration_s": round(source.offset_s - source.onset_s, 1)}, x=source.label)


def span(asker: Asker, scene: HeardScene) -> Question | None:
    """From when to when a sound can be heard, to a tenth of a second; not of sounds that fill the whole recording."""
    clear = [source for source in _bounded(asker, scene) if round(source.onset_s, 1) < round(source.offset_s, 1)]
    if not clear:
        return None
    source = asker.pick(clear)
    truth = {"onset_s": round(source.onset_s, 1), "offset_s": round(source.offset_s, 1)}
    return asker.ask_spread("SPAN", truth, x=source.label)


def _bounded(asker: Asker, scene: HeardScene) -> list[HeardSource]:
    """The named sources that are long enough to be asked for their times, and shorter than the recording."""
    return [
        source
        for source in scene.named
        if scene.is_timed
        and source.offset_s - source.onset_s >= asker.config.shortest_s
        and (scene.duration_s is None or source.offset_s - source.onset_s <= scene.duration_s - WHOLE_S)
    ]


def _by_onset(scene: HeardScene) -> list[HeardSource]:
    return sorted(scene.sources, key=lambda source: source.onset_s) if scene.is_timed else []


def _apart(asker: Asker, sources: list[HeardSource]) -> bool:
    onsets_s = [source.onset_s for source in sources]
    return all(later - earlier >= asker.config.onset_margin_s for earlier, later in pairwise(onsets_s))
