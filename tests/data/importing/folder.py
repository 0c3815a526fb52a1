"""A folder of recordings to import: real ones of the package, one that is mono, one that is no sound."""

import shutil
from pathlib import Path

import soundfile

SHIPPED = Path(__file__).parents[3] / "spatial_llm" / "shipped" / "recordings"


def make_folder(folder: Path) -> Path:
    """hall.flac, yard.flac, desk.flac: 2 s in two channels at 32 kHz; mono.wav; notes.wav, a text."""
    folder.mkdir(parents=True, exist_ok=True)
    for source, name in (("one_source", "hall"), ("one_source_behind", "yard"), ("two_sources", "desk")):
        shutil.copy(SHIPPED / f"{source}.flac", folder / f"{name}.flac")
    samples, rate = soundfile.read(folder / "hall.flac")
    soundfile.write(folder / "mono.wav", samples[:, 0], rate)
    (folder / "notes.wav").write_text("Recorded on Monday.")
    return folder
