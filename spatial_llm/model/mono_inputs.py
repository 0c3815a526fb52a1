"""What a mono base hears of a recording, made by the base's own processor.

The base gets the window that the spatial encoder gets, as one channel (`WAYS`) at its own rate, and its own placeholders for
it. Windows are of one length, so the number of these placeholders is a constant of the processor.
"""

import functools
import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from transformers import PreTrainedConfig, ProcessorMixin

from spatial_llm.audio.formats import AudioFormat
from spatial_llm.audio.io import resample
from spatial_llm.errors import SpatialLLMError
from spatial_llm.model.mono_base import MONO_BASES, MonoBase, mono_base_of

# How one channel is made of a recording.
WAYS = {
    "mean": "the mean of both ears, which is the same when they are exchanged, or of both channels of mid-side stereo",
    "left": "the left ear alone",
    "right": "the right ear alone",
    "first": "the first channel: W, the pressure, of ambisonics; the first microphone of an array",
}
_BY_KIND = dict.fromkeys(("binaural", "stereo_ms"), ("mean", "left", "right"))  # the first is the default


def mono_way(way: str | None, format: AudioFormat) -> str:
    """Returns how one channel is made of a recording: `way`, or by default "mean" of two channels and "first" of others.

    The mean of the microphones of an array would be a beam, with a notch for every other direction, and that of ambisonic
    channels has no meaning.

    Raises:
        SpatialLLMError: it is no way for this format.
    """
    known = _BY_KIND.get(format.kind, ("first",))
    if way is not None and way not in known:
        words = "; ".join(f'"{name}" ({WAYS[name]})' for name in known)
        raise SpatialLLMError(f"mono is {way!r}, but the recordings are {format.name}: expected {words}.")
    return way or known[0]


class MonoInputs:
    """Makes the mono input of a base, and its placeholders in a prompt.

    Args:
        settings: as `mono_settings` returns them.
        tokenizer: of the base.
        sampling_rate: of the recordings, Hz.
        window_samples: samples of a recording.

    Attributes:
        processor: the base's own processor.

    Raises:
        SpatialLLMError: the settings are not those of a known base, or do not build its processor again.
    """

    def __init__(self, settings: Mapping[str, Any], tokenizer: Any, sampling_rate: int, window_samples: int | None) -> None:
        if window_samples is None:
            raise SpatialLLMError("the processor does not know its window; give window_samples, of the encoder's config.")
        if set(settings) != {"way", "model_type", "processor"} or settings["model_type"] not in MONO_BASES:
            raise SpatialLLMError(f"mono is {dict(settings)!r}; expected what SpatialLLMProcessor.for_model writes there.")
        self.way, self.base = settings["way"], MONO_BASES[settings["model_type"]]
        self.sampling_rate, self.window_samples = sampling_rate, window_samples
        self.processor = _built(self.base, settings["processor"], tokenizer)

    @property
    def text(self) -> str:
        """Returns what stands for a recording in a prompt of the base."""
        before, after = (getattr(self.processor, f"audio_{end}_token", "") for end in ("bos", "eos"))
        return f"{before}{self.processor.audio_token}{after}"

    @functools.cached_property
    def ids(self) -> list[int]:
        """Returns the ids of one recording in a prompt of the base."""
        return self._made(np.zeros(self.window_samples, dtype=np.float32))["input_ids"][0].tolist()

    def __call__(self, recordings: torch.Tensor | Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
        """Computes `mono_features` (clips, ...) and `mono_mask` (clips, ...) of recordings (clips, channels, samples), or of
        a list of recordings (channels, samples) of different numbers of channels."""
        made = [self._made(self.mixed(each.cpu().float().numpy())) for each in recordings]
        names = {"mono_features": "input_features", "mono_mask": self.base.mask}
        return {ours: torch.cat([each[its] for each in made]).to(recordings[0].device) for ours, its in names.items()}

    def mixed(self, recording: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns a recording (channels, samples) as one channel (samples,) at the same rate."""
        return recording.mean(axis=0) if self.way == "mean" else recording[{"right": 1}.get(self.way, 0)]

    def _made(self, heard: NDArray[np.float32]) -> Mapping[str, torch.Tensor]:
        extractor = getattr(self.processor, self.base.extractor)
        heard = resample(heard[None], self.sampling_rate, extractor.sampling_rate)[0]
        takes_rate = "sampling_rate" in inspect.signature(type(extractor).__call__).parameters
        rate = {"sampling_rate": extractor.sampling_rate} if takes_rate else {}
        return self.processor(text=[self.text], audio=[heard], return_tensors="pt", add_special_tokens=False, **rate)

    @staticmethod
    def named(inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Returns inputs that a base's own processor made, under the names of the composite: with them the composite gives
        the base's own answers."""
        masks = {base.mask for base in MONO_BASES.values()}
        ours = {"input_features": "mono_features", **dict.fromkeys(masks, "mono_mask")}
        return {ours.get(name, name): value for name, value in inputs.items()}


def mono_settings(config: PreTrainedConfig, processor: Any) -> dict[str, Any] | None:
    """Returns what the processor of a composite keeps of a mono base's processor; None for any other language model.

    Args:
        config: of the composite.
        processor: processor of the base; of any other language model its tokenizer.

    Raises:
        SpatialLLMError: it is not the processor of this base.
    """
    base = mono_base_of(config.text_config)
    if base is None:
        return None
    if type(processor).__name__ != base.processor:
        raise SpatialLLMError(
            f"{config.text_config.model_type} hears by itself, and a {type(processor).__name__} was given for it; give its "
            f"{base.processor} (AutoProcessor.from_pretrained of its folder)."
        )
    settings = {name: value for name, value in _as_json(processor).items() if name != "tokenizer"}
    _built(base, settings, processor.tokenizer)
    return {"way": config.mono, "model_type": config.text_config.model_type, "processor": settings}


def _as_json(processor: ProcessorMixin) -> dict[str, Any]:
    return json.loads(json.dumps(processor.to_dict()))


def _built(base: MonoBase, settings: Mapping[str, Any], tokenizer: Any) -> ProcessorMixin:
    """Builds the processor of a base from its settings, and checks that it has these settings again."""
    fields = {name: value for name, value in settings.items() if name != "processor_class"}
    try:
        own = {name: value for name, value in fields.pop(base.extractor).items() if name != "feature_extractor_type"}
        extractor = getattr(transformers, base.extractor_type)(**own)
        processor = getattr(transformers, base.processor)(**{base.extractor: extractor, "tokenizer": tokenizer}, **fields)
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise SpatialLLMError(f"the settings of a {base.processor} do not build one: {error!r}.") from None
    made, wanted = ({**each, "processor_class": None} for each in (_as_json(processor), settings))
    if different := sorted(name for name in made | wanted if made.get(name) != wanted.get(name)):
        raise SpatialLLMError(
            f"a {base.processor} does not keep its {', '.join(different)} when it is saved ({wanted.get(different[0])}, "
            f"becomes {made.get(different[0])}): use the settings that its class has by default."
        )
    return processor
