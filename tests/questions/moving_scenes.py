"""Scenes drawn without any sound in which sources move and listeners turn; and whether an answer about motion is true,
worked out a second time from the question's text and the room's coordinates."""

import dataclasses
import re

import numpy as np

from spatial_llm.questions.families import FAMILIES
from spatial_llm.scenes.scene import Listener, Room, Scene, SceneTruth, Source, SourceTruth, mirror_room, place_at
from spatial_llm.scenes.scene_checks import check_scene
from tests.questions.scenes import CLIP_S, LABELS, STILL

MOVING = [family for family in FAMILIES if family not in STILL]
EVERY_MOTION = {family.name: len(family.ask) for family in MOVING} | {"caption": 1}
MOTION_TYPES = {question_type for family in MOVING for question_type in family.types} | {"CAPTION"}
LATE_S = 0.06  # an answer is given to a tenth of a second


def draw_moving_scenes(n: int, seed: int, labels: tuple[str, ...] = LABELS) -> list[Scene]:
    rng = np.random.default_rng(seed)
    return [draw_moving_scene(rng, f"moving-{i}", labels) for i in range(n)]


def draw_moving_scene(rng: np.random.Generator, id: str, labels: tuple[str, ...]) -> Scene:
    """One to four sources of different classes in a shoebox: in a third of the scenes all stand still; in the others half of
    the sources move, and in a quarter of these the listener turns."""
    size_m = rng.uniform((5.0, 5.0, 2.6), (10.0, 9.0, 4.0))
    ears = rng.uniform(size_m * (0.4, 0.4, 0.4), size_m * 0.6)
    heading_deg, moving = float(rng.uniform(-180, 180)), rng.uniform() < 2 / 3
    headings = ()
    if moving and rng.uniform() < 0.25:
        begin_s, turn_deg = float(rng.uniform(0, 7)), float(rng.choice((-1, 1)) * rng.uniform(30, 180))
        headings = (begin_s, heading_deg), (begin_s + float(rng.uniform(0.8, 2.5)), heading_deg + turn_deg)
    listener = Listener(tuple(ears.tolist()), heading_deg, headings)
    sources = []
    for name in rng.choice(labels, size=int(rng.integers(1, 5)), replace=False):
        begin_s = float(rng.uniform(0, CLIP_S - 1.0))
        end_s = float(rng.uniform(begin_s + 0.3, CLIP_S))
        points = draw_way(rng, size_m, ears) if moving and rng.uniform() < 0.6 else draw_way(rng, size_m, ears)[:1]
        path = tuple(
            (float(t), tuple(p.tolist())) for t, p in zip(np.linspace(begin_s, end_s, len(points)), points, strict=True)
        )
        sources.append((Source(str(name), "synth:none/0", path[0][1], onset_s=begin_s, path=path), end_s))
    return scene_of(id, Room(id, tuple(size_m.tolist()), target_rt60_s=0.4), listener, sources)


def scene_of(id: str, room: Room, listener: Listener, sources: list[tuple[Source, float]]) -> Scene:
    """A scene of sources with the times at which they end."""
    truths = [SourceTruth(*place_at(listener, s, s.onset_s), s.onset_s, end_s) for s, end_s in sources]
    truth = SceneTruth(tuple(truths), 0.4, float(np.prod(room.size_m)))
    made = Scene(id, "train", 0, CLIP_S, 32000, room, listener, tuple(s for s, _ in sources), truth=truth)
    check_scene(made)
    return made


def draw_way(rng: np.random.Generator, size_m: np.ndarray, ears: np.ndarray) -> np.ndarray:
    """A line, an arc around the listener, a climb or a fall near him, or a step that is too small to tell: (points, xyz)."""
    low, high = np.full(3, 0.2), size_m - 0.2
    while True:
        first = rng.uniform(low, high)
        kind = rng.choice(["line", "arc", "upright", "step"], p=[0.4, 0.3, 0.2, 0.1])
        if kind == "line":
            points = np.stack([first, rng.uniform(low, high)])
        elif kind == "arc":
            angles = np.deg2rad(rng.uniform(-180, 180) + np.linspace(0, rng.uniform(-250, 250), 13))
            reach_m, ends_m = rng.uniform(0.6, 2.0, 2)
            reach_m = np.linspace(reach_m, ends_m, 13)
            across = np.stack([np.cos(angles), np.sin(angles), np.zeros(13)], axis=1) * reach_m[:, None]
            points = ears + across + [0, 0, rng.uniform(-0.8, 0.8)]
        elif kind == "upright":
            angle, reach_m = rng.uniform(-np.pi, np.pi), rng.uniform(0.7, 1.5)
            foot = ears[:2] + reach_m * np.array([np.cos(angle), np.sin(angle)])
            points = np.array([[*foot, z] for z in rng.permutation([0.3, size_m[2] - 0.3])])
        else:
            points = np.stack([first, first + rng.uniform(-0.05, 0.05, 3)])
        shares = np.linspace(0, len(points) - 1, 400)
        dense = np.stack([np.interp(shares, np.arange(len(points)), axis) for axis in points.T], axis=1)
        if np.linalg.norm(dense - ears, axis=1).min() > 0.4 and np.all((points > low / 2) & (points < size_m - 0.1)):
            return points


