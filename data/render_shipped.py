"""Render the recordings that come with the package anew: the same samples within 16-bit rounding.

    python data/render_shipped.py [--out spatial_llm/shipped/recordings]

Writes three FLAC files (2 s, 32 kHz, two channels, 16 bit) and scenes.jsonl with what is in them. Nothing is drawn by lot;
where sources and listener are stands in spatial_llm/shipped/render.py. CPU only, seconds.
"""

from dataclasses import dataclass
from pathlib import Path

from spatial_llm.door import door
from spatial_llm.settings import parse_arguments
from spatial_llm.shipped.render import write_shipped

SHIPPED = Path(__file__).parents[1] / "spatial_llm" / "shipped" / "recordings"


@dataclass
class Arguments:
    """Where to write.

    Attributes:
        out: folder; what is in it under the same names is replaced.
    """

    out: str = str(SHIPPED)


if __name__ == "__main__":
    with door("render_shipped"):
        for path in write_shipped(parse_arguments(Arguments, description=__doc__.splitlines()[0]).out):
            print(f"written: {path}")
