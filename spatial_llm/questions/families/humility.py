"""Asks for what a recording may not tell: half of the answers are "I cannot tell", of every class.

It cannot be told where a sound is that is not there; at which elevation a sound is of which the format tells none (a planar
array, one microphone); how far away a sound is whose level was changed and that comes without reverberation. The physics of
the format and of the scene decides (`HeardScene.elevation_told`, `.distance_told`), and a question for the same class whose
answer is known stands against each that is not, so that the text of a question tells neither. Source: refusals as Ma et al.
(arXiv 2505.19294) score them.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from spatial_llm.answers.kinds.or_unknown import UNKNOWN
from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene, HeardSource
from spatial_llm.questions.families.elevation import ELEVATION_CONVENTION
from spatial_llm.questions.family import Family
from spatial_llm.questions.wordings import Wordings

ELEVATION = Wordings(
    both=(
        "If it can be told, at what elevation is the sound of the {x}?",
        "As far as the recording tells: what is the elevation of the {x} in degrees?",
        "If you can tell, from which elevation does the {x} arrive?",
    ),
    train=(
        "Give the elevation of the {x} in degrees, or say that you cannot tell.",
        "Can it be told in which vertical direction, in degrees, the {x} is?",
    ),
    eval=(
        "Estimate the elevation angle of the {x}, unless that cannot be told.",
        "Which elevation angle has the {x}, if the recording tells it?",
    ),
    convention=ELEVATION_CONVENTION,
)
DISTANCE = Wordings(
    both=(
        "If it can be told, how far away is the sound of the {x}?",
        "As far as the recording tells: what is the distance to the {x} in meters?",
        "If you can tell, at what distance is the {x}?",
    ),
    train=(
        "Give the distance of the {x} in meters, or say that you cannot tell.",
        "Can it be told how many meters away the {x} is?",
    ),
    eval=(
        "Estimate how many meters away the {x} is, unless that cannot be told.",
        "How distant is the {x}, if the recording tells it?",
    ),
)
LOCATION = Wordings(
    both=(
        "If it can be told, where is the sound of the {x} coming from?",
        "As far as the recording tells: in which direction and how far away is the {x}?",
        "If you can tell, at what place is the {x}?",
    ),
    train=(
        "Give the direction and distance of the {x}, or say that you cannot tell.",
        "Can it be told where the {x} is?",
    ),
    eval=(
        "Locate the {x}, unless that cannot be told.",
        "Where do you hear the {x}, if the recording tells it?",
    ),
)
UNTOLD_SHARE = 0.25
Truth = Callable[[HeardSource], dict[str, Any]]


def elevation_deg(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks for "-20 degrees". Near the horizon a planar array tells the elevation, so such sounds are left out there."""
    known = [source for source in scene.named if source.elevation_deg is not None]
    clear = [source for source in known if source.is_clear("above_below", asker.margins.axis_margin_deg)]
    told, untold = (known, []) if scene.elevation_told else ([], clear)
    return ask_if_known(asker, scene, "ELEVATION_IF_KNOWN", ELEVATION, told, untold, _elevation)


def distance_m(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks for "2.3m", to a tenth of a metre."""
    told, untold = (_by_distance(scene, scene.named, tells) for tells in (True, False))
    return ask_if_known(asker, scene, "DISTANCE_IF_KNOWN", DISTANCE, told, untold, _distance)


def location(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks for "left, front, above; 2.5m", of recordings that tell all of it."""
    told = [source for source in scene.named if source.all_clear(asker.margins.axis_margin_deg)] * scene.elevation_told
    return ask_if_known(asker, scene, "LOCATION_IF_KNOWN", LOCATION, _by_distance(scene, told, True), (), _location)


def ask_if_known(
    asker: Asker,
    scene: HeardScene,
    question_type: str,
    wordings: Wordings,
    told: Sequence[HeardSource],
    untold: Sequence[HeardSource],
    truth: Truth,
) -> Question | None:
    """Asks for a property of one sound: the value of one of `told`, or that it cannot be told, of one of `untold` or of a
    class that does not sound.

    For every class what is known is asked first, and what is not known at most as often, so that of recordings which never
    tell a property nothing is asked; otherwise the text alone would give the answer away. Where a quarter of the clips or
    more have something untold, absent classes are asked for no more often than that.
    """
    given = asker.given.setdefault((question_type, "labels"), Counter())
    silent = [label for label in asker.known_labels if label not in scene.labels]
    given["clips"] += 1
    given["untold"] += bool(untold)
    if given["untold"] >= UNTOLD_SHARE * given["clips"] and given["why", "absent"] > given["why", "untold"]:
        silent = []
    options = [(source.label, "told", source) for source in told if given[source.label, True] <= given[source.label, False]]
    unknown = [*((source.label, "untold", source) for source in untold), *((label, "absent", None) for label in silent)]
    options += [option for option in unknown if given[option[0], False] < given[option[0], True]]
    if not options:
        return None

    def times_asked(option: tuple[str, str, HeardSource | None]) -> tuple[int, int, int]:
        label, why, _ = option
        return given["all", why == "told"], given["why", why], given[label, True] + given[label, False]

    fewest = min(map(times_asked, options))
    label, why, source = asker.pick([option for option in options if times_asked(option) == fewest])
    value = truth(source) if why == "told" else dict(UNKNOWN)
    if why == "told" and not asker.spread(("answers", question_type), str(value)):
        return None
    about = About(absent=label) if source is None else About(scene.indices(source))
    question = asker.ask(question_type, wordings, value, about, x=label)
    if question is not None:
        given["all", why == "told"] += 1
        given["why", why] += 1
        given[label, why == "told"] += 1
    return question


def _by_distance(scene: HeardScene, sources: Sequence[HeardSource], tells: bool) -> list[HeardSource]:
    """Returns those of the sources whose distance the recording tells, or does not tell; without those that are doubtful."""
    return [
        source
        for source in sources
        if source.distance_m is not None and scene.tells_distance(scene.indices(source)[0]) is tells
    ]


def _elevation(source: HeardSource) -> dict[str, Any]:
    return {"elevation_deg": round(source.elevation_deg) + 0.0}


def _distance(source: HeardSource) -> dict[str, Any]:
    return {"distance_m": round(source.distance_m, 1)}


def _location(source: HeardSource) -> dict[str, Any]:
    return source.location.to_dict()


FAMILY = Family(
    "humility",
    {
        "ELEVATION_IF_KNOWN": "elevation_or_unknown",
        "DISTANCE_IF_KNOWN": "distance_or_unknown",
        "LOCATION_IF_KNOWN": "location_or_unknown",
    },
    (ELEVATION, DISTANCE, LOCATION),
    ask=(elevation_deg, distance_m, location),
)
