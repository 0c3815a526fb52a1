"""Tiny random base models that hear one channel by themselves, with their processors, and composites of them."""

import torch
from transformers import (
    AutoModel,
    GraniteSpeechConfig,
    GraniteSpeechFeatureExtractor,
    GraniteSpeechForConditionalGeneration,
    GraniteSpeechProcessor,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
    WhisperFeatureExtractor,
)

from spatial_llm.model import SpatialLLM, SpatialLLMForConditionalGeneration, SpatialLLMProcessor
from spatial_llm.testing import TINY_FUSIONS, tiny_config, tiny_processor

TEXT = {
    "hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "max_position_embeddings": 512, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
LORA = {"rank": 2, "alpha": 4, "dropout": 0.0}
TEMPLATE = "{% for message in messages %}{{ message['content'] }} ###{% endfor %}"
BASES = ("granite_speech", "qwen2_audio")
AUDIO_ID = 3  # of "<|audio|>", the audio placeholder of both


def tiny_base(name, tokenizer=None):
    """A base of random weights, in eval mode, and its processor; the same each time."""
    tokenizer = tokenizer or tiny_processor().tokenizer
    text = {**TEXT, "vocab_size": len(tokenizer)}
    with torch.random.fork_rng():
        torch.manual_seed(7)
        if name == "granite_speech":
            config = GraniteSpeechConfig(
                text_config={"model_type": "granite", **text},
                encoder_config={
                    "input_dim": 160, "num_layers": 2, "hidden_dim": 32, "num_heads": 4, "output_dim": 42,
                    "context_size": 20, "max_pos_emb": 32, "feedforward_mult": 2, "conv_kernel_size": 7,
                },
                projector_config={
                    "model_type": "blip_2_qformer", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
                    "intermediate_size": 37, "encoder_hidden_size": 32, "cross_attention_frequency": 1,
                },
                audio_token_index=AUDIO_ID,
                has_lora_adapter=False,
            )  # fmt: skip
            model = GraniteSpeechForConditionalGeneration(config)
            processor = GraniteSpeechProcessor(GraniteSpeechFeatureExtractor(), tokenizer, chat_template=TEMPLATE)
        else:
            config = Qwen2AudioConfig(
                text_config={"model_type": "qwen2", **text},
                audio_config={
                    "model_type": "qwen2_audio_encoder", "num_mel_bins": 16, "encoder_layers": 2,
                    "encoder_attention_heads": 4, "encoder_ffn_dim": 37, "d_model": 32, "max_source_positions": 50,
                },
                audio_token_index=AUDIO_ID,
            )  # fmt: skip
            model = Qwen2AudioForConditionalGeneration(config)
            extractor = WhisperFeatureExtractor(feature_size=16, chunk_length=1)
            processor = Qwen2AudioProcessor(extractor, tokenizer, audio_token="<|audio|>", chat_template=TEMPLATE)
        # Tiny fresh weights answer nearly alike whatever they hear; larger ones tell inputs apart.
        for parameter in model.parameters():
            parameter.data.mul_(4)
        model.generation_config.eos_token_id = None
    return model.eval(), processor


def tiny_plugged(name, fusion="prefix", lora=LORA, **options):
    """A composite of a tiny base whose LoRA is not at zero, with its processor, as `SpatialLLM`."""
    base, base_processor = tiny_base(name)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        encoder, projector = encoder_and_projector(fusion)
        net = SpatialLLMForConditionalGeneration.from_parts(
            encoder, base, projector, lora=lora, fusion=TINY_FUSIONS[fusion], **options
        )
        for parameter_name, parameter in net.named_parameters():
            if ".lora_B" in parameter_name:
                parameter.data.normal_(std=0.5)
    return SpatialLLM(net, SpatialLLMProcessor.for_model(net, base_processor))


def encoder_and_projector(fusion="prefix"):
    """Tiny parts beside a tiny base; with slices of channels where the fusion divides them."""
    encoder = "dspast" if fusion == "per_encoder" else "spatial_ast"
    config = tiny_config("SpatialLLMForConditionalGeneration", encoder, fusion=fusion)
    return AutoModel.from_config(config.encoder_config).eval(), AutoModel.from_config(config.projector_config)


def recordings(count, seed=0):
    """Noises of two ears (count, 2, samples) as long as the tiny window, at 32 kHz."""
    random = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(count, 2, tiny_processor().window_samples, generator=random)
