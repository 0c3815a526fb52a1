"""Settings of recipes/train_encoder.py: an encoder's published stages, or one joint run.

Papers: SpatialAST in BAT (arXiv 2402.01591), DSpAST (arXiv 2509.13927). Where the released scripts differ from the paper,
an option has the two values "paper" and "released".
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from spatial_llm.audio.limits import AudioLimits
from spatial_llm.encoders.frame_head import WIDTH
from spatial_llm.encoders.kinds import TRAINABLE_ENCODERS
from spatial_llm.errors import SpatialLLMError
from spatial_llm.ranges import Checked, Count, NonNegative, Positive, Seed, Share, Within
from spatial_llm.training.encoder.objectives import Supervised, read_objective
from spatial_llm.training.encoder.rotation import Rotation
from spatial_llm.training.engine.schedule import Schedule

PositiveShare = Annotated[float, Within(0, 1, above=True)]


@dataclass
class ClipArguments(Checked):
    """Settings for preparing dry sounds and room responses before convolution, in stages.

    Attributes:
        responses: "random": each clip gets a response drawn from the manifest each time it is used, as published; "own": the
            response of its recording.
        response_s: length in seconds that responses are padded or cut to; 2 s as published.
        level: level of the dry sounds. "paper" (DSpAST): the energy is 1; "released": -14 dBFS RMS over the whole sound, as
            in the scripts and for the released checkpoints.
        gain: multiplies each sound by a number drawn from Beta(10, 10) + 0.5.
        circular_shift: shifts each sound circularly by a random length. The released scripts intend this, but draw the shift
            from the length of an array with one row, so it is always 0; hence false.
        mixup: share of clips that are mixed with a second sound before the convolution; the weight of the first sound is
            drawn from Beta(10, 10).
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
    """AdamW of the stages, in addition to `Schedule`.

    Attributes:
        layer_decay: the learning rate of a layer, as a share of the rate of the layer above it.
        min_learning_rate: the rate at the end of each stage's half cosine.
        cls_tokens: "released": CLS tokens train at the full rate and with weight decay, because the rule of the scripts
            looks for another name; "paper": they train like the patch embedding, without weight decay.
    """

    called: ClassVar[str] = "optimizer"

    layer_decay: PositiveShare = 0.75
    min_learning_rate: NonNegative = 1e-6
    cls_tokens: Literal["paper", "released"] = "released"


@dataclass
class EncoderStage(Checked):
    """One stage of an encoder's training; it starts from the weights of the stage before, with a fresh optimiser.

    Attributes:
        name: name of its folder in the run folder.
        loss_weights: weights of event, distance, azimuth and elevation; a loss of weight 0 is not computed.
        epochs: number of epochs; an epoch draws `epoch_fraction` or `epoch_clips` of the clips.
        warmup_epochs: of these, epochs with a rising rate.
        train_manifest: manifest of this stage; None uses that of the run.
        sampling: "shuffled", or "class_weighted": without replacement, where a clip's weight is the sum over its labels of
            1000 / (clips of that label + 0.01).
        epoch_fraction: share of the clips that an epoch draws.
        epoch_clips: number of clips that an epoch draws, in place of the share.
        learning_rate: base rate of this stage; None uses that of the schedule.
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
    """Settings of recipes/train_encoder.py: the published stages or, without `stages`, one joint run on whole recordings.

    Attributes:
        run_folder: folder for model, config, provenance and metrics.
        train_manifest: manifest whose distinct one-source recordings are trained on.
        eval_manifest: manifest that is scored after training; its classes must be among those of the training manifest.
        model_type: the kind of encoder.
        model: fields of that encoder's config that differ from its full-size defaults.
        schedule: see `Schedule`. With stages, `learning_rate` is the base rate for 256 samples a step of all processes,
            `steps` limits the steps of each stage (small for a trial), and stages have their own warm-up and decay.
        stages: see `EncoderStage`.
        clips: see `ClipArguments`; only used by stages.
        optimizer: see `EncoderOptimizerArguments`; only used by stages.
        audiomae: AudioMAE checkpoint from which the first stage loads trunk, patch embedding and positions.
        initial_encoder: folder of an encoder from which the first stage, or the joint run, starts; a `model.patch_size` that
            divides the encoder's own makes its patches finer (`encoders.finer_patches`).
        label_csv: CSV of the event classes in the order of the head, such as class_labels_indices_subset.csv; None uses
            those of the initial encoder, or of the training manifests.
        audio_root, reverb_root: folders of AudioSet and of the responses of a released data set, if not beside the manifest.
        audio_limits: how long and large a recording may be, and whether truncated files are read.
        direction_smoothing_deg: standard deviation in degrees of the Gaussian that replaces the one-hot azimuth and
            elevation targets; 0 keeps them one-hot, as published. Joint run only, as the five fields below.
        distance_smoothing_m: the same for the distance targets, in metres.
        class_places: weight of the loss of `class_query_head`, by which the encoder learns from recordings of several
            sources too; 0 uses recordings of one source only, as published.
        precompute: computes the cues of all clips before step 0, into a file; false renders each clip each time.
        mirror: adds each clip with left and right exchanged and its azimuth negated.
        rotation: rotates each clip each time it is used, with its labels: "quarters" turns about the vertical axis, "yaw" by
            any angle about it, "all" in space. Cues of two ears cannot be rotated. Joint run only, as the next field.
        microphone_drop: share of the clips of arrays of more than four microphones that lose one.
        trains: "all"; "heads" alone on the frozen `initial_encoder`, which may have none yet; "frames", a frame head
            (`encoders.frame_head`) on it, from scenes of any number of sources that may move; or "text", the projection into
            the space of texts that the objective "contrastive" adds (`encoders.text_projection`). Joint run only.
        objective: what an encoder is trained for: a `type` (`encoder.objectives`) and the fields of that objective; null is
            "supervised", the losses of the heads alone. The others teach it by captions of its scenes. Joint run only.
        frame_width: width of the hidden layers of the frame head; only used by `trains: frames`.
        cues_folder: folder of cue files that several runs share; None is the run folder.
        seed: seed of initialisation and order.
        cpu_threads: CPU threads of torch; None: as OMP_NUM_THREADS says, or all cores that this process may use.
    """

    run_folder: str
    train_manifest: str
    eval_manifest: str | None
    model_type: Literal[*TRAINABLE_ENCODERS]
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
    rotation: Rotation = "none"
    microphone_drop: Share = 0.0
    trains: Literal["all", "heads", "frames", "text"] = "all"
    objective: dict[str, Any] | None = field(default=None, metadata={"later": True})
    frame_width: Count = WIDTH
    cues_folder: str | None = None
    seed: Seed = 0
    cpu_threads: Count | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(read_objective(self.objective), Supervised):
            self.objective = None  # one way to say it, by which a checkpoint knows the run

    @staticmethod
    def earlier_fields(fields: dict[str, Any]) -> list[dict[str, Any]]:
        """Returns the fields that versions without a frame head recorded in a checkpoint of this run."""
        return [{name: value for name, value in fields.items() if name != "frame_width"}]
