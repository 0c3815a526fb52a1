"""Settings of recipes/finetune_bat.py."""

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from spatial_llm.audio.limits import AudioLimits
from spatial_llm.data.encoder_cache import CacheDtype
from spatial_llm.errors import SpatialLLMError
from spatial_llm.fusion import read_fusion
from spatial_llm.model.configuration_spatial_llm import LORA_DEFAULTS
from spatial_llm.model.time_tokens import LONGEST_S, MOST_S, TimeForm, read_time_tokens, time_settings
from spatial_llm.projectors.settings import projector_config
from spatial_llm.questions.types import QuestionType
from spatial_llm.ranges import Checked, Count, NonNegative, Positive, Seed, Share, Within
from spatial_llm.training.engine.schedule import Schedule
from spatial_llm.training.finetune.lessons import LESSONS
from spatial_llm.training.finetune.version_0_1 import fields_of_version_0_1

Trains = Literal["projector", "adapters", "language_model", "all"]
LongestTime = Annotated[float, Within(0.01, MOST_S)]


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

    rank: Count = LORA_DEFAULTS["rank"]
    alpha: Count = LORA_DEFAULTS["alpha"]
    dropout: Share = LORA_DEFAULTS["dropout"]
    target_modules: list[str] = field(default_factory=lambda: list(LORA_DEFAULTS["target_modules"]))


@dataclass
class BatStage(Checked):
    """One stage of a run in stages; it starts from all that the stages before it trained.

    Attributes:
        name: name of its sub-folder of the run folder.
        types: question types that it trains on; null for all in the manifest.
        train_manifest: its manifest; null for that of the run.
        teach: its lesson, as in `BatArguments`.
        steps: its optimiser steps; null for those of the schedule.
        trains: what trains in it, as in `BatArguments`; null for that of the run.
        learning_rate, warmup_fraction: its own; null for those of the schedule.
    """

    called: ClassVar[str] = "stages[...]"

    name: str
    types: list[QuestionType] | None = None
    train_manifest: str | None = None
    teach: Literal[*LESSONS] = "answers"
    steps: Count | None = None
    trains: Trains | None = None
    learning_rate: Positive | None = None
    warmup_fraction: Share | None = None


