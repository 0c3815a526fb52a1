"""Typed arguments of an encoder's published stages (specs a.1, a.2, b.3); `arguments.EncoderArguments` holds them.

Where the released scripts do something else than the papers say, the option has the two names "paper" and "released".
"""

from dataclasses import dataclass
from typing import Literal


@dataclass
class ClipArguments:
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

    responses: Literal["random", "own"] = "random"
    response_s: float = 2.0
    level: Literal["paper", "released"] = "released"
    gain: bool = True
    circular_shift: bool = False
    mixup: float = 0.5


@dataclass
class EncoderOptimizerArguments:
    """AdamW of the stages, beside `Schedule` (specs a.2 "Optimiser").

    Attributes:
        layer_decay: each layer learns at this share of the rate of the one above it.
        min_learning_rate: where the half-cosine of each stage ends.
        cls_tokens: "released": at the full rate and with weight decay, as the scripts' rule has it, which looks for another
            name; "paper": with the patch embedding, without weight decay.
    """

    layer_decay: float = 0.75
    min_learning_rate: float = 1e-6
    cls_tokens: Literal["paper", "released"] = "released"


@dataclass
class EncoderStage:
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

    name: str
    loss_weights: dict[str, float]
    epochs: float
    warmup_epochs: float
    train_manifest: str | None = None
    sampling: Literal["shuffled", "class_weighted"] = "shuffled"
    epoch_fraction: float = 1.0
    epoch_clips: int | None = None
    learning_rate: float | None = None
