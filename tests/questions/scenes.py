"""Scenes drawn without any sound: rooms, positions, classes and times, with the truth that follows from them; and the
answers to questions about them, worked out a second time from the question's text and the room's coordinates."""

import re

import numpy as np

from spatial_llm.questions.families import FAMILIES
from spatial_llm.scenes.scene import Listener, Room, Scene, SceneTruth, Source, SourceTruth, direction_of
from spatial_llm.scenes.scene_checks import check_scene

LABELS = (
    "bark", "bell", "car", "cough", "door", "drum", "engine", "laughter", "rain", "siren", "speech", "walk, footsteps",
)  # fmt: skip
CLIP_S = 10.0
STILL = [family for family in FAMILIES if "motion" not in family.needs]  # of the others: moving_scenes.py
# Each family once, and the negatives twice: of `side`, which is a question of theirs on its own, none.
EVERY = {family.name: 1 for family in STILL} | {"side": 0, "negative": 2}
SEVERAL = EVERY | {"azimuth": 2, "count": 2, "relation": 2, "time": 3, "room": 3, "rotated": 2, "negative": 5}
WRITTEN = {question_type for family in STILL for question_type in family.types}  # all but questions of one's own
OWN = [family.name for family in STILL if not family.is_official]


def draw_scenes(n: int, seed: int, labels: tuple[str, ...] = LABELS, split: str = "train") -> list[Scene]:
    rng = np.random.default_rng(seed)
    return [draw_scene(rng, f"{split}-{i}", labels, split) for i in range(n)]


def draw_scene(rng: np.random.Generator, id: str, labels: tuple[str, ...], split: str) -> Scene:
    """One to four sources in a shoebox, a quarter of the scenes with two of one class."""
    size_m = tuple(rng.uniform((3.0, 3.0, 2.4), (10.0, 9.0, 4.0)))
    inside = (0.3, 0.3, 0.2)
    listener = Listener(tuple(rng.uniform(np.multiply(size_m, 0.3), np.multiply(size_m, 0.7))), rng.uniform(-180, 180))
    count = int(rng.integers(1, 5))
    names = list(rng.choice(labels, size=count, replace=False))
    if count > 1 and rng.uniform() < 0.25:
        names[1] = names[0]
    sources, truths = [], []
    for name in names:
        position_m = tuple(rng.uniform(inside, np.subtract(size_m, inside)))
        begin_s = rng.uniform(0, CLIP_S - 0.3)
        end_s = rng.uniform(begin_s + 0.1, CLIP_S)
        sources.append(Source(str(name), "synth:none/0", position_m, onset_s=begin_s))
        truths.append(SourceTruth(*direction_of(listener, position_m), begin_s, end_s))
    rt60_s = float(np.exp(rng.uniform(np.log(0.15), np.log(1.2))))
    room = Room(id, size_m, target_rt60_s=rt60_s)
    truth = SceneTruth(tuple(truths), rt60_s, float(np.prod(size_m)))
    scene = Scene(id, split, 0, CLIP_S, 32000, room, listener, tuple(sources), truth=truth)
    check_scene(scene)
    return scene


OPPOSITE = {"left": "right", "front": "behind", "above": "below", "nearer": "farther"}
OPPOSITE |= {other: word for word, other in OPPOSITE.items()}
BESIDE = {
    "left": "on the left of", "right": "on the right of", "front": "in front of", "behind": "behind", "above": "above",
    "below": "below", "nearer": "nearer than", "farther": "farther than",
}  # fmt: skip
OF_YOU = {"left": "on your left", "right": "on your right", "front": "in front of you"}


