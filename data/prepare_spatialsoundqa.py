"""Prepare the released SpatialSoundQA: check what is there and write manifests of it; or export our own data in its layout.

    python data/prepare_spatialsoundqa.py --release SpatialSoundQA [--audio_root AudioSet] [--reverb_root mp3d_reverb]
    python data/prepare_spatialsoundqa.py --export '[DATA/train.jsonl, DATA/eval.jsonl]' --release OUTPUT

The first form writes into the release folder a manifest for each split, with the questions whose sound files are all there,
and prepared.json, and prints both; it downloads nothing. The second form writes the questions of our own manifests, with
their dry sounds and room responses, in the released layout, so that other people's code can train on them; questions that
this layout cannot express are counted, named and left out (OUTPUT/exported.json). Needs a CPU only. Preparing 100,000 rows
takes 20 s.
"""

from dataclasses import dataclass, field
from typing import Literal

from spatial_llm.data.spatialsoundqa.export import export_release, format_export
from spatial_llm.data.spatialsoundqa.prepare import format_report, prepare_release
from spatial_llm.door import door
from spatial_llm.settings import parse_arguments


@dataclass
class PrepareArguments:
    """Sets the folder and the direction.

    Attributes:
        release: the SpatialSoundQA folder, with closed-end/; with `export`, the folder to write.
        export: manifests of ours to write in the released layout; empty: prepare the content of `release`.
        audio_root: folder of the dry sounds, where <audio_id>.wav is; default: AudioSet in `release`. Readers of the
            manifests then need the same option.
        reverb_root: folder with binaural/; default: mp3d_reverb in `release`.
        protocol: how the recordings are to be rendered; checkpoint_matched cuts responses to 2 s.
        fingerprints: whether the manifests keep size and SHA-256 of each sound file, which are compared at each reading.
    """

    release: str
    export: list[str] = field(default_factory=list)
    audio_root: str | None = None
    reverb_root: str | None = None
    protocol: Literal["official_bat", "checkpoint_matched"] = "official_bat"
    fingerprints: bool = False


def main(arguments: PrepareArguments) -> None:
    if arguments.export:
        report = export_release(arguments.export, arguments.release)
        print("\n".join(format_export(report)))
    else:
        roots = (arguments.audio_root, arguments.reverb_root)
        report = prepare_release(arguments.release, *roots, arguments.protocol, arguments.fingerprints)
        print("\n".join(format_report(report)))


if __name__ == "__main__":
    with door("prepare_spatialsoundqa"):
        main(parse_arguments(PrepareArguments, description=__doc__))
