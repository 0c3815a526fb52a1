"""Typed arguments of recipes/finetune_bat.py."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from spatial_llm.audio.limits import AudioLimits
from spatial_llm.data.encoder_cache import CacheDtype
from spatial_llm.errors import SpatialLLMError
from spatial_llm.questions.types import QuestionType
from spatial_llm.ranges import Checked, Count, NonNegative, Positive, Seed, Share
from spatial_llm.training.engine.schedule import Schedule
from spatial_llm.training.finetune.lessons import LESSONS


@dataclass
class LoraArguments(Checked):
    """Low-rank adapters on the language model.

    Attributes:
        rank: r.
        alpha: scale; the update is multiplied by alpha / rank.
        dropout: on the input of the adapters.
        target_modules: names of the linear layers that get one.
    """

    called: ClassVar[str] = "lora"

    rank: Count = 8
    alpha: Count = 32
    dropout: Share = 0.05
    target_modules: list[str] = field(default_factory=lambda: ["q_proj", "v_proj"])


@dataclass
class ProjectorArguments(Checked):
    """The Q-Former between encoder and language model (specs a.4).

    Attributes:
        queries: audio tokens the language model sees.
        layers: of the Q-Former.
        cross_attention_every: layers between two that look at the audio tokens; 1 = all of them look.
        hidden_size: width of the Q-Former; None = the encoder's, as published.
        attention_heads: heads of each layer.
        intermediate_size: width of its feed-forward; None = 4 times the hidden size.
        dropout: on its layers.
        calibrate: standardise the encoder's tokens per channel and scale the output to the size of the language
            model's own embeddings before step 0; for a fresh projector that has few steps.
    """

    called: ClassVar[str] = "projector"

    queries: Count = 64
    layers: Count = 8
    cross_attention_every: Count = 2
    hidden_size: Count | None = None
    attention_heads: Count = 12
    intermediate_size: Count | None = None
    dropout: Share = 0.1
    calibrate: bool = False


@dataclass
class BatStage(Checked):
    """One stage of a run in several; each goes on from the weights of the one before.

    Attributes:
        name: of its sub-folder of the run folder.
        types: its questions; null = all that the manifest has.
        train_manifest: null = that of the run.
        teach: as in `BatArguments`.
        steps: null = as the schedule of the run says.
    """

    called: ClassVar[str] = "stages[...]"

    name: str
    types: list[QuestionType] | None = None
    train_manifest: str | None = None
    teach: Literal[*LESSONS] = "answers"
    steps: Count | None = None


@dataclass
class BatArguments(Checked):
    """recipes/finetune_bat.py.

    Attributes:
        run_folder: where model (with processor), config, provenance and metrics go.
        train_manifest: questions and answers; also one that data/prepare_spatialsoundqa.py made of the released data.
        schedule: see `Schedule`; with `stages`, of each of them.
        encoder: folder of a trained encoder, for example `runs/x/model` of recipes/train_encoder.py; null, as
            `language_model`: that of `start_from`, whose projector and LoRA are then of the sizes that they have there.
        language_model: folder (or hub name) of any `AutoModelForCausalLM` with its tokenizer; or null.
        projector: see `ProjectorArguments`.
        lora: see `LoraArguments`; null trains the projector alone.
        types: only questions of these types; null = all.
        teach: "answers", projector and LoRA to answer questions; "scenes", the projector alone to tell each recording in the
            tokens in which the language model was told scenes (`training.scene_alignment`), for a stage before the answers.
        stages: trained one after the other, each in a sub-folder; empty = all at once. A stage that is finished is not
            trained again.
        start_from: folder of a model trained before, of the same parts, whose projector and LoRA to go on from, or the name
            of one that comes with the package (tiny); null = fresh ones.
        quantization: "4bit": the language model's linear layers in NF4 with double quantisation (QLoRA; needs
            bitsandbytes, `pip install 'spatial-llm[4bit]'`).
        distance_smoothing_m: width of the bump that distances in steps of 0.5 m are drawn from anew each time they are
            taught; 0 = the true ones, as published. See `training.smoothed_answers`.
        save: "whole", everything in one folder; "trained", projector and LoRA with pointers to the rest.
        audio_root, reverb_root: folders of the released data's dry sounds and responses that lie elsewhere than beside the
            manifest, see `data.spatialsoundqa.roots_elsewhere`.
        audio_limits: how long and large a recording may be, and whether cut files are read.
        group_by_length: batches of questions of like length, less padding.
        encoder_cache: run the frozen encoder once over each recording, before step 0, and keep its output on disk; false
            runs it in every step.
        cache_folder: where encoder output lies, so that several runs share it; null = in the run folder.
        cache_dtype: of what is kept.
        cache_limit: GB of encoder output; a run that needs more stops before it has computed any.
        seed: of initialisation and order.
        cpu_threads: of torch; None = all cores this process may use.
    """

    run_folder: str
    train_manifest: str
    schedule: Schedule
    encoder: str | None = None
    language_model: str | None = None
    projector: ProjectorArguments = field(default_factory=ProjectorArguments)
    lora: LoraArguments | None = field(default_factory=LoraArguments)
    types: list[QuestionType] | None = None
    teach: Literal[*LESSONS] = "answers"
    stages: list[BatStage] = field(default_factory=list)
    start_from: str | None = None
    quantization: Literal["none", "4bit"] = "none"
    distance_smoothing_m: NonNegative = 0.0
    save: Literal["whole", "trained"] = "whole"
    audio_root: str | None = None
    reverb_root: str | None = None
    audio_limits: AudioLimits = field(default_factory=AudioLimits)
    group_by_length: bool = False
    encoder_cache: bool = False
    cache_folder: str | None = None
    cache_dtype: CacheDtype = "bfloat16"
    cache_limit: Positive = 50.0
    seed: Seed = 0
    cpu_threads: Count | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_parts()
        if self.quantization == "4bit" and self.save == "whole":
            raise SpatialLLMError("quantization is 4bit, which is for training only: set save to 'trained'.")
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names) or any(not name or "/" in name for name in names):
            raise SpatialLLMError(f"stages are called {names}; give each a plain name of its own: it becomes a folder.")
        if self.stages and (self.types is not None or self.teach != "answers"):
            raise SpatialLLMError(
                "types or teach and stages are both given; what a stage teaches stands in stages[...].types and .teach."
            )
        for teach in dict.fromkeys((self.teach, *(stage.teach for stage in self.stages))):
            LESSONS[teach].check(self)

    @property
    def goes_on_whole(self) -> bool:
        """Whether all parts are those of `start_from`."""
        return self.encoder is None and self.language_model is None and self.start_from is not None

    def _check_parts(self) -> None:
        if not self.goes_on_whole and None in (self.encoder, self.language_model):
            raise SpatialLLMError(
                f"encoder is {self.encoder}, language_model {self.language_model}, start_from {self.start_from}; give both "
                "parts, or neither and the model to start from (start_from=tiny)."
            )
        own = (self.projector, self.lora, self.quantization, self.save)
        if self.goes_on_whole and own != (ProjectorArguments(), LoraArguments(), "none", "whole"):
            raise SpatialLLMError(
                "without encoder and language_model, projector and LoRA are those of start_from, in full precision and "
                "saved whole: leave out projector, lora, quantization and save, or give encoder and language_model."
            )
