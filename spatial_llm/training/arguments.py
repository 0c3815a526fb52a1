"""Typed arguments of the recipes: one dataclass a recipe, filled from YAML and the command line by jsonargparse.

Every field is read by the run it belongs to; a key that no field has stops the run before anything is computed.
"""

import dataclasses
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from jsonargparse import ArgumentParser

from spatial_llm.answers import QUESTION_TYPES
from spatial_llm.data.encoder_cache import CacheDtype
from spatial_llm.errors import SpatialLLMError
from spatial_llm.questions.config import QuestionConfig
from spatial_llm.training.encoder_arguments import ClipArguments, EncoderOptimizerArguments, EncoderStage
from spatial_llm.training.schedule import Schedule

Arguments = TypeVar("Arguments")
QuestionType = Literal[tuple(dict.fromkeys(QUESTION_TYPES.values()))]


@dataclass
class EncoderArguments:
    """recipes/train_encoder.py: the published stages, or without `stages` one joint run on recordings rendered whole.

    Attributes:
        run_folder: where model, config, provenance and metrics go.
        train_manifest: its distinct one-source recordings are heard.
        eval_manifest: scored after training; its classes must be among those of the training manifest.
        model_type: which encoder.
        model: fields of that encoder's config that differ from its full-size defaults.
        schedule: see `Schedule`. With stages, `learning_rate` is the base rate, for 256 samples a step of all processes;
            `steps` is the most that a stage may take (a short one for a trial); warm-up and decay are the stages' own.
        stages: see `EncoderStage`.
        clips: see `ClipArguments`; for stages.
        optimizer: see `EncoderOptimizerArguments`; for stages.
        audiomae: AudioMAE checkpoint that trunk, patches and positions of the first stage begin with.
        initial_encoder: folder of an encoder that the first stage, or the joint run, begins with.
        label_csv: class_labels_indices_subset.csv or alike: the event classes in the order of the head; None = those of the
            initial encoder, or of the training manifests.
        audio_root, reverb_root: where AudioSet and the responses of a released data set lie, if not beside the manifest.
        direction_smoothing_deg: width (standard deviation) of the bump that replaces the one-hot azimuth and elevation
            targets; 0 = one-hot, as published. Joint run only, as the five below.
        distance_smoothing_m: the same of the distance targets.
        class_places: weight of the loss of `training.class_places`, which lets the encoder learn from recordings of several
            sources too; 0 = recordings of one source only, as published.
        precompute: cues of all clips once before step 0, into a file; false renders each clip anew every time.
        mirror: each clip also with its ears exchanged and its azimuth negated.
        cues_folder: where cue files lie, so that several runs share them; None = in the run folder.
        seed: of initialisation and order.
        cpu_threads: of torch; None = all cores this process may use.
    """

    run_folder: str
    train_manifest: str
    eval_manifest: str | None
    model_type: Literal["spatial_ast", "dspast"]
    schedule: Schedule
    model: dict[str, Any] = field(default_factory=dict)
    stages: list[EncoderStage] = field(default_factory=list)
    clips: ClipArguments = field(default_factory=ClipArguments)
    optimizer: EncoderOptimizerArguments = field(default_factory=EncoderOptimizerArguments)
    audiomae: str | None = None
    initial_encoder: str | None = None
    label_csv: str | None = None
    audio_root: str | None = None
    reverb_root: str | None = None
    direction_smoothing_deg: float = 0.0
    distance_smoothing_m: float = 0.0
    class_places: float = 0.0
    precompute: bool = False
    mirror: bool = False
    cues_folder: str | None = None
    seed: int = 0
    cpu_threads: int | None = None


