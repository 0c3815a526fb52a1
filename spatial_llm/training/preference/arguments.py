"""Settings of recipes/train_preference.py."""

from dataclasses import dataclass, field
from typing import Literal

from spatial_llm.data.encoder_cache import CacheDtype
from spatial_llm.errors import SpatialLLMError
from spatial_llm.questions.types import QuestionType
from spatial_llm.ranges import Checked, Count, Positive, Seed
from spatial_llm.training.engine.schedule import Schedule
from spatial_llm.training.finetune.arguments import BatArguments
from spatial_llm.training.preference.settings import DpoSettings, GrpoSettings


@dataclass
class PreferenceArguments(Checked):
    """Settings of recipes/train_preference.py.

    Attributes:
        run_folder: folder for model (with processor), config, provenance and metrics.
        start_from: folder of the model that goes on, or the name of one in the package (tiny); it is the reference too.
        schedule: see `Schedule`; a sample is a pair (dpo) or a question (grpo).
        objective: "dpo", pairs of a chosen and a rejected answer; or "grpo", answers of the model's own with a reward.
        pairs: file of pairs (docs/preference.md), for dpo.
        eval_pairs: file of held-out pairs, of which the margins are measured before and after, for dpo; null measures none.
        questions: manifest of questions, for grpo.
        types: question types of `questions` that are asked; null for all.
        dpo, grpo: settings of the objective.
        trains: what trains, see `BatArguments`: the projector, adapters too, or the language model too.
        encoder_cache, cache_folder, cache_dtype, cache_limit: output of the frozen encoder on disk, see `BatArguments`.
        seed: seed of order and sampling.
        cpu_threads: CPU threads of torch; null: as OMP_NUM_THREADS says, or all cores that this process may use.
    """

    run_folder: str
    start_from: str
    schedule: Schedule
    objective: Literal["dpo", "grpo"]
    pairs: str | None = None
    eval_pairs: str | None = None
    questions: str | None = None
    types: list[QuestionType] | None = None
    dpo: DpoSettings = field(default_factory=DpoSettings)
    grpo: GrpoSettings = field(default_factory=GrpoSettings)
    trains: Literal["projector", "adapters", "language_model"] = "adapters"
    encoder_cache: bool = False
    cache_folder: str | None = None
    cache_dtype: CacheDtype = "bfloat16"
    cache_limit: Positive = 50.0
    seed: Seed = 0
    cpu_threads: Count | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        needed, foreign = (
            (("pairs",), ("questions", "types", "grpo"))
            if self.objective == "dpo"
            else (("questions",), ("pairs", "eval_pairs", "dpo"))
        )
        default = {"dpo": DpoSettings(), "grpo": GrpoSettings()}
        given = [name for name in foreign if getattr(self, name) != default.get(name)]
        missing = [name for name in needed if getattr(self, name) is None]
        if given or missing:
            raise SpatialLLMError(
                f"objective is {self.objective}"
                + (f" without {', '.join(missing)}" if missing else "")
                + (f" and has {', '.join(given)}, which are those of the other objective" if given else "")
                + f": give {needed[0]}, and leave out {', '.join(foreign)}."
            )

    @property
    def source(self) -> str:
        """Returns the path of the file that is trained on."""
        return self.pairs if self.objective == "dpo" else self.questions

    @property
    def finetuning(self) -> BatArguments:
        """Returns the arguments of a fine-tuning run that goes on from the same model with the same parts."""
        shared = ("run_folder", "schedule", "start_from", "trains", "encoder_cache", "cache_folder", "cache_dtype",
                  "cache_limit", "seed", "cpu_threads")  # fmt: skip
        return BatArguments(train_manifest=self.source, **{name: getattr(self, name) for name in shared})
