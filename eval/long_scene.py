"""Follow sounds through ten minutes in which they move: tracks over windows, beside one window for each event.

    python eval/long_scene.py --out runs/long_scene [--model tiny] [--minutes 10] [--hop_s 0.5]

Simulates a room in which one sound after the other walks around the listener, with new draws of built-in sounds; lists what
the model hears window by window (`spatial-llm timeline`), merges the windows to events with one direction over time, and
scores both against the truth by the metrics of eval/events.py. Beside it stands the same with the direction of one window,
the middle one, for each whole event. Writes scenes.jsonl, recording.flac, truth.csv, tracks.csv, middle_window.csv,
scores.json and scores.md. Ten minutes take about four on one core.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile

from spatial_llm import SpatialLLM
from spatial_llm.door import door
from spatial_llm.evaluation.names import titled
from spatial_llm.evaluation.scoring.event_files import EventFileSettings, read_events
from spatial_llm.evaluation.scoring.event_scores import score_events
from spatial_llm.evaluation.text_tables import format_grid, number
from spatial_llm.files import check_place, write_json, write_text
from spatial_llm.jsonl import write_jsonl
from spatial_llm.model.timeline_events import HeardEvent, write_heard_labels
from spatial_llm.provenance import provenance
from spatial_llm.ranges import Positive, Seed
from spatial_llm.scenes.motion.frame_labels import labelled_sources, write_frame_labels
from spatial_llm.scenes.render import render_scene
from spatial_llm.scenes.room.sampling import RoomConfig, draw_room
from spatial_llm.scenes.scene import Scene, Source
from spatial_llm.scenes.scene_json import scene_to_dict
from spatial_llm.scenes.truth import truth_of
from spatial_llm.settings import parse_arguments

RATE, STEP_S = 32_000, 0.5
SOUNDS = ("siren", "engine", "cricket", "alarm")  # which sound without pauses
FIRST_DRAW = 900_000  # no draw of a training has such a number
SHOWN = ("direction_error", "direction_coverage", "event_F1_1000ms", "segment_F1_1000ms", "hallucinated")


@dataclass
class LongSceneArguments:
    """Sets what is simulated and who listens.

    Attributes:
        out: folder for everything that is written.
        model: saved SpatialLLM with heads.
        minutes: length of the recording.
        hop_s: from window to window.
        seed: of room, ways and sounds.
    """

    out: str
    model: str = "tiny"
    minutes: Positive = 10.0
    hop_s: Positive = 0.5
    seed: Seed = 0


def walk(rng: np.random.Generator, begin_s: float, end_s: float, listener_m: np.ndarray, reach_m: float) -> Source:
    """Returns the path of somebody who walks around the listener and back, nearer and further, at about 1 m/s."""
    times_s = np.arange(begin_s, end_s + STEP_S / 2, STEP_S)
    # Angular speed and distance wander smoothly: sums of slow sines with random phases.
    slow = [np.sin(2 * np.pi * times_s / period + rng.uniform(0, 6.28)) for period in (37.0, 23.0, 61.0)]
    away_m = 1.0 + (reach_m - 1.0) * (0.5 + 0.5 * slow[0])
    around = rng.uniform(0, 6.28) + np.cumsum(STEP_S * (0.35 * slow[1] + 0.15 * slow[2]))
    offsets = np.stack([away_m * np.cos(around), away_m * np.sin(around), np.full(len(around), 0.15)], axis=1)
    places = (listener_m + offsets).round(4)
    return tuple((round(float(t), 3), tuple(place.tolist())) for t, place in zip(times_s, places, strict=True))


def long_scene(minutes: float, seed: int) -> Scene:
    """Returns a scene, with its truth, in which four sounds walk one after the other and overlap a little."""
    rng, seconds = np.random.default_rng(seed), 60 * minutes
    config = RoomConfig(positions_per_room=1, length_m=(8.0, 9.0), width_m=(7.0, 8.0), max_order=12, ray_tracing=False,
                        absorption=(0.5, 0.6), duration_s=0.3)  # fmt: skip
    drawn = draw_room(config, "long", 0, seed)
    listener_m = np.array([drawn.room.size_m[0] / 2, drawn.room.size_m[1] / 2, 1.5]).round(4)
    sources, quarter = [], seconds / 4
    for index, label in enumerate(SOUNDS):
        onset_s, offset_s = max(0.02 * seconds, index * quarter - 0.05 * quarter), min((index + 1) * quarter, 0.98 * seconds)
        path = walk(rng, onset_s, offset_s, listener_m, 2.8)
        recording = f"synth:{label}/{FIRST_DRAW + index}"
        sources.append(Source(label, recording, path[0][1], 0.0, round(onset_s, 3), round(offset_s, 3), path=path))
    listener = replace(drawn.listener, position_m=tuple(listener_m.tolist()))
    scene = Scene("long", "eval", seed, seconds, RATE, drawn.room, listener, tuple(sources))
    return replace(scene, truth=truth_of(scene, "."))


def of_middle_window(event: HeardEvent) -> HeardEvent:
    """Returns an event that keeps the direction of its middle."""
    middle = event.places[len(event.places) // 2 : len(event.places) // 2 + 1]
    return replace(event, places=tuple((time_s, *middle[0][1:]) for time_s, *_ in event.places))


def main(arguments: LongSceneArguments) -> None:
    out = Path(arguments.out)
    check_place(out, folder=True)
    out.mkdir(parents=True, exist_ok=True)
    scene = long_scene(arguments.minutes, arguments.seed)
    write_jsonl(out / "scenes.jsonl", [scene_to_dict(scene)])
    soundfile.write(out / "recording.flac", render_scene(scene, out).T, RATE, subtype="PCM_24")
    model = SpatialLLM.from_pretrained(arguments.model)
    events = model.timeline(str(out / "recording.flac"), hop_s=arguments.hop_s).events()
    classes = sorted({*SOUNDS, *(event.label for event in events)})
    write_frame_labels(labelled_sources(scene), classes, out / "truth.csv")
    write_heard_labels(events, out / "tracks.csv", classes)
    write_heard_labels([of_middle_window(event) for event in events if event.places], out / "middle_window.csv", classes)
    settings = EventFileSettings(classes=classes)
    truth = read_events(out / "truth.csv", settings).recordings
    reports = {
        name: score_events(truth, read_events(out / f"{name}.csv", settings).recordings, seed=arguments.seed)
        for name in ("tracks", "middle_window")
    }
    write_json(out / "scores.json", {**reports, "arguments": vars(arguments), "provenance": provenance(arguments.seed)})
    rows = []
    for name, report in reports.items():
        shown = [report["metrics"][key] for key in SHOWN]
        rows.append([name, *(number(each["value"], each["unit"]) for each in shown), report["counts"]["identity_switches"]])
    table = format_grid(["directions of", *map(titled, SHOWN), "switches"], rows)
    write_text(out / "scores.md", table + "\n")
    print(f"{table}\nwritten: {out}")


if __name__ == "__main__":
    with door():
        main(parse_arguments(LongSceneArguments, description=__doc__))
