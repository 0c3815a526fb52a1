"""Render the recordings that come with the package again: the same samples within 16-bit rounding.

    python data/render_shipped.py [--out spatial_llm/shipped/recordings]

Writes three FLAC files (2 s, 32 kHz, two channels, 16 bit) and scenes.jsonl with their content. Nothing is random;
spatial_llm/shipped/render.py states where sources and listener are. Needs a CPU only and takes seconds.
"""

from dataclasses import dataclass
from pathlib import Path

from spatial_llm.door import door
from spatial_llm.settings import parse_arguments
from spatial_llm.shipped.render import write_shipped

SHIPPED = Path(__file__).parents[1] / "spatial_llm" / "shipped" / "recordings"


@dataclass
class Arguments:
    """Sets where to write.

    Attributes:
        out: folder; files of the same names in it are replaced.
    """

    out: str = str(SHIPPED)


if __name__ == "__main__":
    with door("render_shipped"):
        for path in write_shipped(parse_arguments(Arguments, description=__doc__.splitlines()[0]).out):
            print(f"written: {path}")