def mirrored(scene: Scene) -> Scene:
    """The scene in the mirror, with its paths and headings."""
    where = [point for source in scene.sources for _, point in (source.path or ((0.0, source.position_m),))]
    room, listener, where = mirror_room(scene.room, scene.listener, where)
    listener = dataclasses.replace(listener, headings=tuple((t, -deg) for t, deg in scene.listener.headings))
    points, sources = iter(where), []
    for source, true in zip(scene.sources, scene.truth.sources, strict=True):
        path = tuple((t, next(points)) for t, _ in source.path or ((0.0, None),))
        path = path if source.path else ((0.0, path[0][1]),)
        sources.append((dataclasses.replace(source, position_m=path[0][1], path=path), true.offset_s))
    return scene_of(scene.id, room, listener, sources)


def reversed_in_time(scene: Scene) -> Scene:
    """The scene backwards: what was at a time is now at the length of the recording less that time."""
    sources = []
    for source, true in zip(scene.sources, scene.truth.sources, strict=True):
        path = tuple((CLIP_S - t, point) for t, point in reversed(source.path))
        onset_s, offset_s = CLIP_S - true.offset_s, CLIP_S - true.onset_s
        sources.append((dataclasses.replace(source, position_m=path[0][1], onset_s=onset_s, path=path), offset_s))
    headings = tuple((CLIP_S - t, deg) for t, deg in reversed(scene.listener.headings))
    first_deg = headings[0][1] if headings else scene.listener.heading_deg
    listener = dataclasses.replace(scene.listener, heading_deg=first_deg, headings=headings)
    return scene_of(scene.id, scene.room, listener, sources)


def frozen_at(scene: Scene, time_s: float) -> Scene:
    """The scene as it is at one time, in which nothing moves any more."""
    heading_deg = scene.listener.heading_deg
    if scene.listener.headings:
        heading_deg = float(np.interp(time_s, *zip(*scene.listener.headings, strict=True)))
    listener = Listener(scene.listener.position_m, heading_deg)
    sources = []
    for source, true in zip(scene.sources, scene.truth.sources, strict=True):
        there = tuple(position_of(source, np.array([time_s]))[0].tolist())
        sources.append((dataclasses.replace(source, position_m=there, path=()), true.offset_s))
    return scene_of(scene.id, scene.room, listener, sources)


def position_of(source: Source, times_s: np.ndarray) -> np.ndarray:
    """(times, xyz) in the room."""
    waypoints = source.path or ((0.0, source.position_m),)
    at_s, points = np.array([t for t, _ in waypoints]), np.array([p for _, p in waypoints])
    return np.stack([np.interp(times_s, at_s, axis) for axis in points.T], axis=1)


