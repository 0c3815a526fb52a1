"""Draws scenes, questions and answers without any audio, on request with the scenes in words, by the same question writer.

They teach a small language model the form of the questions before it gets audio. One question type cannot be answered from
the words: the distance between two sources (MIXUP_NONBINARY_DISTANCE), which they only allow to estimate. Numbers in the
words are rounded, so a duration may be off by a tenth of a second; of motion they give a place each second, between which
it has to be guessed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from spatial_llm.errors import SceneError
from spatial_llm.questions.asking import Question
from spatial_llm.questions.config import QuestionConfig, official_only
from spatial_llm.questions.facts import HeardScene, HeardSource
from spatial_llm.questions.scene_text import scene_to_text
from spatial_llm.questions.text_motion import moving_scene
from spatial_llm.questions.writer import QuestionWriter
from spatial_llm.scenes.scene_checks import MAX_SOURCES

Range = tuple[float, float]
AskedScene = tuple[HeardScene, list[Question]]

ONE_SOURCE_SHARE = 0.4  # share of scenes; one source gets two official questions, two sources get five
CLIP_S, SHORTEST_S = 10.0, 0.5
RT60_S, VOLUME_M3 = (0.15, 1.0), (30.0, 250.0)
SAME_CLASS_SHARE = 0.25  # share of the scenes with two sources and more, for our own families
MOTION_SHARE = 0.5  # share of the scenes in which something moves, if questions ask for it


def text_examples(
    labels: Sequence[str], n: int, seed: int, config: QuestionConfig | None = None, **drawn: Any
) -> list[dict[str, str]]:
    """Returns `n` examples as dicts of scene (in words), question, answer, type and question_type; arguments as
    `asked_scenes`.

    If the configuration has families of ours, the words also give degrees and metres, and times or the room if a family
    needs them.
    """
    return in_words(asked_scenes(labels, n, seed, config=config, **drawn), config)


def in_words(scenes: Iterable[AskedScene], config: QuestionConfig | None) -> list[dict[str, str]]:
    """Returns scenes of `asked_scenes`, made with this configuration, as examples of `text_examples`."""
    everything = bool(config and config.wanted_families)
    return [
        {
            "scene": scene_to_text(scene, everything),
            "question": item.question,
            "answer": item.answer,
            "type": item.type,
            "question_type": item.question_type,
        }
        for scene, questions in scenes
        for item in questions
    ]


def asked_scenes(
    labels: Sequence[str],
    n: int,
    seed: int,
    distance_m: Range = (0.5, 4.0),
    elevation_deg: Range = (-40.0, 40.0),
    config: QuestionConfig | None = None,
    most_sources: int = MAX_SOURCES,
) -> Iterator[AskedScene]:
    """Draws random scenes, each with its questions, until there are `n` questions in all. Equal arguments give equal scenes.

    Args:
        labels: classes that sound; two or more.
        distance_m, elevation_deg: ranges of the source positions.
        config: which questions; None for types A to E.
        most_sources: most sources of a scene with families of ours; those with types A to E alone have one or two.

    Raises:
        SceneError: fewer than two different labels, or a configuration that leaves nothing to ask.
    """
    labels = sorted(set(labels))
    if len(labels) < 2:
        raise SceneError(f"labels are {labels}; give at least two different ones.")
    if not 1 <= most_sources <= MAX_SOURCES:
        raise SceneError(f"most_sources is {most_sources}; give 1 to {MAX_SOURCES}.")
    config = config or official_only()
    rng = np.random.default_rng(seed)
    writer = QuestionWriter(config, rng, labels)
    in_vain = 0
    while n > 0:
        if config.wanted_families:
            scene = _draw_for_families(rng, labels, distance_m, elevation_deg, config, most_sources)
        else:
            scene = _draw(rng, labels, distance_m, elevation_deg)
        questions = writer.write(scene)
        in_vain = 0 if questions else in_vain + 1
        if in_vain == 1000:
            raise SceneError(f"{config}: 1000 scenes in a row gave no question; ask for more, or allow smaller margins.")
        if questions:
            yield scene, questions[:n]
            n -= len(questions)


def _draw(rng: np.random.Generator, labels: list[str], distance_m: Range, elevation_deg: Range) -> HeardScene:
    """Returns one source or two different ones, of which only the places are known."""
    count = 1 if rng.uniform() < ONE_SOURCE_SHARE else 2
    names = rng.choice(len(labels), size=count, replace=False)
    return HeardScene(tuple(_source(rng, labels[name], distance_m, elevation_deg) for name in names))


def _draw_for_families(
    rng: np.random.Generator,
    labels: list[str],
    distance_m: Range,
    elevation_deg: Range,
    config: QuestionConfig,
    most_sources: int,
) -> HeardScene:
    """Returns one source or more, some of one class, with times, a room and motion if the questions need these."""
    count = int(rng.integers(1, min(most_sources, len(labels)) + 1))
    names = rng.choice(len(labels), size=count, replace=False)
    if count > 1 and "repeated class" in config.needs and rng.uniform() < SAME_CLASS_SHARE:
        names[1] = names[0]
    sources = [_source(rng, labels[name], distance_m, elevation_deg) for name in names]
    if "times" in config.needs:
        for number, source in enumerate(sources):
            duration_s = float(rng.uniform(SHORTEST_S, CLIP_S))
            onset_s = float(rng.uniform(0.0, CLIP_S - duration_s))
            sources[number] = replace(source, onset_s=onset_s, offset_s=onset_s + duration_s)
    room = (float(rng.uniform(*RT60_S)), float(rng.uniform(*VOLUME_M3))) if "room" in config.needs else ()
    if "motion" in config.needs and rng.uniform() < MOTION_SHARE:
        return moving_scene(rng, sources, CLIP_S, distance_m, *room)
    stands_still = "motion" in config.needs
    return HeardScene(tuple(sources), *room, **({"duration_s": CLIP_S} if room else {}), stands_still=stands_still)


def _source(rng: np.random.Generator, label: str, distance_m: Range, elevation_deg: Range) -> HeardSource:
    return HeardSource(
        label, float(rng.uniform(-180, 180)), float(rng.uniform(*elevation_deg)), float(rng.uniform(*distance_m))
    )