@dataclass
class TextArguments:
    """recipes/pretrain_text.py.

    Attributes:
        run_folder: where model (with tokenizer), config, provenance and metrics go.
        manifest: its classes are what the scenes in words are made of.
        examples: training questions.
        eval_examples: questions about held-out scenes, for the exact-match score.
        questions: which are asked, and what is ambiguous; None for types A to E.
        most_sources, half_told: see `questions.text_corpus.text_examples`.
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
    examples: int
    eval_examples: int
    questions: QuestionConfig | None = None
    most_sources: int = 4
    half_told: float = 0.0
    initial_language_model: str | None = None
    vocab_size: int = 1024
    hidden_size: int = 192
    num_hidden_layers: int = 4
    num_attention_heads: int = 6
    initializer_range: float = 0.08
    seed: int = 0
    cpu_threads: int | None = None


@dataclass
class LoraArguments:
    """Low-rank adapters on the language model.

    Attributes:
        rank: r.
        alpha: scale; the update is multiplied by alpha / rank.
        dropout: on the input of the adapters.
        target_modules: names of the linear layers that get one.
    """

    rank: int = 8
    alpha: int = 32
    dropout: float = 0.05
    target_modules: list[str] = field(default_factory=lambda: ["q_proj", "v_proj"])


@dataclass
class ProjectorArguments:
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

    queries: int = 64
    layers: int = 8
    cross_attention_every: int = 2
    hidden_size: int | None = None
    attention_heads: int = 12
    intermediate_size: int | None = None
    dropout: float = 0.1
    calibrate: bool = False


@dataclass
class BatStage:
    """One stage of a run in several; each goes on from the weights of the one before.

    Attributes:
        name: of its sub-folder of the run folder.
        types: its questions; null = all that the manifest has.
        train_manifest: null = that of the run.
    """

    name: str
    types: list[QuestionType] | None = None
    train_manifest: str | None = None


@dataclass
class BatArguments:
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
    stages: list[BatStage] = field(default_factory=list)
    start_from: str | None = None
    quantization: Literal["none", "4bit"] = "none"
    distance_smoothing_m: float = 0.0
    save: Literal["whole", "trained"] = "whole"
    audio_root: str | None = None
    reverb_root: str | None = None
    group_by_length: bool = False
    encoder_cache: bool = False
    cache_folder: str | None = None
    cache_dtype: CacheDtype = "bfloat16"
    cache_limit: float = 50.0
    seed: int = 0
    cpu_threads: int | None = None

    def __post_init__(self) -> None:
        self._check_parts()
        if self.quantization == "4bit" and self.save == "whole":
            raise SpatialLLMError("quantization is 4bit, which is for training only: set save to 'trained'.")
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names) or any(not name or "/" in name for name in names):
            raise SpatialLLMError(f"stages are called {names}; give each a plain name of its own: it becomes a folder.")
        if self.stages and self.types is not None:
            raise SpatialLLMError("types and stages are both given; the questions of a stage stand in stages[...].types.")

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


def parse_arguments(
    kind: type[Arguments],
    argv: Sequence[str] | None = None,
    default_config: str | Path | None = None,
    description: str | None = None,
) -> Arguments:
    """Fills dataclass `kind` from `--config FILE.yaml` and `--key value` (nested: `--schedule.steps 10`), later wins.

    Args:
        kind: the dataclass of a recipe.
        argv: command line without the program's name; None = `sys.argv`.
        default_config: YAML that applies when `argv` holds no `--config`.
        description: first lines of `--help`.

    Exits with a message on a key or type that the dataclass does not have.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    if default_config is not None and not any(item.split("=")[0] == "--config" for item in argv):
        argv = ["--config", str(default_config), *argv]
    parser = ArgumentParser(description=description, default_env=False)
    parser.add_argument("--config", action="config", help="YAML with any of the fields below")
    parser.add_class_arguments(kind)
    parsed = parser.instantiate(parser.parse_args(argv))
    return kind(**{item.name: parsed[item.name] for item in dataclasses.fields(kind)})


def flat_fields(arguments: Any) -> dict[str, Any]:
    """The fields by name, as JSON has them; nested ones as "schedule.steps"."""

    def flatten(value: Any, name: str) -> dict[str, Any]:
        if not isinstance(value, dict) or not value:
            return {name: value}
        return {key: item for part, inner in value.items() for key, item in flatten(inner, f"{name}.{part}").items()}

    fields = json.loads(json.dumps(dataclasses.asdict(arguments)))
    return {key: item for part, inner in fields.items() for key, item in flatten(inner, part).items()}


def to_yaml(arguments: Any) -> str:
    """The arguments as YAML that `parse_arguments` reads back to an equal value."""
    return yaml.safe_dump(dataclasses.asdict(arguments), sort_keys=False, allow_unicode=True)
