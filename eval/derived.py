"""Measures what a model of two ears loses where recordings in ambisonics, or of an array, are rendered to its ears.

    python eval/derived.py [--model tiny] [--scenes 200] [--out derived.json]

New scenes of one built-in sound in a new room each are heard directly by MIT KEMAR, and through ideal microphones:
ambisonics of the first and the third order, and four microphones on a rigid sphere. Asked where the sound is; and the
azimuth of the encoder's own heads, if the model has them. The same scenes for all, so that the rows are compared in pairs.
With the shipped model about 4 s a scene on one core.
"""

from dataclasses import dataclass, replace

import numpy as np
from tqdm import tqdm

from spatial_llm import SpatialLLM
from spatial_llm.audio.formats import BINAURAL, Ambisonics, Array, AudioFormat
from spatial_llm.door import door
from spatial_llm.evaluation.statistics.bootstrap import Bootstrap, Statistic, mean_of
from spatial_llm.files import check_place, write_json
from spatial_llm.geometry import direction_to_vector, direction_words, wrap_azimuth_deg
from spatial_llm.provenance import provenance
from spatial_llm.questions.types import parse_value
from spatial_llm.ranges import Count, Seed
from spatial_llm.scenes.events import synth_reference
from spatial_llm.scenes.render import render_scene
from spatial_llm.scenes.room.sampling import RoomConfig, draw_room
from spatial_llm.scenes.scene import Scene, Source, direction_of
from spatial_llm.scenes.sounds import EVAL_FIRST_SEED
from spatial_llm.settings import parse_arguments

QUESTION = "Where is the sound in this audio clip coming from?"
SOUNDS = ("alarm", "bird", "clapping", "cricket", "engine", "footsteps", "knock", "sawing", "siren")
SECONDS = 2.0
RADIUS_M = 0.042  # of the sphere: that of the microphones of DCASE's recordings
CORNERS = ((1, 1, 1), (-1, -1, 1), (1, -1, -1), (-1, 1, -1))
FORMATS: dict[str, AudioFormat] = {
    "two ears, directly": BINAURAL,
    "third-order ambisonics": Ambisonics(3),
    "first-order ambisonics": Ambisonics(1),
    "4 microphones on a rigid sphere": Array(
        tuple(tuple(RADIUS_M * side / 3**0.5 for side in corner) for corner in CORNERS), RADIUS_M
    ),
}
AXES = ("left_right", "front_behind", "above_below")
ROOMS = RoomConfig(
    positions_per_room=1, absorption=(0.5, 0.7), axis_margin_deg=10.0, max_order=12, ray_tracing=False, duration_s=0.3
)


@dataclass
class DerivedArguments:
    """Sets what is asked about how many scenes.

    Attributes:
        model: folder of a saved SpatialLLM of two ears, or tiny, which comes with the package.
        scenes: number of scenes.
        out: file of the numbers.
        seed: of the scenes; those of another seed share no room and no sound.
    """

    model: str = "tiny"
    scenes: Count = 200
    out: str = "derived.json"
    seed: Seed = 0


def draw_scene(number: int, seed: int) -> Scene:
    """Returns scene `number`: a room, a listener and one built-in sound, which no training of ours has heard."""
    draw = draw_room(ROOMS, "derived", number, seed)
    label = SOUNDS[number % len(SOUNDS)]
    sound = synth_reference(label, EVAL_FIRST_SEED + 200_000 + 10_000 * seed + number)
    source = Source(label, sound, tuple(map(float, draw.positions_m[0])))
    return Scene(
        id=f"derived-{number}",
        split="eval",
        seed=number,
        duration_s=SECONDS,
        sampling_rate=ROOMS.sampling_rate,
        room=replace(draw.room, response_s=ROOMS.duration_s),
        listener=draw.listener,
        sources=(source,),
    )


def ask(model: SpatialLLM, scene: Scene, format: AudioFormat) -> dict[str, float]:
    """Returns what was right (1 or 0) on each axis and on all, and the azimuth error of the encoder's heads in degrees."""
    azimuth_deg, elevation_deg, _ = direction_of(scene.listener, scene.sources[0].position_m)
    truth = dict(zip(AXES, direction_words(direction_to_vector(azimuth_deg, elevation_deg)), strict=True))
    heard = model.listen(render_scene(scene, ".", format), scene.sampling_rate, format=format)
    told = parse_value("DOA", str(heard.ask(QUESTION))) or {}
    right = {axis: float(told.get(axis) == truth[axis]) for axis in AXES}
    found = right | {"all_three": float(all(right.values()))}
    if model.heads is not None:
        found["azimuth_error_deg"] = abs(float(wrap_azimuth_deg(heard.azimuth.best - azimuth_deg)))
    return found


def main(arguments: DerivedArguments) -> None:
    check_place(arguments.out)
    model = SpatialLLM.from_pretrained(arguments.model)
    scenes = [draw_scene(number, arguments.seed) for number in range(arguments.scenes)]
    found = {name: [] for name in FORMATS}
    for scene in tqdm(scenes, unit="scene"):
        for name, format in FORMATS.items():
            found[name].append(ask(model, scene, format))
    bootstrap, rows = Bootstrap([scene.id for scene in scenes], seed=arguments.seed), np.arange(len(scenes))
    measures = list(found["two ears, directly"][0])
    results: dict[str, dict[str, list[float]]] = {}
    print("| heard through | " + " | ".join(measures) + " |\n|---" + "|---" * len(measures) + "|")
    for name, answers in found.items():
        results[name] = {}
        for measure in measures:
            scale = 1.0 if measure.endswith("deg") else 100.0
            values: Statistic = mean_of([scale * answer[measure] for answer in answers])
            results[name][measure] = [bootstrap.value(values, rows), *bootstrap.interval(values, rows)]
        cells = [f"{value:.1f} ({low:.1f} to {high:.1f})" for value, low, high in results[name].values()]
        print(f"| {name} | " + " | ".join(cells) + " |")
    write_json(arguments.out, {"results": results, "scenes": arguments.scenes, **provenance(arguments.seed)})
    print(f"written: {arguments.out}")


if __name__ == "__main__":
    with door():
        main(parse_arguments(DerivedArguments, description=__doc__))
