"""Typed arguments of recipes/train_encoder.py, and of an encoder's published stages (specs a.1, a.2, b.3).

Where the released scripts do something else than the papers say, the option has the two names "paper" and "released".
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from spatial_llm.audio.limits import AudioLimits
from spatial_llm.errors import SpatialLLMError
from spatial_llm.ranges import Checked, Count, NonNegative, Positive, Seed, Share, Within
from spatial_llm.training.engine.schedule import Schedule

PositiveShare = Annotated[float, Within(0, 1, above=True)]


@dataclass
class ClipArguments(Checked):
    """What becomes of dry sounds and responses before they are convolved (specs a.1); for stages.

    Attributes:
        responses: "random": each clip gets any response of the manifest, drawn anew each time, as published; "own": that of
            its recording.
        response_s: responses are padded or cut to this; 2 s as published.
        level: of the dry sounds. "paper" (DSpAST): energy of one; "released": the scripts' -14 dBFS RMS over the whole
            sound, which the released checkpoints heard.
        gain: each sound times Beta(10, 10) + 0.5.
        circular_shift: each sound turned around by a random length. The released scripts mean to, but draw the shift from
            the length of an array of one row, so it is always 0: false.
        mixup: share of clips that are mixed with a second sound before the convolution, Beta(10, 10) of the first.
    """

    called: ClassVar[str] = "clips"

    responses: Literal["random", "own"] = "random"
    response_s: Positive = 2.0
    level: Literal["paper", "released"] = "released"
    gain: bool = True
    circular_shift: bool = False
    mixup: Share = 0.5


@dataclass
class EncoderOptimizerArguments(Checked):
    """AdamW of the stages, beside `Schedule` (specs a.2 "Optimiser").

    Attributes:
        layer_decay: each layer learns at this share of the rate of the one above it.
        min_learning_rate: where the half-cosine of each stage ends.
        cls_tokens: "released": at the full rate and with weight decay, as the scripts' rule has it, which looks for another
            name; "paper": with the patch embedding, without weight decay.
    """

    called: ClassVar[str] = "optimizer"

    layer_decay: PositiveShare = 0.75
    min_learning_rate: NonNegative = 1e-6
    cls_tokens: Literal["paper", "released"] = "released"


@dataclass
class EncoderStage(Checked):
    """One stage of an encoder's training: from the weights of the one before, with a fresh optimiser.

    Attributes:
        name: of its folder in the run folder.
        loss_weights: of event, distance, azimuth and elevation; a loss of weight 0 is not computed.
        epochs: passes over `epoch_fraction` or `epoch_clips` of the clips.
        warmup_epochs: of these, with a rising rate.
        train_manifest: of this stage; None = that of the run.
        sampling: "shuffled", or "class_weighted": without replacement, each clip weighted by the sum over its labels of
            1000 / (clips of that label + 0.01).
        epoch_fraction: share of the clips that an epoch draws.
        epoch_clips: their number, in place of a share.
        learning_rate: base rate of this stage; None = that of the schedule.
    """

    called: ClassVar[str] = "stages[...]"

    name: str
    loss_weights: dict[str, NonNegative]
    epochs: Positive
    warmup_epochs: NonNegative
    train_manifest: str | None = None
    sampling: Literal["shuffled", "class_weighted"] = "shuffled"
    epoch_fraction: PositiveShare = 1.0
    epoch_clips: Count | None = None
    learning_rate: Positive | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.warmup_epochs > self.epochs:
            raise SpatialLLMError(
                f"stage {self.name!r}: warmup_epochs is {self.warmup_epochs}, epochs {self.epochs}; the warm-up is a part "
                "of them."
            )


@dataclass
class EncoderArguments(Checked):
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
        initial_encoder: folder of an encoder that the first stage, or the joint run, begins with; a `model.patch_size` that
            divides its own makes its patches finer (`encoders.finer_patches`).
        label_csv: class_labels_indices_subset.csv or alike: the event classes in the order of the head; None = those of the
            initial encoder, or of the training manifests.
        audio_root, reverb_root: where AudioSet and the responses of a released data set lie, if not beside the manifest.
        audio_limits: how long and large a recording may be, and whether cut files are read.
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
    audio_limits: AudioLimits = field(default_factory=AudioLimits)
    direction_smoothing_deg: NonNegative = 0.0
    distance_smoothing_m: NonNegative = 0.0
    class_places: NonNegative = 0.0
    precompute: bool = False
    mirror: bool = False
    cues_folder: str | None = None
    seed: Seed = 0
    cpu_threads: Count | None = None
