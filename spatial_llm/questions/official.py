"""The five types of SpatialSoundQA (specs a.3), about one source or two.

Not public, and decided here: a relation ("X on the left of Y") is only asked about sources on opposite sides of the
listener on that axis, where every reading of it agrees; who is named first follows from the answer given least often so
far, so that no word of the question gives the answer away.
"""

from collections.abc import Callable, Iterator

import numpy as np

from spatial_llm.answers import AXES
from spatial_llm.questions import templates
from spatial_llm.questions.asking import Asker, Question, checked
from spatial_llm.questions.facts import AXIS_NAMES, HeardSource, same_place, step_distance_m
from spatial_llm.questions.more_phrasings import MORE


def about_one(asker: Asker, source: HeardSource) -> Iterator[Question]:
    """Types A and B."""
    config = asker.config
    for _ in range(config.detection):
        yield checked("CLASSIFICATION", _phrasing(asker, "DETECTION"), {"labels": [source.label]})
    if source.all_clear(config.axis_margin_deg):
        for _ in range(config.location):
            yield checked("DOA", _phrasing(asker, "LOCATION"), source.location.to_dict())


def about_two(asker: Asker, sources: list[HeardSource]) -> Iterator[Question]:
    """Types C, D and E."""
    config = asker.config
    order = asker.rng.permutation(2)
    clear = [sources[i] for i in order if sources[i].all_clear(config.axis_margin_deg)]
    if not same_place(*sources):
        for source in clear[: config.detection_at_place]:
            yield _detection_at_place(asker, source)
    if sources[0].label == sources[1].label:
        return  # "the sound of the bell" would name both
    for source in clear[: config.location_of_named]:
        question = _phrasing(asker, "LOCATION_OF_NAMED").format(x=source.label)
        yield checked("MIXUP_SINGLE_DOA", question, source.location.to_dict())
    writers: list[tuple[int, list[Callable]]] = [
        (config.direction_yes_no, [_relative_direction, _joint_direction]),
        (config.distance_yes_no, [_relative_distance]),
        (config.open_relation, [_open_direction, _open_distance, _open_source]),
    ]
    for count, kinds in writers:
        for _ in range(count):
            possible = [kind for kind in kinds if _askable(asker, kind, sources)]
            if possible:
                kind = asker.least(("kind", *(kind.__name__ for kind in possible)), possible)
                yield kind(asker, sources)


def _phrasing(asker: Asker, name: str) -> str:
    options = getattr(templates, name)
    if asker.config.only_unseen_phrasings and asker.split == "eval":
        options = MORE[name].of("eval", only_unseen=True)
    elif asker.config.more_phrasings:
        options = (*options, *MORE[name].of(asker.split), *asker.further_phrasings(name))
    return asker.pick(options)


# --- what is clear enough ---------------------------------------------------------------------------------------------


def _opposite_axes(asker: Asker, sources: list[HeardSource]) -> list[str]:
    margin_deg = asker.config.axis_margin_deg
    return [
        axis
        for axis in AXIS_NAMES
        if sources[0].word(axis) != sources[1].word(axis) and all(s.is_clear(axis, margin_deg) for s in sources)
    ]


def _askable(asker: Asker, kind: Callable, sources: list[HeardSource]) -> bool:
    if kind == _open_distance:
        return _apart_m(*sources) > 0
    if kind == _relative_distance:
        first, second = (source.distance_m for source in sources)
        differ = step_distance_m(first) != step_distance_m(second)
        return differ and abs(first - second) >= asker.config.distance_margin_m
    return bool(_opposite_axes(asker, sources))


# --- the kinds --------------------------------------------------------------------------------------------------------


def _detection_at_place(asker: Asker, source: HeardSource) -> Question:
    place, distance = place_words(source)
    question = _phrasing(asker, "DETECTION_AT_PLACE").format(place=place, distance=distance)
    return checked("MIXUP_SINGLE_CLASSIFICATION", question, {"labels": [source.label]})


def place_words(source: HeardSource) -> tuple[str, str]:
    """A place as questions name it: ("right, front, below", "3 meters")."""
    return ", ".join(source.location.words), templates.meters(source.location.distance_m)


def _relative_direction(asker: Asker, sources: list[HeardSource]) -> Question:
    word, _, yes, x, y = _sides(asker, sources, "relative")
    question = _phrasing(asker, "RELATIVE_DIRECTION").format(x=x.label, y=y.label, relation=templates.RELATIONS[word])
    return checked("MIXUP_DIRECTION", question, {"yes": yes})


def _joint_direction(asker: Asker, sources: list[HeardSource]) -> Question:
    word, other, yes, x, y = _sides(asker, sources, "joint")
    words = {"word": templates.JOINT_WORDS[word], "other": templates.JOINT_WORDS[other]}
    question = _phrasing(asker, "JOINT_DIRECTION").format(x=x.label, y=y.label, **words)
    return checked("MIXUP_DIRECTION", question, {"yes": yes})


def _sides(asker: Asker, sources: list[HeardSource], kind: str) -> tuple[str, str, bool, HeardSource, HeardSource]:
    """A word of an axis, the opposite word, the answer, and the two sources in the order in which it is the answer."""
    axis = asker.pick(_opposite_axes(asker, sources))
    word = asker.pick(AXES[axis])
    yes = asker.least((kind, word), [True, False])
    (other,) = set(AXES[axis]) - {word}
    x, y = sorted(sources, key=lambda source: (source.word(axis) == word) != yes)
    return word, other, yes, x, y


def _relative_distance(asker: Asker, sources: list[HeardSource]) -> Question:
    nearer = asker.pick(tuple(templates.NEARER))
    yes = asker.least(("distance", nearer), [True, False])
    x, y = sorted(sources, key=lambda source: source.distance_m, reverse=templates.NEARER[nearer] != yes)
    question = _phrasing(asker, "RELATIVE_DISTANCE").format(x=x.label, y=y.label, nearer=nearer)
    return checked("MIXUP_DISTANCE_BOTH", question, {"yes": yes})


def _open_direction(asker: Asker, sources: list[HeardSource]) -> Question:
    axis = asker.pick(_opposite_axes(asker, sources))
    word = asker.least(("open", axis), list(AXES[axis]))
    x, y = sorted(sources, key=lambda source: source.word(axis) != word)
    question = _phrasing(asker, "OPEN_DIRECTION").format(x=x.label, y=y.label, either=templates.EITHER[axis])
    return checked("MIXUP_NONBINARY_DIRECTION", question, {axis: word})


def _open_distance(asker: Asker, sources: list[HeardSource]) -> Question:
    x, y = (sources[i] for i in asker.rng.permutation(2))
    question = _phrasing(asker, "OPEN_DISTANCE").format(x=x.label, y=y.label)
    return checked("MIXUP_NONBINARY_DISTANCE", question, {"distance_m": _apart_m(x, y)})


def _open_source(asker: Asker, sources: list[HeardSource]) -> Question:
    axis = asker.pick(_opposite_axes(asker, sources))
    word = asker.pick(AXES[axis])
    asked, named = sorted(sources, key=lambda source: source.word(axis) != word)
    question = _phrasing(asker, "OPEN_SOURCE").format(x=named.label, side=templates.SIDES[word])
    return checked("MIXUP_NONBINARY_SOURCE", question, {"labels": [asked.label]})


def _apart_m(first: HeardSource, second: HeardSource) -> float:
    return step_distance_m(float(np.linalg.norm(first.xyz - second.xyz)))
