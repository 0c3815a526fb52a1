"""Draw one scene and write its recordings: room from above, times, waveforms and questions (PNG), recordings (WAV).

    python data/draw_scene.py --data DATA/eval.jsonl --scene eval-000000 --out scene.png
    python data/draw_scene.py --data scenes.jsonl --scene mine --out scene.png --formats '[binaural, foa, ambisonics3]'
    python data/draw_scene.py --data scenes.jsonl --scene mine --out scene.png --formats '[foa]' --ambisonics fuma

--data holds one scene a line, or is a manifest; then the questions about the scene are printed below the picture. Written
beside scene.png: scene.<format>.wav, one for each format (default: the scene's own), with float samples, so that nothing is
clipped. Formats that the scene's bank lacks are simulated. Needs a CPU only and takes seconds.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from spatial_llm.audio.ambisonics import to_fuma
from spatial_llm.audio.formats import Ambisonics, parse_format
from spatial_llm.audio.writing import write_sound
from spatial_llm.data.records import record_from_dict
from spatial_llm.door import door
from spatial_llm.errors import ManifestError
from spatial_llm.files import atomic_files, check_place
from spatial_llm.jsonl import read_jsonl
from spatial_llm.scenes.picture import draw_scene
from spatial_llm.scenes.render import render_scene
from spatial_llm.scenes.scene import Scene
from spatial_llm.scenes.scene_json import scene_from_dict
from spatial_llm.scenes.truth import truth_of
from spatial_llm.settings import parse_arguments


@dataclass
class Arguments:
    """Sets what to draw.

    Attributes:
        data: JSONL with scenes, or a manifest; paths in it are relative to its folder.
        scene: id of the scene.
        out: the picture; recordings are written beside it.
        formats: formats in which the scene is rendered, see `audio.formats.parse_format`; None = its own format.
        ambisonics: channel order and normalisation of the ambisonic files: AmbiX (ACN, SN3D) or Furse-Malham.
    """

    data: str
    scene: str
    out: str
    formats: list[str] | None = None
    ambisonics: Literal["ambix", "fuma"] = "ambix"


def find_scene(path: Path, name: str) -> tuple[Scene, list[tuple[str, str]]]:
    """Returns the scene of that id in a file of scenes or a manifest, and the questions about it with their answers."""
    scene, questions, others = None, [], []
    for number, line in read_jsonl(path):
        inline = line.get("scene") if "question" in line else line
        found = inline.get("id") if isinstance(inline, dict) else None
        if found != name:
            others.append(found)
        elif "question" in line:
            record = record_from_dict(line, f"{path}:{number}")
            scene = scene or record.scene
            questions.append((record.question, record.answer))
        else:
            scene = scene or scene_from_dict(line, f"{path}:{number}")
    if scene is None:
        known = list(dict.fromkeys(str(other) for other in others if other is not None))
        raise ManifestError(f"{path}: no scene {name!r}; there are {len(known)}, such as {', '.join(known[:3]) or 'none'}.")
    return scene, questions


def main() -> None:
    with door("draw_scene"):
        arguments = parse_arguments(Arguments, description=__doc__.splitlines()[0])
        data, out, written = Path(arguments.data), Path(arguments.out), []
        check_place(out)
        scene, questions = find_scene(data, arguments.scene)
        if scene.truth is None:
            scene = replace(scene, truth=truth_of(scene, data.parent))
        recordings = []
        for kind in [None] if arguments.formats is None else [parse_format(name) for name in arguments.formats]:
            recordings.append((kind or scene.format, render_scene(scene, data.parent, kind)))
        with atomic_files(out.parent) as folder:
            for kind, waveform in recordings:
                fuma = isinstance(kind, Ambisonics) and arguments.ambisonics == "fuma"
                waveform = to_fuma(waveform) if fuma else waveform
                file = out.with_name(f"{out.stem}.{kind.name}{'.fuma' if fuma else ''}.wav")
                write_sound(folder / file.name, waveform, scene.sampling_rate, "WAV", "FLOAT")
                written.append(f"written: {file} ({len(waveform)} channels)")
            draw_scene(scene, recordings, questions, folder / out.name)
        print("\n".join([*written, f"written: {out}"]))


if __name__ == "__main__":
    main()
