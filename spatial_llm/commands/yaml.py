"""Where a YAML file that comes with the package lies, to read it, to copy it, or to hand it to another program.

spatial-llm yaml NAME        prints its path; of a name that files of several commands have, all of them
spatial-llm yaml             lists the names, with what stands in the first line of each

accelerate launch --config_file "$(spatial-llm yaml zero3)" -m spatial_llm finetune --config spatialsoundqa_single_stage
"""

from collections.abc import Sequence

from spatial_llm.commands.arguments import Parser
from spatial_llm.errors import SpatialLLMError
from spatial_llm.named_yamls import named_yamls
from spatial_llm.nearest_name import did_you_mean


def main(argv: Sequence[str] | None = None, script: str | None = None) -> None:
    """Runs the command, see `spatial_llm.commands`."""
    parser = Parser("yaml", script or __doc__)
    parser.add_argument("name", nargs="?", help="name of the file; default: list them all")
    name = parser.parse_args(argv).name
    files = list(named_yamls())
    if name is None:
        width = max(len(known) for known, _ in files)
        for known, path in files:
            first = path.read_text(encoding="utf-8").partition("\n")[0]
            print(f"{known:{width}}  {first.removeprefix('#').strip() if first.startswith('#') else ''}".rstrip())
        return
    found = [path for known, path in files if known == name]
    if not found:
        near = did_you_mean(name, [known for known, _ in files]) or "."
        raise SpatialLLMError(
            f"{name}: no YAML file of this name comes with the package{near} `spatial-llm yaml` lists them."
        )
    for path in found:
        print(path)