@dataclass
class BatArguments(Checked):
    """Settings of recipes/finetune_bat.py.

    Attributes:
        run_folder: folder for model (with processor), config, provenance and metrics.
        train_manifest: manifest of questions and answers: ours, or one that data/prepare_spatialsoundqa.py made.
        schedule: see `Schedule`; it applies to each of the `stages`.
        encoder: folder of a trained encoder, for example `runs/x/model` of recipes/train_encoder.py; null, together with
            `language_model`, takes all parts from `start_from`, with the sizes of its projector and LoRA.
        language_model: folder (or name on the hub) of any `AutoModelForCausalLM` with its tokenizer; or of a mono base
            (`model.mono_base.MONO_BASES`), which hears the recordings by itself too, with its processor; or null.
        projector: `model_type` and the fields of its configuration (`spatial_llm.projectors`) that differ from the defaults,
            under the configuration's own names; without a `model_type` it is the Q-Former.
        fusion: how audio enters the language model: a `type` (`spatial_llm.fusion.kinds`) and fields of that fusion; null is
            "prefix", audio tokens in front of the prompt.
        lora: see `LoraArguments`; null trains the projector alone.
        types: question types to train on; null for all.
        teach: the lesson, see `finetune.lessons`. "answers": projector and LoRA learn to answer; "scenes": the projector
            alone learns the scene tokens of the language model, as a stage before the answers.
        trains: "projector": projector and fusion, LoRA as it was initialised or loaded; "adapters": these, LoRA and the rows
            of time tokens;
            "language_model": these and all weights of the language model, in float32; "all": the encoder too.
        stages: stages that are trained in order, each in a sub-folder; a finished stage is not trained again. Empty for one
            run.
        start_from: folder of a trained model of the same parts, or the name of one in the package (tiny), from whose
            projector and LoRA the run starts; null initialises them.
        quantization: "4bit": the language model's linear layers in NF4 with double quantisation (QLoRA; needs
            bitsandbytes, `pip install 'spatial-llm[4bit]'`).
        distance_smoothing_m: standard deviation in metres of the Gaussian from which the distance in an answer is drawn each
            time the answer is used, in steps of 0.5 m; 0 uses the true distance, as published. See `tiny.smoothed_answers`.
        time_tokens: how times in seconds are written, in questions and answers: "none" in the language model's own tokens;
            "digits" in 20 tokens for digits before and after the point; "absolute" in one token for each hundredth of a
            second. Their rows train with LoRA; see `model.time_tokens`.
        longest_time_s: longest time that "absolute" can write, a multiple of 0.01 s up to 600 s.
        time_weight: lambda; tokens that write a time in an answer have a weight of 1 + lambda in the loss, which is divided
            by the sum of weights (TAC, arXiv 2602.15766: 5); 0 weighs all tokens alike.
        save: "whole" saves everything in one folder; "trained" saves projector and LoRA with the paths of the other parts.
        audio_root, reverb_root: folders of the released data's dry sounds and responses, if not beside the manifest; see
            `data.spatialsoundqa.release.roots_elsewhere`.
        audio_limits: how long and large a recording may be, and whether truncated files are read.
        group_by_length: makes batches of questions of similar length, with less padding.
        encoder_cache: runs the frozen encoder once on each recording, before step 0, and keeps its output on disk; false
            runs the encoder in every step.
        cache_folder: folder of encoder output that several runs share; null is a folder in the run folder.
        cache_dtype: data type of the output on disk.
        cache_limit: largest size of the encoder output in GB; a run that needs more stops before it computes any.
        seed: seed of initialisation and order.
        cpu_threads: CPU threads of torch; null: as OMP_NUM_THREADS says, or all cores that this process may use.
    """

    run_folder: str
    train_manifest: str
    schedule: Schedule
    encoder: str | None = None
    language_model: str | None = None
    projector: dict[str, Any] = field(default_factory=dict)
    fusion: dict[str, Any] | None = field(default=None, metadata={"later": True})
    lora: LoraArguments | None = field(default_factory=LoraArguments)
    types: list[QuestionType] | None = None
    teach: Literal[*LESSONS] = "answers"
    trains: Trains = field(default="adapters", metadata={"later": True})
    stages: list[BatStage] = field(default_factory=list)
    start_from: str | None = None
    quantization: Literal["none", "4bit"] = "none"
    distance_smoothing_m: NonNegative = 0.0
    time_tokens: TimeForm = field(default="none", metadata={"later": True})
    longest_time_s: LongestTime = field(default=LONGEST_S, metadata={"later": True})
    time_weight: NonNegative = field(default=0.0, metadata={"later": True})
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
        projector_config(self.projector)
        read_fusion(self.fusion)
        self._check_times()
        self._check_parts()
        if self.quantization == "4bit" and self.save == "whole":
            raise SpatialLLMError("quantization is 4bit, which is for training only: set save to 'trained'.")
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names) or any(not name or "/" in name for name in names):
            raise SpatialLLMError(f"stages are called {names}; give each a plain and different name: it becomes a folder.")
        if self.stages and (self.types is not None or self.teach != "answers"):
            raise SpatialLLMError(
                "types or teach and stages are both given; give them for each stage, in stages[...].types and .teach."
            )
        for trains in dict.fromkeys((self.trains, *(stage.trains for stage in self.stages))):
            self._check_trains(trains)
        for teach in dict.fromkeys((self.teach, *(stage.teach for stage in self.stages))):
            LESSONS[teach].check(self)

    @staticmethod
    def earlier_fields(fields: dict[str, Any]) -> list[dict[str, Any]]:
        """Returns the fields that earlier versions may have recorded in a checkpoint of this run."""
        return fields_of_version_0_1(fields)

    @property
    def time_settings(self) -> dict[str, Any] | None:
        """Returns `time_tokens` of the model's config."""
        return time_settings(self.time_tokens, self.longest_time_s)

    @property
    def goes_on_whole(self) -> bool:
        """Returns whether all parts come from `start_from`."""
        return self.encoder is None and self.language_model is None and self.start_from is not None

    def _check_trains(self, trains: str | None) -> None:
        if trains in ("language_model", "all") and (self.quantization != "none" or self.save != "whole"):
            raise SpatialLLMError(
                f"trains is {trains} with quantization {self.quantization} and save {self.save}; weights of the language "
                "model train in full precision and are saved whole: set quantization to none and save to whole."
            )
        if trains == "all" and self.encoder_cache:
            raise SpatialLLMError(
                "trains is all with encoder_cache; an encoder that trains has no output to keep: set it off."
            )

    def _check_times(self) -> None:
        read_time_tokens(self.time_settings, first_id=1)
        if self.time_tokens != "absolute" and self.longest_time_s != LONGEST_S:
            raise SpatialLLMError(
                f"longest_time_s is {self.longest_time_s} with time_tokens {self.time_tokens}; it counts for 'absolute' "
                "alone: leave it out, or set time_tokens to absolute."
            )
        if self.time_weight and "answers" not in {self.teach, *(stage.teach for stage in self.stages)}:
            raise SpatialLLMError(
                f"time_weight is {self.time_weight} with teach {self.teach}, a lesson without answers: leave it out."
            )

    def _check_parts(self) -> None:
        if not self.goes_on_whole and None in (self.encoder, self.language_model):
            raise SpatialLLMError(
                f"encoder is {self.encoder}, language_model {self.language_model}, start_from {self.start_from}; give both "
                "parts, or neither and the model to start from (start_from=tiny)."
            )
        own = (self.projector, self.fusion, self.lora, self.time_tokens, self.quantization, self.save)
        if self.goes_on_whole and own != ({}, None, LoraArguments(), "none", "none", "whole"):
            raise SpatialLLMError(
                "without encoder and language_model, projector, fusion, LoRA and time tokens are those of start_from, in "
                "full precision and saved whole: leave out projector, fusion, lora, time_tokens, quantization and save, or "
                "give encoder and language_model."
            )