def is_true(item, scene: Scene) -> bool:
    """Whether the answer to a question about motion is true of the room's coordinates."""
    labels, listener = [source.label for source in scene.sources], scene.listener
    named = sorted((m.start(), label) for label in LABELS for m in re.finditer(rf"\b{label}\b", item.question))
    named = list(dict.fromkeys(label for _, label in named))
    at = labels.index(named[0]) if named else None

    def heard(index: int, times_s: np.ndarray) -> np.ndarray:
        """Front, left, up in metres at times (times, xyz)."""
        offset = position_of(scene.sources[index], times_s) - listener.position_m
        entries = listener.headings or ((0.0, listener.heading_deg),)
        turn = np.deg2rad(np.interp(times_s, *map(list, zip(*entries, strict=True))))
        ahead = offset[:, 0] * np.cos(turn) + offset[:, 1] * np.sin(turn)
        return np.stack([ahead, offset[:, 1] * np.cos(turn) - offset[:, 0] * np.sin(turn), offset[:, 2]], axis=1)

    def times(index: int) -> np.ndarray:
        true = scene.truth.sources[index]
        return np.linspace(np.ceil(true.onset_s * 10) / 10, np.floor(true.offset_s * 10) / 10, 3001)

    def place(index: int, time_s: float) -> str:
        front, left, up = heard(index, np.array([time_s]))[0]
        words = ["left" if left > 0 else "right", "front" if front > 0 else "behind", "above" if up > 0 else "below"]
        return ", ".join(words) + f"; {round(2 * float(np.hypot(np.hypot(front, left), up))) / 2:g}m"

    moves = [source.moves for source in scene.sources]
    spoken = re.search(r"([\d.]+) s\b", item.question)
    match item.question_type:
        case "MOVES":
            return item.answer == ("Yes" if moves[at] else "No")
        case "ANY_MOVES":
            return item.answer == ("Yes" if any(moves) else "No")
        case "COUNT_MOVING":
            return item.answer == str(sum(moves))
        case "MOTION_SIDEWAYS":
            left = heard(at, times(at))[[0, -1], 1]
            return item.answer == ("left to right" if left[0] > 0 > left[1] else "right to left" if left[0] < 0 else "")
        case "MOTION_AROUND":
            front, left, _ = heard(at, times(at)).T
            turned = np.sum(front[:-1] * left[1:] - front[1:] * left[:-1])  # twice the area that is swept
            return item.answer == ("counter-clockwise" if turned > 0 else "clockwise")
        case "MOTION_UPRIGHT":
            return item.answer == ("up" if np.ptp(heard(at, times(at))[[0, -1], 2]) and heard(at, times(at))[-1, 2]
                                   > heard(at, times(at))[0, 2] else "down")  # fmt: skip
        case "MOTION_RANGE":
            far_m = np.linalg.norm(heard(at, times(at))[[0, -1]], axis=1)
            return item.answer == ("away" if far_m[1] > far_m[0] else "towards")
        case "MOTION_START":
            return item.answer == place(at, times(at)[0])
        case "MOTION_END" | "AFTER_TURN":
            return item.answer == place(at, times(at)[-1])
        case "MOTION_AT":
            return item.answer == place(at, float(spoken[1]))
        case "MOTION_AZIMUTH_AT":
            front, left, _ = heard(at, np.array([float(spoken[1])]))[0]
            return item.answer == f"{(round(float(np.rad2deg(np.arctan2(left, front)))) + 179) % 360 - 179} degrees"
        case "WHEN_NEAREST":
            far_m = np.linalg.norm(heard(at, times(at)), axis=1)
            return abs(item.truth["time_s"] - times(at)[np.argmin(far_m)]) <= LATE_S
        case "WHEN_AHEAD":
            front, left, _ = heard(at, times(at)).T
            crossed = np.flatnonzero((left[1:] > 0) != (left[:-1] > 0))
            crossed = [times(at)[index] for index in crossed if front[index] > 0]
            return len(crossed) == 1 and abs(item.truth["time_s"] - crossed[0]) <= LATE_S
        case "THINK_FASTER":
            speed = r"I hear the (.+): ([\d.]+) m/s\. "
            steps = re.fullmatch(rf"{speed}{speed}The (.+) is faster than the (.+)\. Answer: (.+)", item.answer)
            ways = {}
            for label in named:
                index = labels.index(label)
                along = position_of(scene.sources[index], times(index))
                ways[label] = np.linalg.norm(np.diff(along, axis=0), axis=1).sum() / np.ptp(times(index))
            stated = {steps[1]: float(steps[2]), steps[3]: float(steps[4])}
            right = all(abs(stated[label] - way) <= 0.05 + 0.05 * way for label, way in ways.items())
            return right and steps[7] == steps[5] == max(ways, key=ways.get) and {steps[5], steps[6]} == set(named)
        case "FASTER":
            ways = {}
            for label in named:
                index = labels.index(label)
                along = position_of(scene.sources[index], times(index))
                ways[label] = np.linalg.norm(np.diff(along, axis=0), axis=1).sum() / np.ptp(times(index))
            return item.answer == max(ways, key=ways.get) and len(ways) == 2
        case "CROSSES":
            begins, ends = re.findall(r"\b(left|right)\b", item.question)
            sides = [
                ["left" if left > 0 else "right" for left in heard(i, times(i))[[0, -1], 1]] for i in range(len(labels))
            ]
            return [label for label, each in zip(labels, sides, strict=True) if each == [begins, ends]] == [item.answer]
        case "LISTENER_TURN":
            return item.answer == ("left" if listener.headings[-1][1] > listener.headings[0][1] else "right")
        case "CAPTION":
            clauses = []
            for i, true in enumerate(scene.truth.sources):
                side, ahead, _, metres = place(i, times(i)[0] if scene.moves else true.onset_s).replace(";", ",").split(", ")
                onset_s, offset_s = round(true.onset_s, 1), round(true.offset_s, 1)
                clauses.append((onset_s, f"{onset_s:.1f} to {offset_s:.1f} s {labels[i]}, {side}, {ahead}, {metres}"))
            return sorted(item.answer.split("; ")) == sorted(clause for _, clause in clauses)
    raise AssertionError(item.question_type)
