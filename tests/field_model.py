"""A tiny model of random weights whose encoder hears ambisonics and arrays, and recordings for it."""

import numpy as np
import torch

from spatial_llm.audio.cues import FIELD_CUES
from spatial_llm.audio.formats import AudioFormat
from spatial_llm.encoders import DSpASTConfig, DSpASTForLocalization
from spatial_llm.encoders.readout import EncoderHeads
from spatial_llm.model import SpatialLLM, SpatialLLMConfig, SpatialLLMForConditionalGeneration, SpatialLLMProcessor
from spatial_llm.scenes.render import render_scene
from spatial_llm.scenes.scene import Listener, Room, Scene, Source
from spatial_llm.testing import tiny_config, tiny_processor

RATE = 32_000
LABELS = ["alarm", "bell", "dog", "rain", "siren"]
ROOM = Room("room", (5.0, 4.0, 2.7), absorption=0.6, max_order=2, ray_tracing=False, response_s=0.1)


def scene_of(azimuth_deg: float, format: AudioFormat, seconds: float = 0.5) -> np.ndarray:
    """A recording (channels, samples) at `RATE` of an alarm 1.5 m away, in a small room."""
    way = np.radians(azimuth_deg)
    position_m = (2.4 + 1.5 * float(np.cos(way)), 1.9 + 1.5 * float(np.sin(way)), 1.7)
    scene = Scene(
        id="s", split="eval", seed=0, duration_s=seconds, sampling_rate=RATE, room=ROOM, listener=Listener((2.4, 1.9, 1.5)),
        sources=(Source("alarm", "synth:alarm/7", position_m=position_m),),
    )  # fmt: skip
    return render_scene(scene, ".", format)


def tiny_field(encoder_heads: bool = False, telling: bool = False) -> SpatialLLM:
    """Returns the model; the same each time.

    Args:
        encoder_heads: whether the heads of its encoder are with it.
        telling: whether its weights are large, so that its answers differ with what it hears; such answers make no sense.
    """
    whole = tiny_config("SpatialLLMForConditionalGeneration", "dspast")
    changed = {"cues": FIELD_CUES, "normalized_cues": FIELD_CUES, "audio_format": "field", "event_labels": LABELS}
    encoder = DSpASTConfig(**whole.encoder_config.to_dict() | changed)
    config = SpatialLLMConfig.from_dict(whole.to_dict() | {"encoder_config": encoder.to_dict()})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = SpatialLLMForConditionalGeneration(config).eval()
        heads = EncoderHeads(DSpASTForLocalization(encoder)) if encoder_heads else None
        if telling:
            make_telling(model)
    two_ears = tiny_processor("dspast")
    processor = SpatialLLMProcessor(
        encoder.feature_extractor(), two_ears.tokenizer, num_audio_tokens=config.num_audio_tokens, prompt_format="bat",
        window_samples=encoder.window_samples,
    )  # fmt: skip
    return SpatialLLM(model, processor, heads)


def make_telling(model: SpatialLLMForConditionalGeneration) -> None:
    """Makes fresh weights larger: answers of those that are tiny are the same about everything."""
    for part, gain in ((model.encoder, 4), (model.projector, 4), (model.language_model, 5)):
        for name, parameter in part.named_parameters():
            if ".lora_B" in name:
                parameter.data.normal_(std=0.5)
            elif parameter.ndim > 1:
                parameter.data.mul_(gain)
