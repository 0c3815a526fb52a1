"""Write pairs of a preferred and a rejected answer about the questions of a manifest, for preference training.

    spatial-llm pairs --manifest DATA/train.jsonl [--pairs.kinds '[mirrored, front_back]'] [--pairs.most_per_kind 1000]

The chosen answer is the true one (or "I cannot tell" where the microphones forbid knowing), the rejected one is wrong in a
known way, and what is preferred over what is balanced. The pairs stand in DATA/train_pairs.jsonl, beside the manifest.
Recordings are neither rendered nor read, but for the hash of sound files.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spatial_llm.commands.arguments import read_settings
from spatial_llm.data.preference.kinds import KINDS
from spatial_llm.data.preference.make import PairSettings, make_pairs


@dataclass
class PairsArguments:
    """Sets what pairs to write, and where.

    Attributes:
        manifest: the questions, as `spatial-llm questions` writes them.
        out: the file, in the manifest's folder; null: the manifest's name with "_pairs".
        pairs: which pairs.
    """

    manifest: str
    out: str | None = None
    pairs: PairSettings = field(default_factory=PairSettings)


def main(argv: Sequence[str] | None = None, script: str | None = None) -> None:
    """Runs the command, see `spatial_llm.commands`."""
    arguments = read_settings(PairsArguments, "pairs", __doc__, argv, script)
    manifest = Path(arguments.manifest)
    out = manifest.with_name(f"{manifest.stem}_pairs.jsonl") if arguments.out is None else Path(arguments.out)
    counts = make_pairs(manifest, out, arguments.pairs)
    for name, found in counts.items():
        ways = ", ".join(f"{way} {count}" for way, count in found["ways"].items() if way < _opposite(way))
        print(f"{name:<22} {found['pairs']:>7}  {KINDS[name].says}{f' ({ways}, and as often the reverse)' if ways else ''}")
    print(f"written: {out}")


def _opposite(way: str) -> str:
    return " over ".join(reversed(way.split(" over ")))
