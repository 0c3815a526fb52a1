"""Typed arguments of recipes/pretrain_text.py."""

from dataclasses import dataclass
from typing import Annotated

from spatial_llm.errors import SpatialLLMError
from spatial_llm.questions.config import QuestionConfig
from spatial_llm.questions.types import QuestionType
from spatial_llm.ranges import Checked, Count, Natural, Positive, Within
from spatial_llm.scenes.scene import MAX_SOURCES
from spatial_llm.training.engine.schedule import Schedule

SourceCount = Annotated[int, Within(1, MAX_SOURCES)]
VocabularySize = Annotated[int, Within(256)]  # each byte is a token
HalfSeed = Annotated[int, Within(0, 2**31 - 1)]  # training and held-out text have twice this one, and one more


@dataclass
class TextArguments(Checked):
    """recipes/pretrain_text.py: a language model that learns its questions from scenes in words or tokens.

    Attributes:
        run_folder: where model (with tokenizer), config, provenance and metrics go.
        manifest: its classes are what the scenes are made of.
        examples: training questions.
        eval_examples: questions about held-out scenes, for the exact-match score.
        questions: which are asked, and what is ambiguous; None for types A to E.
        types: only questions of these types are taught, and scored; all of them make a fresh tokenizer. None = all.
        most_sources: see `questions.text_corpus.asked_scenes`.
        scene_tokens: how many tokens a scene is told in, see `training.scene_tokens`: one for each source at least, and
            no question about times or the room, of which they do not tell; 0 = it is told in words.
        initial_language_model: folder of a model that an earlier run made, to go on from with its tokenizer; the five fields
            below are then that model's. None = a fresh one.
        vocab_size: tokens of the byte-level BPE.
        hidden_size: width of the Llama; its feed-forward is 8/3 as wide.
        num_hidden_layers: its layers.
        num_attention_heads: its heads.
        initializer_range: standard deviation of fresh weights. The usual 0.02 is for wide models: at width 128 attention
            then starts so even that 900 steps learn no looking-up at all.
        schedule: see `Schedule`; a batch counts scenes, each with all its questions.
        seed: of scenes, initialisation and order.
        cpu_threads: of torch; None = all cores this process may use.
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

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scene_tokens == 0:
            return
        own = self.questions.wanted_families if self.questions else []
        sources = self.most_sources if own else 2  # types A to E are asked of one and two
        untold = sorted({"times", "room"}.intersection(self.questions.needs if self.questions else ()))
        if self.scene_tokens < sources or untold:
            raise SpatialLLMError(
                f"scene_tokens is {self.scene_tokens}, and scenes have up to {sources} sources: give {sources} or more. "
                "Tokens hold neither times nor the room: leave the families that need them out of `questions.ask` (needed: "
                f"{', '.join(untold) or 'nothing'})."
            )
