"""Write manifests of the same scenes and questions as heard with other microphones, one beside the given one for each.

python data/hear_with.py --manifest DATA/eval.jsonl --formats '[foa, ambisonics3]'
"""

from dataclasses import dataclass

from spatial_llm.data.simulate.hear_with import hear_with
from spatial_llm.door import door
from spatial_llm.settings import parse_arguments


@dataclass
class Arguments:
    """Sets the scenes, and what they are heard with.

    Attributes:
        manifest: questions about scenes.
        formats: short texts of formats, such as foa, ambisonics3 or array:[[x, y, z], ...].
    """

    manifest: str
    formats: list[str]


if __name__ == "__main__":
    with door("hear_with"):
        arguments = parse_arguments(Arguments, description=__doc__)
        for path in hear_with(arguments.manifest, arguments.formats):
            print(f"written: {path}")