def thought_out(text: str, kind: str, labels: list, named: list, far: list, along: dict) -> str:
    """The thought-out answer, from metres to the front, to the left and upwards; `named`: the sounds in the question."""
    along = along | {"nearer": [-metres for metres in far]}

    def said(i: int) -> str:
        clear = [word for word in ("left", "front", "above") if abs(along[word][i]) >= far[i] * np.sin(np.deg2rad(10))]
        words = [word if along[word][i] > 0 else OPPOSITE[word] for word in clear]
        return f"I hear the {labels[i]}: {', '.join([*words, f'{round(far[i], 1):g}m'])}."

    at = [labels.index(label) for label in named]
    others = [i for i in range(len(labels)) if i not in at]
    words = [word for word in ("nearer", "closer", "farther", *BESIDE) if re.search(rf"\b{word}\b", text)]
    asked = (words or ["nearer"])[0].replace("closer", "nearer")
    axis = asked if asked in along else OPPOSITE[asked]

    def side(i: int, than: float) -> str:
        return axis if along[axis][i] > than else OPPOSITE[axis]

    if kind in ("THINK_NEAREST", "THINK_FARTHEST"):
        best, word = (np.argmin(far), "nearer") if kind == "THINK_NEAREST" else (np.argmax(far), "farther")
        puts = [f"The {labels[best]} is {word} than the {label}." for label in labels if label != labels[best]]
        return " ".join([*map(said, range(len(labels))), *puts, f"Answer: {labels[best]}"])
    if kind == "THINK_RELATION":
        way = ("left", "right") if axis == "left" else ("front", "back")
        metres = [(abs(round(c, 1)), way[round(c, 1) < 0]) for c in along[axis]]
        steps = [f"I hear the {label}: {m:g}m to the {to}." for label, (m, to) in zip(labels, metres, strict=True)]
        sides = {i: side(i, along[axis][at[0]]) for i in others}
        steps += [f"The {labels[i]} is {BESIDE[word]} the {named[0]}." for i, word in sides.items()]
        return " ".join([*steps, f"Answer: {'; '.join(sorted(labels[i] for i in others if sides[i] == asked))}"])
    word = side(at[0], 0.0 if kind == "THINK_SIDE" else along[axis][at[1]])
    beside = OF_YOU.get(word, f"{word} you") if kind == "THINK_SIDE" else f"{BESIDE[word]} the {named[1]}"
    return " ".join([*map(said, at), f"The {named[0]} is {beside}.", f"Answer: {'Yes' if word == asked else 'No'}"])


