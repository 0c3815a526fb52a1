"""Settings of recipes/pretrain_text.py."""

from dataclasses import dataclass
from typing import Annotated, Any

from spatial_llm.errors import SpatialLLMError
from spatial_llm.questions.config import QuestionConfig
from spatial_llm.questions.families import FAMILIES
from spatial_llm.questions.types import QuestionType
from spatial_llm.ranges import Checked, Count, Natural, Positive, Within
from spatial_llm.scenes.scene_checks import MAX_SOURCES
from spatial_llm.training.engine.schedule import Schedule

SourceCount = Annotated[int, Within(1, MAX_SOURCES)]
VocabularySize = Annotated[int, Within(256)]  # every byte is a token
HalfSeed = Annotated[int, Within(0, 2**31 - 1)]  # training text uses 2 * seed, held-out text 2 * seed + 1
LATER_FAMILIES = (  # of questions, which version 0.1 did not have
    *("overlap", "moving", "motion", "motion_place", "motion_time", "motion_compared", "listener_turn", "caption"),
    *("thinking", "thinking_motion", "humility", "humility_time"),
)


@dataclass
class TextArguments(Checked):
    """Settings of recipes/pretrain_text.py: a language model that learns questions about scenes in words or in tokens.

    Attributes:
        run_folder: folder for model (with tokenizer), config, provenance and metrics.
        manifest: manifest whose event classes the scenes are made of.
        examples: number of training questions.
        eval_examples: number of questions about held-out scenes, for the exact-match score.
        questions: which questions are written, and what is ambiguous; None for types A to E.
        types: question types that are trained and scored, None for all; a fresh tokenizer is made from all of them.
        most_sources: largest number of sources of a scene, see `questions.text_corpus.asked_scenes`.
        scene_tokens: number of tokens that represent a scene, see `tiny.scene_tokens`: at least one for each source. They
            hold neither times nor the room nor motion, so questions about those must be off. 0 represents a scene in words.
        initial_language_model: folder of a model of an earlier run, from which this run starts with its tokenizer; the five
            fields below are then ignored. None initialises a model.
        vocab_size: tokens of the byte-level BPE.
        hidden_size: width of the Llama; its feed-forward layer is 8/3 as wide.
        num_hidden_layers: layers of the Llama.
        num_attention_heads: attention heads of a layer.
        initializer_range: standard deviation of fresh weights. The usual 0.02 suits wide models: at width 128 attention then
            starts so uniform that 900 steps do not teach it to look up a source.
        schedule: see `Schedule`; a batch counts scenes, each with all its questions.
        seed: seed of scenes, initialisation and order.
        cpu_threads: CPU threads of torch; None: as OMP_NUM_THREADS says, or all cores that this process may use.
    """

    run_folder: str
    manifest: str
    schedule: Schedule
    examples: Count
    eval_examples: Count
    questions: QuestionConfig | None = None
    types: list[QuestionType] | None = None
    most_sources: SourceCount = 4
    scene_tokens: Natural = 0
    initial_language_model: str | None = None
    vocab_size: VocabularySize = 1024
    hidden_size: Count = 192
    num_hidden_layers: Count = 4
    num_attention_heads: Count = 6
    initializer_range: Positive = 0.08
    seed: HalfSeed = 0
    cpu_threads: Count | None = None

    @staticmethod
    def earlier_fields(fields: dict[str, Any]) -> list[dict[str, Any]]:
        """Returns the fields that version 0.1 recorded for this run, where each family was a field of `questions`; none if
        that version did not have a family that is asked."""
        ask = "questions.ask"
        later = any(fields.get(f"{ask}.{family}") for family in LATER_FAMILIES)
        if later or not any(name.startswith(ask) for name in fields):
            return []
        known = [family.name for family in FAMILIES if family.name not in LATER_FAMILIES]
        families = {f"questions.{family}": fields.get(f"{ask}.{family}", 0) for family in known}
        return [{name: value for name, value in fields.items() if not name.startswith(ask)} | families]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scene_tokens == 0:
            return
        own = self.questions.wanted_families if self.questions else []
        sources = self.most_sources if own else 2  # types A to E are asked of one and two
        untold = sorted({"times", "room", "motion"}.intersection(self.questions.needs if self.questions else ()))
        if self.scene_tokens < sources or untold:
            raise SpatialLLMError(
                f"scene_tokens is {self.scene_tokens}, and scenes have up to {sources} sources: give {sources} or more. "
                "Tokens hold neither times nor the room nor motion: leave the families that need them out of "
                f"`questions.ask` (needed: {', '.join(untold) or 'nothing'})."
            )
