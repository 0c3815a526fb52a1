"""What the configurations of all spatial encoders share: trunk, front end, heads, and the layout of their tokens."""

import math
from typing import Any

from huggingface_hub.dataclasses import strict

from spatial_llm.audio.cues import GCC_PHAT, LOGMEL_LEFT, LOGMEL_RIGHT, SPATIAL_AST_CUES
from spatial_llm.audio.formats import BINAURAL
from spatial_llm.encoders.checked_config import CheckedConfig, check_counts, check_numbers
from spatial_llm.encoders.feature_extraction_spatial import SpatialFeatureExtractor, check_cue_format
from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.errors import SpatialLLMError
from spatial_llm.questions.scene_captions import WHOLE

MOST_SAMPLES = 2**27  # of a window: more than an hour at 32 kHz
NUM_CLS_TOKENS = 3  # of every encoder here
# Settings that the feature extractor and the config of a spatial encoder share, under the names that each gives them.
FRONT_END = {
    "cues": "cues",
    "audio_format": "audio_format",
    "sampling_rate": "sampling_rate",
    "n_fft": "n_fft",
    "hop_length": "hop_length",
    "feature_size": "num_mel_bins",
    "f_min": "f_min",
    "f_max": "f_max",
}


@strict
class SpatialEncoderConfig(CheckedConfig):
    """Base class of the configurations of both encoders. The defaults are the published size: 10 s at 32 kHz, 1024 x 128
    cues, ViT-B.

    Args:
        hidden_size: width of the trunk and of `last_hidden_state`; a multiple of 4 (sine-cosine positions).
        num_hidden_layers, num_attention_heads, intermediate_size, hidden_act, layer_norm_eps: of the trunk.
        initializer_range: standard deviation of fresh weights.
        attention_probs_dropout_prob, hidden_dropout_prob: dropout in the trunk; the official models use none.
        drop_path_rate: in training, share of samples that skip a residual of the last layer; it rises linearly from 0 in the
            first (official: 0.1).
        spec_augment_mel_bins, spec_augment_frames: in training, the widest band and stretch of the fused plane that are
            blanked, the same for the whole batch (official: 48 and 192).
        mask_rows, mask_columns: in training, share of the patch grid's time rows and frequency columns that the trunk does
            not see, drawn for each sample (official: 0.25 and 0.25).
        audio_format: what the encoder takes, as a short text (see `spatial_llm.audio.formats.parse_input_format`): that of
            its cues, "binaural", "field" or "field:ambisonics" (see `spatial_llm.audio.cues.CUE_SETS`).
        sampling_rate: Hz.
        duration_s: seconds of one window; callers pad or cut to it.
        n_fft, hop_length, f_min, f_max: of the front end (`SpatialFeatureExtractor`).
        num_mel_bins: columns of a cue plane.
        cues: planes of `input_features`, in order.
        normalized_cues: planes that pass a BatchNorm without affine part before the fusion.
        num_frames: rows of a cue plane in the encoder; fewer are stretched to it, bicubic in time.
        fusion_channels: planes after the fusion convolution; 1 in the papers.
        patch_size: (frames, mel bins) of one patch; num_frames and num_mel_bins are multiples of it.
        num_event_classes, num_distance_classes, num_azimuth_classes, num_elevation_classes: of the four heads.
        event_labels: names of the event classes in head order, or None where they are not known.
        loss_weights: of event, distance, azimuth and elevation in the sum of losses.

    Raises:
        SpatialLLMError: sizes are impossible, or do not fit each other; the message names them.
    """

    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-6
    initializer_range: float = 0.02
    attention_probs_dropout_prob: float | int = 0.0
    hidden_dropout_prob: float | int = 0.0
    drop_path_rate: float | int = 0.0
    spec_augment_mel_bins: int = 0
    spec_augment_frames: int = 0
    mask_rows: float | int = 0.0
    mask_columns: float | int = 0.0
    audio_format: str = BINAURAL.name
    sampling_rate: int = 32_000
    duration_s: float | int = 10.0
    n_fft: int = 1024
    hop_length: int = 320
    f_min: float | int = 50.0
    f_max: float | int = 14_000.0
    num_mel_bins: int = 128
    cues: list[str] | tuple[str, ...] = SPATIAL_AST_CUES
    normalized_cues: list[str] | tuple[str, ...] = (LOGMEL_LEFT, LOGMEL_RIGHT)
    num_frames: int = 1024
    fusion_channels: int = 1
    patch_size: list[int] | tuple[int, ...] = (16, 16)
    num_event_classes: int = 355
    num_distance_classes: int = 21
    num_azimuth_classes: int = 360
    num_elevation_classes: int = 180
    event_labels: list[str] | None = None
    loss_weights: dict[str, float | int] | None = None

    default_loss_weights = {"event": 1250, "distance": 1, "azimuth": 2, "elevation": 2}  # noqa: RUF012
    front_end = FRONT_END

    def __post_init__(self, **kwargs: Any) -> None:
        # JSON knows no tuples: lists on both sides make the round trip exact.
        self.cues = list(self.cues)
        self.normalized_cues = list(self.normalized_cues)
        self.patch_size = list(self.patch_size)
        if self.loss_weights is None:
            self.loss_weights = dict(self.default_loss_weights)
        super().__post_init__(**kwargs)
        self._check()

    def _check(self) -> None:
        self._check_values()
        check_cue_format(self.cues, self.audio_format)
        stray = [cue for cue in self.normalized_cues if cue not in self.cues]
        if stray:
            raise SpatialLLMError(f"normalized_cues {stray} are not among the cues {self.cues}; give some of the cues.")
        if len(self.patch_size) != 2 or self.num_frames % self.patch_size[0] or self.num_mel_bins % self.patch_size[1]:
            raise SpatialLLMError(
                f"patch_size {self.patch_size} does not tile {self.num_frames} frames x {self.num_mel_bins} mel bins; "
                "expected (frames, mel bins) that divide them."
            )
        if self.hidden_size % 4 or self.hidden_size % self.num_attention_heads:
            raise SpatialLLMError(
                f"hidden_size {self.hidden_size} with {self.num_attention_heads} heads; expected a multiple of 4 "
                "and of num_attention_heads."
            )
        shares = {name: getattr(self, name) for name in ("drop_path_rate", "mask_rows", "mask_columns")}
        if not all(0 <= share < 1 for share in shares.values()):
            raise SpatialLLMError(f"{shares}; expected shares of at least 0 and below 1.")
        if not (0 <= self.spec_augment_mel_bins <= self.num_mel_bins and 0 <= self.spec_augment_frames <= self.num_frames):
            raise SpatialLLMError(
                f"spec_augment_mel_bins {self.spec_augment_mel_bins} and spec_augment_frames {self.spec_augment_frames}; "
                f"expected at most the {self.num_mel_bins} mel bins and {self.num_frames} frames there are."
            )
        if set(self.loss_weights) != set(self.default_loss_weights):
            raise SpatialLLMError(
                f"loss_weights has {sorted(self.loss_weights)}; expected {sorted(self.default_loss_weights)}."
            )
        if self.event_labels is not None and len(self.event_labels) != self.num_event_classes:
            raise SpatialLLMError(
                f"{len(self.event_labels)} event_labels for {self.num_event_classes} event classes; expected one each."
            )

    def _check_values(self) -> None:
        check_counts(
            self, "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "sampling_rate", "n_fft"
        )
        check_counts(self, "hop_length", "num_mel_bins", "num_frames", "fusion_channels")
        check_counts(self, "num_event_classes", "num_distance_classes", "num_azimuth_classes", "num_elevation_classes")
        check_numbers(self, 0, 2, "layer_norm_eps")
        check_numbers(self, 0, 1, "attention_probs_dropout_prob", "hidden_dropout_prob")
        check_numbers(self, 0, math.inf, "duration_s", "initializer_range", "f_min", "f_max")
        if not all(isinstance(size, int) and size >= 1 for size in self.patch_size):
            raise SpatialLLMError(f"patch_size is {self.patch_size}; expected two whole numbers of at least 1.")
        if self.f_min >= self.f_max:
            raise SpatialLLMError(f"f_min is {self.f_min} and f_max {self.f_max}; expected a band, f_min below f_max.")
        # Half a frame is mirrored at either end of the window.
        if not self.n_fft // 2 < self.window_samples <= MOST_SAMPLES:
            raise SpatialLLMError(
                f"duration_s {self.duration_s} at {self.sampling_rate} Hz with n_fft {self.n_fft}; expected a window of "
                f"more than half of n_fft and at most {MOST_SAMPLES:,} samples."
            )
        if GCC_PHAT in self.cues and self.num_mel_bins > self.n_fft:
            raise SpatialLLMError(f"num_mel_bins is {self.num_mel_bins}, more lags than n_fft {self.n_fft} has.")

    @property
    def token_layout(self) -> TokenLayout:
        """Returns the tokens and channels of `last_hidden_state`, for an input that lasts `duration_s`."""
        return self.layout_of(((0, self.hidden_size),))

    @property
    def slice_names(self) -> tuple[str, ...]:
        """Returns what each slice of channels in `token_layout` is for, a view of `questions.scene_captions`."""
        return (WHOLE,)

    def layout_of(self, channel_slices: tuple[tuple[int, int], ...]) -> TokenLayout:
        """Returns the layout of an encoder whose channels are divided like this."""
        rows, columns = self.num_frames // self.patch_size[0], self.num_mel_bins // self.patch_size[1]
        return TokenLayout(NUM_CLS_TOKENS, (rows, columns), channel_slices, self.duration_s / rows)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Returns (cues, frames, mel bins), the shape of `input_features` of one window."""
        return len(self.cues), self.window_samples // self.hop_length + 1, self.num_mel_bins

    def feature_extractor(self) -> SpatialFeatureExtractor:
        """Returns the feature extractor whose output the encoder takes."""
        return SpatialFeatureExtractor.for_encoder(self)

    @property
    def window_samples(self) -> int:
        """Returns the samples of one window, at `sampling_rate`."""
        return round(self.duration_s * self.sampling_rate)
