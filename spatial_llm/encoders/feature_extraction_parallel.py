"""`ParallelFeatureExtractor`: one recording to the inputs of several encoders, packed into one row of numbers.

Each encoder has its own feature extractor, called on one clip at a time exactly as its documentation does, and its own rate,
to which the recording is resampled from the common one. A rate above the common one therefore adds no content. Extractors of
one channel say how they are fed (`CHANNELS`).
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import (
    ASTFeatureExtractor,
    ClapFeatureExtractor,
    SequenceFeatureExtractor,
    Wav2Vec2FeatureExtractor,
    WhisperFeatureExtractor,
)

from spatial_llm.audio.formats import BINAURAL, AudioFormat, check_same, parse_format
from spatial_llm.audio.io import resample
from spatial_llm.encoders.feature_extraction_base import RecordingFeatureExtractor
from spatial_llm.encoders.feature_extraction_spatial import SpatialFeatureExtractor
from spatial_llm.errors import SpatialLLMError

EXTRACTORS: dict[str, type[SequenceFeatureExtractor]] = {
    extractor.__name__: extractor
    for extractor in (
        SpatialFeatureExtractor,
        ASTFeatureExtractor,
        ClapFeatureExtractor,
        Wav2Vec2FeatureExtractor,
        WhisperFeatureExtractor,
    )
}
# How an encoder of one channel is fed with a recording of two ears.
CHANNELS = {
    "left": "the left ear alone",
    "right": "the right ear alone",
    "mean": "the mean of both ears",
    "each": "each ear alone, the tokens of the left and of the right one after the other along the width",
}
_FRONT_END_KEYS = {"feature_extractor", "channels", "window_samples"}
_NOT_SETTINGS = {"processor_class", "auto_map", "_processor_class"}


def extractor_from(settings: Mapping[str, Any]) -> SequenceFeatureExtractor:
    """Returns the feature extractor of settings as a `preprocessor_config.json` has them.

    Raises:
        SpatialLLMError: it is of an unknown type, or cannot be built.
    """
    kind = settings.get("feature_extractor_type")
    if kind not in EXTRACTORS:
        raise SpatialLLMError(f"feature_extractor_type is {kind!r}; expected one of {', '.join(sorted(EXTRACTORS))}.")
    fields = {name: value for name, value in settings.items() if name not in _NOT_SETTINGS | {"feature_extractor_type"}}
    try:
        return EXTRACTORS[kind](**fields)
    except (TypeError, ValueError) as error:
        raise SpatialLLMError(f"the settings of a {kind} do not build one: {error}.") from None


def settings_of(extractor: SequenceFeatureExtractor) -> dict[str, Any]:
    """Returns all settings of a feature extractor as JSON has them, so that equal extractors have equal ones."""
    settings = json.loads(extractor.to_json_string())
    return {name: value for name, value in settings.items() if name not in _NOT_SETTINGS}


class ParallelFeatureExtractor(RecordingFeatureExtractor):
    """Recordings of two ears -> `input_features` (B, numbers) float32: the inputs of all encoders, one after the other.

    Args:
        members: for each encoder, `feature_extractor`: its settings; `channels`: how one of a single channel is fed, a key
            of `CHANNELS`, and None for one of two ears; `window_samples`: samples, at its rate, to which the recording is
            padded with silence before, for an extractor that does not pad; None for one that does.
        sampling_rate: of the recordings, Hz.
        duration_s: seconds of a recording.
        feature_size, padding_value: of the inherited `pad`; calling the extractor never pads the recording.
        audio_format: of the recordings: "binaural".

    Raises:
        SpatialLLMError: a member has an unknown key, type or way of feeding; another format than two ears.
    """

    def __init__(
        self,
        members: Iterable[Mapping[str, Any]] = (),
        sampling_rate: int = 32_000,
        duration_s: float = 10.0,
        feature_size: int = 1,
        padding_value: float = 0.0,
        audio_format: str = BINAURAL.name,
        **kwargs: Any,
    ) -> None:
        check_same(parse_format(audio_format), BINAURAL, "audio_format", "the feature extractor")
        super().__init__(feature_size, sampling_rate, padding_value, **kwargs)
        self.members = [dict(member) for member in members]
        self.duration_s = duration_s
        self.audio_format = audio_format
        for member in self.members:
            if set(member) != _FRONT_END_KEYS:
                raise SpatialLLMError(f"a member has the keys {sorted(member)}; expected {sorted(_FRONT_END_KEYS)}.")
        self._build()

    def _build(self) -> None:
        self._extractors = [extractor_from(member["feature_extractor"]) for member in self.members]
        for member, extractor in zip(self.members, self._extractors, strict=True):
            check_channels(member["channels"], extractor)
            # With all settings, in whichever version they were saved.
            member["feature_extractor"] = settings_of(extractor)

    def to_dict(self) -> dict[str, Any]:
        """Returns the settings, without the extractors that are built from them."""
        return {name: value for name, value in super().to_dict().items() if name != "_extractors"}

    def features(self, recordings: torch.Tensor, format: AudioFormat) -> torch.Tensor:
        """Computes recordings (B, 2 ears, samples) -> (B, numbers): for each member its input for the left and then for the
        right ear where it is fed with each, otherwise its one input; flattened."""
        rows = [self._of(recording) for recording in recordings.cpu().numpy()]
        return torch.from_numpy(np.stack(rows)).to(recordings.device)

    def _of(self, recording: NDArray[np.float32]) -> NDArray[np.float32]:
        at_rate: dict[int, NDArray[np.float32]] = {}
        parts = []
        for member, extractor in zip(self.members, self._extractors, strict=True):
            rate = extractor.sampling_rate
            if rate not in at_rate:
                resampled = resample(recording, self.sampling_rate, rate)
                at_rate[rate] = _fitted(resampled, round(self.duration_s * rate))
            waveform = at_rate[rate]
            if member["window_samples"] is not None:
                waveform = _fitted(waveform, member["window_samples"])
            for heard in _heard(waveform, member["channels"]):
                if isinstance(extractor, RecordingFeatureExtractor):
                    parts.append(extractor.features(torch.from_numpy(heard)[None], BINAURAL).numpy())
                    continue
                made = extractor(heard, sampling_rate=rate, return_tensors="np")
                # The names that these extractors give their numbers; masks are left out, because the window is always full.
                parts += [made[name] for name in ("input_values", "input_features", "is_longer") if name in made]
        return np.concatenate([np.asarray(part, dtype=np.float32).reshape(-1) for part in parts])


def check_channels(channels: str | None, extractor: SequenceFeatureExtractor) -> None:
    """Raises SpatialLLMError if `channels` is not how this extractor can be fed."""
    two_ears = isinstance(extractor, RecordingFeatureExtractor)
    if two_ears and channels is not None:
        raise SpatialLLMError(f"channels is {channels!r}, but this encoder takes both ears: leave it out.")
    if not two_ears and (not isinstance(channels, str) or channels not in CHANNELS):
        words = "; ".join(f'"{name}" ({meaning})' for name, meaning in CHANNELS.items())
        raise SpatialLLMError(f"channels is {channels!r}, but this encoder takes one channel: give {words}.")


def _heard(waveform: NDArray[np.float32], channels: str | None) -> list[NDArray[np.float32]]:
    """Returns what the extractor is called with, once or twice: (2, samples) if channels is None, else (samples,)."""
    left, right = waveform
    return {
        None: [waveform],
        "left": [left],
        "right": [right],
        "mean": [waveform.mean(axis=0)],
        "each": [left, right],
    }[channels]


def _fitted(waveform: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
    """Returns (2, samples): cut at the end, or padded there with silence."""
    missing = samples - waveform.shape[1]
    return waveform[:, :samples] if missing <= 0 else np.pad(waveform, ((0, 0), (0, missing)))
