"""Prepare a folder of dry sounds for simulation, from an index of recorded clips and the built-in classes.

    python data/prepare_sounds.py --config recipes/configs/tiny/sounds.yaml --sounds.index INDEX.csv --output SOUNDS

Clips are filtered by licence and label and cut into pieces; training clips are written at several speeds.
data/simulate_scenes.py takes the resulting SOUNDS/index.csv. Takes about 20 s for 600 clips.
"""

from dataclasses import dataclass

from spatial_llm.data.simulate.sound_folder import SoundFolderConfig, write_sound_folder
from spatial_llm.door import door
from spatial_llm.settings import parse_arguments


@dataclass
class Arguments:
    """Sets what to take, and where to write it.

    Attributes:
        output: folder; one that was prepared before is replaced.
        sounds: what goes into it.
    """

    output: str
    sounds: SoundFolderConfig


def main() -> None:
    with door("prepare_sounds"):
        arguments = parse_arguments(Arguments, description=__doc__.splitlines()[0])
        counts = write_sound_folder(arguments.sounds, arguments.output)
    print(f"{counts['train']} pieces to train on, {counts['eval']} to evaluate on, in {arguments.output}")


if __name__ == "__main__":
    main()