def expected(item, scene: Scene):
    """The answer to one of our own families, from the room's coordinates alone."""
    ears, heading = np.array(scene.listener.position_m), np.deg2rad(scene.listener.heading_deg)
    ahead = np.array([np.cos(heading), np.sin(heading), 0.0])
    left = np.array([-np.sin(heading), np.cos(heading), 0.0])
    offsets = [np.array(source.position_m) - ears for source in scene.sources]
    front, side, up = ([float(o @ axis) for o in offsets] for axis in (ahead, left, np.array([0.0, 0.0, 1.0])))
    far = [float(np.linalg.norm(o)) for o in offsets]
    labels, times = [source.label for source in scene.sources], scene.truth.sources
    text, kind = item.question, item.question_type
    mentioned = sorted((m.start(), label) for label in LABELS for m in re.finditer(rf"\b{label}\b", text))
    named = list(dict.fromkeys(label for _, label in mentioned))
    at = labels.index(named[0]) if named and named[0] in labels else None

    def place(i: int, turn_deg: float = 0.0) -> str:
        turn = np.deg2rad(turn_deg)
        x, y = front[i] * np.cos(turn) + side[i] * np.sin(turn), side[i] * np.cos(turn) - front[i] * np.sin(turn)
        words = ["left" if y > 0 else "right", "front" if x > 0 else "behind", "above" if up[i] > 0 else "below"]
        return ", ".join(words) + f"; {round(2 * far[i]) / 2:g}m"

    def azimuth(i: int, turn_deg: float = 0.0) -> int:
        whole = round(np.rad2deg(np.arctan2(side[i], front[i])) - turn_deg)
        return (whole + 179) % 360 - 179

    def asked_place(label: str) -> str:
        """The place that the question gives for a sound, in the form of an answer."""
        form = r"((?:left|right), (?:front|behind), (?:above|below)),(?: approximately| about)? ([\d.]+) meters?"
        found = re.findall(form, text) or re.findall(r"()([\d.]+) meters? away, (.*)\?", text)
        if found and found[0][0] == "":  # "3 meters away, right, front, below"
            return f"{found[0][2]}; {found[0][1]}m"
        words, metres = found[min(named.index(label), len(found) - 1)]
        return f"{words}; {metres}m"

    turned = re.search(r"(\d+) degrees(?: to the (left|right))?", text)
    turn_deg = 0.0 if turned is None else float(turned[1]) * (-1 if turned[2] == "right" else 1)
    by_onset = sorted(range(len(labels)), key=lambda i: times[i].onset_s)
    match kind:
        case "AZIMUTH_DEG":
            return f"{azimuth(at)} degrees"
        case "AZIMUTH_CLOCK":
            return f"{round(-azimuth(at) / 30) % 12 or 12} o'clock"
        case "ELEVATION_DEG":
            return f"{round(np.rad2deg(np.arcsin(up[at] / far[at])))} degrees"
        case "DISTANCE":
            return f"{round(far[at], 1):g}m"
        case "COUNT_SOURCES":
            return str(len(labels))
        case "COUNT_CLASSES":
            return str(len(set(labels)))
        case "NEAREST":
            return labels[int(np.argmin(far))]
        case "FARTHEST":
            return labels[int(np.argmax(far))]
        case "RELATION_LEFT" | "RELATION_RIGHT" | "RELATION_FRONT" | "RELATION_BEHIND":
            along = side if kind.endswith(("LEFT", "RIGHT")) else front
            sign = 1 if kind.endswith(("LEFT", "FRONT")) else -1
            return "; ".join(sorted(label for label, c in zip(labels, along, strict=True) if sign * (c - along[at]) > 0))
        case "SAME_CLASS":
            return " | ".join(sorted(place(i) for i, label in enumerate(labels) if label == named[0]))
        case "ONSET_FIRST":
            return labels[by_onset[0]]
        case "ONSET_ORDER":
            return "; ".join(labels[i] for i in by_onset)
        case "STARTS_AT":
            start_s = float(re.search(r"([\d.]+) s\b", text)[1])
            return labels[int(np.argmin([abs(time.onset_s - start_s) for time in times]))]
        case "DURATION":
            return f"{round(times[at].offset_s - times[at].onset_s, 1):g} s"
        case "SPAN":
            return f"{round(times[at].onset_s, 1):g} to {round(times[at].offset_s, 1):g} s"
        case "ROOM_RT60":
            rt60_s = scene.truth.rt60_s
            return "below 0.3 s" if rt60_s < 0.3 else "above 0.6 s" if rt60_s > 0.6 else "0.3 to 0.6 s"
        case "ROOM_SIZE":
            return "small" if np.prod(scene.room.size_m) < 100 else "large"
        case "ROOM_REVERB":
            return "dry" if scene.truth.rt60_s < 0.45 else "reverberant"
        case "ROTATED":
            return place(at, turn_deg)
        case "ROTATED_AZIMUTH":
            return f"{azimuth(at, turn_deg)} degrees"
        case "OVERLAP":
            (one, other) = (times[labels.index(label)] for label in named)
            return "Yes" if one.onset_s < other.offset_s and other.onset_s < one.offset_s else "No"
        case "PRESENT":
            return "No" if at is None else "Yes"
        case "ABSENT":
            return f"There is no {named[0]}" if at is None else place(at)
        case "PRESENT_AT_PLACE":
            here = [place(i) for i, label in enumerate(labels) if label == named[0]]
            return "Yes" if asked_place(named[0]) in here else "No"
        case "WRONG_PLACE":
            words = place(at).replace(";", ",").split(", ")
            return "Yes" if any(re.search(rf"\b{word}\b", text) for word in words[:3]) else "No"
        case "CAPTION":
            clauses = []
            for i in sorted(range(len(labels)), key=lambda i: [round(times[i].onset_s, 1), round(times[i].offset_s, 1)]):
                across, along, *_, metres = place(i).replace(";", ",").split(", ")
                span = f"{round(times[i].onset_s, 1):.1f} to {round(times[i].offset_s, 1):.1f} s"
                clauses.append(f"{span} {labels[i]}, {across}, {along}, {metres}")
            return "; ".join(clauses)
        case _ if kind.endswith("_IF_KNOWN") and at is None:
            return "I cannot tell"
        case "ELEVATION_IF_KNOWN":
            return f"{round(np.rad2deg(np.arcsin(up[at] / far[at])))} degrees"
        case "DISTANCE_IF_KNOWN":
            return f"{round(far[at], 1):g}m"
        case "LOCATION_IF_KNOWN":
            return place(at)
        case "SPAN_IF_KNOWN":
            return f"{round(times[at].onset_s, 1):g} to {round(times[at].offset_s, 1):g} s"
        case _ if kind.startswith("THINK_"):
            return thought_out(text, kind, labels, named, far, {"left": side, "front": front, "above": up})
        case "SWAPPED":
            return "Yes" if all(asked_place(label) == place(labels.index(label)) for label in named) else "No"
    raise AssertionError(kind)
