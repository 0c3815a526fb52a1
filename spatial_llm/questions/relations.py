"""Sources compared: how many there are, which is nearest or farthest, who is on the left of whom."""

from spatial_llm.answers import AXES
from spatial_llm.questions import templates
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.config import QuestionConfig
from spatial_llm.questions.facts import HeardScene, HeardSource, same_place, side_of

_SIDES = {"left": "RELATION_LEFT", "right": "RELATION_RIGHT", "front": "RELATION_FRONT", "behind": "RELATION_BEHIND"}


def count_sources(asker: Asker, scene: HeardScene) -> Question | None:
    """How many sources sound; not where two of one class are at one place and may pass for one."""
    sources = scene.sources
    if any(x.label == y.label and same_place(x, y) for i, x in enumerate(sources) for y in sources[:i]):
        return None
    return asker.ask_even("COUNT_SOURCES", {"count": len(sources)})


def count_classes(asker: Asker, scene: HeardScene) -> Question | None:
    """How many classes sound; of two sources and more."""
    return asker.ask_even("COUNT_CLASSES", {"count": len(scene.labels)}) if len(scene.sources) > 1 else None


def nearest(asker: Asker, scene: HeardScene) -> Question | None:
    """The class of the nearest source, where the next one is clearly farther."""
    return _extreme(asker, scene, "NEAREST", sign=1)


def farthest(asker: Asker, scene: HeardScene) -> Question | None:
    """The class of the farthest source, where the next one is clearly nearer."""
    return _extreme(asker, scene, "FARTHEST", sign=-1)


def _extreme(asker: Asker, scene: HeardScene, question_type: str, sign: int) -> Question | None:
    if len(scene.sources) < 2:
        return None
    first, second, *_ = sorted(scene.sources, key=lambda source: sign * source.distance_m)
    if abs(first.distance_m - second.distance_m) < asker.config.distance_margin_m or first.label == second.label:
        return None
    return asker.ask_spread(question_type, {"labels": [first.label]})


def relation(asker: Asker, scene: HeardScene) -> Question | None:
    """All sources on one side of a named one; only where it is clear of every other source whether it is there."""
    if len(scene.sources) < 2 or len(scene.named) < len(scene.sources):
        return None
    found: dict[str, list[tuple[HeardSource, list[str]]]] = {}
    for word in _SIDES:
        for source in scene.sources:
            labels = labels_beside(asker.config, scene, source, word)
            if labels:
                found.setdefault(word, []).append((source, labels))
    if not found:
        return None
    word = asker.least(("relation",), list(found))
    source, labels = asker.pick(found[word])
    return asker.ask_spread(_SIDES[word], {"labels": sorted(labels)}, x=source.label, side=templates.RELATIONS[word])


def labels_beside(config: QuestionConfig, scene: HeardScene, source: HeardSource, word: str) -> list[str]:
    """The classes on that side of the source; none where it is unclear of any."""
    (axis,) = [axis for axis, words in AXES.items() if word in words]
    wanted = 1 if word == AXES[axis][0] else -1
    others = [other for other in scene.sources if other is not source]
    sides = [side_of(other, source, axis, config.axis_margin_deg, config.relation_margin_m) for other in others]
    return [] if 0 in sides else [other.label for other, side in zip(others, sides, strict=True) if side == wanted]
