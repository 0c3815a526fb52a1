"""What a score depends on besides answers and questions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spatial_llm.evaluation.metrics import family_name
from spatial_llm.evaluation.statistics.bootstrap import CONFIDENCE


@dataclass(frozen=True)
class ScoreSettings:
    """What a score depends on besides answers and questions.

    Attributes:
        resamples, seed: of the bootstrap over recordings.
        protocols: first words of the protocols to report; None for all.
        task: name, version and sha256 of the task, for scores.json.
        reading: the reading whose values are reported, of the run and of its controls; lenient values are given beside them.
        controls: controls that the task lists; those that were not run are named.
    """

    resamples: int = 1000
    seed: int = 0
    protocols: Sequence[str] | None = None
    task: dict[str, Any] | None = None
    reading: str = "strict"
    controls: Sequence[str] = ()

    def asks_for(self, protocol: str) -> bool:
        """Returns whether metrics of this protocol are reported."""
        return self.protocols is None or family_name(protocol) in self.protocols

    def about(self, controls: Sequence[str]) -> dict[str, Any]:
        """Returns the settings behind the numbers of scores.json, whatever the answers; `controls`: those that were run."""
        return {
            "confidence": CONFIDENCE,
            "controls_missing": sorted(set(self.controls) - set(controls)),
            "reading": self.reading,
            "resamples": self.resamples,
            "seed": self.seed,
            "task": self.task,
        }


DEFAULTS = ScoreSettings()
