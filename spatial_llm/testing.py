"""Tiny models: configs, inputs and a processor for tests, docs and smoke runs. Needs no network.

    config = tiny_config("SpatialLLMForConditionalGeneration")
    model = SpatialLLMForConditionalGeneration(config)
    model(**tiny_inputs(config))
    tiny_processor()(audio=..., text="Where is the bell?", sampling_rate=32_000)

They all fit together: the processor's tokens, placeholders and cues are those of the composite's tiny config.
"""

from functools import lru_cache
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
)

from spatial_llm import encoders, model, projectors
from spatial_llm.encoders import DSpASTConfig, ParallelEncoderConfig, SpatialASTConfig
from spatial_llm.encoders.configuration_base import SpatialEncoderConfig
from spatial_llm.errors import SpatialLLMError
from spatial_llm.model import SpatialLLMConfig, SpatialLLMProcessor
from spatial_llm.projectors import (
    AggregatorProjectorConfig,
    MLPProjectorConfig,
    PoolProjectorConfig,
    ProjectorConfig,
    QFormerProjectorConfig,
    RegionsProjectorConfig,
    RVQProjectorConfig,
    SlicesProjectorConfig,
    WindowQFormerProjectorConfig,
)
from spatial_llm.prompts import AUDIO_TOKEN, PROMPT_FORMATS

WIDTH = 48
PAD, BOS, EOS = "<pad>", "<s>", "</s>"
# Merged to whole words; any other text falls back on bytes.
WORDS = PROMPT_FORMATS["bat"].format(question="Where is the sound of the bell coming from? left; front; above; 2.5m Yes No")


def tiny_config(
    name: str,
    encoder: str = "spatial_ast",
    projector: str = "spatial_qformer_projector",
    fusion: str = "prefix",
    language_model: str = "llama",
) -> PreTrainedConfig:
    """Returns a config of a few ten thousand parameters.

    Args:
        name: of a public model class ("SpatialASTModel"), config class ("SpatialASTConfig") or model type ("spatial_ast").
        encoder: model type of the encoder in a composite, a key of `TINY_ENCODERS`.
        projector: model type of its projector, a key of `TINY_PROJECTORS`.
        fusion: type of its fusion, a key of `TINY_FUSIONS`.
        language_model: model type of its language model, a key of `TINY_LANGUAGE_MODELS`.

    Raises:
        SpatialLLMError: no such name; the message lists them. The projector or the fusion cannot take the encoder's tokens:
            those of several channel slices take "dspast".
    """
    for kind, given, known in (
        ("encoder", encoder, TINY_ENCODERS),
        ("projector", projector, TINY_PROJECTORS),
        ("fusion", fusion, TINY_FUSIONS),
        ("language model", language_model, TINY_LANGUAGE_MODELS),
    ):
        if given not in known:
            raise SpatialLLMError(f"no tiny {kind} is called {given!r}; expected one of {sorted(known)}.")
    models = {model_class.__name__: model_class.config_class for model_class in public_models()}
    configs = {known: config for config in models.values() for known in (config.__name__, config.model_type)}
    if name not in (known := models | configs):
        raise SpatialLLMError(f"no tiny config is called {name!r}; expected one of {sorted(known)}.")
    model_type = known[name].model_type
    if model_type == SpatialLLMConfig.model_type:
        return _tiny_composite(encoder, projector, fusion, language_model)
    return (TINY_ENCODERS | TINY_PROJECTORS)[model_type]()


def public_models() -> list[type[PreTrainedModel]]:
    """Returns the model classes that the packages of encoders, of projectors and of the composite name."""
    found = [getattr(package, name) for package in (encoders, projectors, model) for name in package.__all__]
    models = [each for each in found if isinstance(each, type) and issubclass(each, PreTrainedModel)]
    return [each for each in models if each.config_class.model_type]  # those of base classes are empty


def tiny_inputs(config: PreTrainedConfig, batch_size: int = 3, seed: int = 0) -> dict[str, Any]:
    """Returns seeded tensors that the model of `config` takes as keyword arguments, on the CPU.

    Encoders: `input_features` (B, cues, frames, mel bins). Projectors: `audio_hidden_states` (B, tokens, width), and their
    `layout`, which the Q-Former alone does not need. Composite: `input_ids` and `attention_mask` (B, length), one clip a row
    with its placeholders first, and `input_features`.

    Raises:
        SpatialLLMError: a config of another model.
    """
    random = torch.Generator().manual_seed(seed)
    if isinstance(config, SpatialEncoderConfig | ParallelEncoderConfig):
        return {"input_features": torch.randn(batch_size, *config.input_shape, generator=random)}
    if isinstance(config, ProjectorConfig):
        layout = (_tiny_dspast() if getattr(config, "slice_sizes", None) else _tiny_spatial_ast()).token_layout
        tokens = torch.randn(batch_size, layout.num_tokens, config.encoder_hidden_size, generator=random)
        return {"audio_hidden_states": tokens, **({} if isinstance(config, QFormerProjectorConfig) else {"layout": layout})}
    if isinstance(config, SpatialLLMConfig):
        vocabulary = config.text_config.vocab_size
        text = torch.randint(0, vocabulary, (batch_size, 9), generator=random)
        # Words only: no special token (the first ids) and no placeholder.
        text = text.clamp(min=min(vocabulary - 1, len([PAD, BOS, EOS, AUDIO_TOKEN])))
        text[:, 0] = config.text_config.bos_token_id
        slots = torch.full((batch_size, config.num_audio_tokens), config.audio_token_id)
        input_ids = torch.cat([slots, text], dim=1)
        features = tiny_inputs(config.encoder_config, batch_size, seed)
        return {"input_ids": input_ids, "attention_mask": torch.ones_like(input_ids), **features}
    raise SpatialLLMError(f"no tiny inputs for {type(config).__name__}; expected a config that tiny_config returns.")


def tiny_processor(
    encoder: str = "spatial_ast", projector: str = "spatial_qformer_projector", fusion: str = "prefix"
) -> SpatialLLMProcessor:
    """Returns the processor of `tiny_config("SpatialLLMForConditionalGeneration", encoder, projector, fusion)`; clips at
    32 kHz."""
    config = tiny_config(encoder)
    return SpatialLLMProcessor(
        config.feature_extractor(),
        _tiny_tokenizer(),
        num_audio_tokens=_tiny_composite(encoder, projector, fusion).num_audio_tokens,
        prompt_format="bat",
        window_samples=config.window_samples,
    )


def _tiny_encoder_fields() -> dict[str, Any]:
    # 0.32 s at 32 kHz, hop 320: 33 frames, of which the window of 10,240 - 1 samples keeps 32.
    return {
        "hidden_size": WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "num_mel_bins": 32,
        "num_frames": 32,
        "duration_s": 0.31,
        "num_event_classes": 5,
    }


def _tiny_spatial_ast() -> SpatialASTConfig:
    return SpatialASTConfig(**_tiny_encoder_fields())


def _tiny_dspast() -> DSpASTConfig:
    return DSpASTConfig(**_tiny_encoder_fields())


def _tiny_parallel() -> ParallelEncoderConfig:
    # An AST with patches of 8 x 8, whose 4 rows x 4 columns become 1 x 4 on the grid of 2 x 2.
    ast = ASTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=37, patch_size=8, frequency_stride=8,
        time_stride=8, max_length=32, num_mel_bins=32,
    )  # fmt: skip
    extractor = ASTFeatureExtractor(num_mel_bins=32, max_length=32)
    return ParallelEncoderConfig(
        encoders=[
            {"encoder": _tiny_dspast()},
            {"encoder": ast, "feature_extractor": extractor, "channels": "each", "rows": 1},
        ]
    )


TINY_ENCODERS = {"spatial_ast": _tiny_spatial_ast, "dspast": _tiny_dspast, "parallel": _tiny_parallel}


def _tiny_mlp() -> MLPProjectorConfig:
    # The tiny encoders make 2 rows x 2 columns of patches: two tokens.
    return MLPProjectorConfig(hidden_size=37, columns_per_token=2, encoder_hidden_size=WIDTH, text_hidden_size=32)


def _tiny_pool() -> PoolProjectorConfig:
    # One row of the two, whose columns stay: two tokens.
    return PoolProjectorConfig(hidden_size=37, columns="keep", encoder_hidden_size=WIDTH, text_hidden_size=32)


def _tiny_attention_fields() -> dict[str, Any]:
    return {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 37,
        "encoder_hidden_size": WIDTH,
        "text_hidden_size": 32,
    }


def _tiny_qformer() -> QFormerProjectorConfig:
    return QFormerProjectorConfig(**_tiny_attention_fields(), num_query_tokens=4)


def _tiny_window_qformer() -> WindowQFormerProjectorConfig:
    return WindowQFormerProjectorConfig(**_tiny_attention_fields(), rows_per_window=1, queries_per_window=2)


def _tiny_aggregator() -> AggregatorProjectorConfig:
    return AggregatorProjectorConfig(**_tiny_attention_fields(), slice_sizes=[WIDTH // 3] * 3, num_query_tokens=4)


def _tiny_regions() -> RegionsProjectorConfig:
    return RegionsProjectorConfig(**_tiny_attention_fields(), slice_sizes=[WIDTH // 3] * 3, columns_per_token=2)


def _tiny_slices() -> SlicesProjectorConfig:
    return SlicesProjectorConfig(
        **_tiny_attention_fields(), slice_sizes=[WIDTH // 3] * 3, slots_per_slice=2, columns_per_token=2
    )


def _tiny_rvq() -> RVQProjectorConfig:
    # As the pool: one row whose columns stay. Code books that are small and few, yet tell sixteen recordings apart.
    sizes = {"hidden_size": 16, "num_levels": 3, "codebook_size": 16}
    return RVQProjectorConfig(**sizes, columns="keep", encoder_hidden_size=WIDTH, text_hidden_size=32)


TINY_PROJECTORS = {
    "spatial_qformer_projector": _tiny_qformer,
    "spatial_mlp_projector": _tiny_mlp,
    "spatial_window_qformer_projector": _tiny_window_qformer,
    "spatial_pool_projector": _tiny_pool,
    "spatial_aggregator_projector": _tiny_aggregator,
    "spatial_regions_projector": _tiny_regions,
    "spatial_slices_projector": _tiny_slices,
    "spatial_rvq_projector": _tiny_rvq,
}


def _joinable(config: ProjectorConfig) -> dict[str, Any]:
    """Returns the fields of a projector without those that the other parts of a composite decide."""
    decided = ("encoder_hidden_size", "text_hidden_size", "slice_sizes", "num_columns")
    return {name: value for name, value in config.to_dict().items() if name not in decided}


# Two layers: the second one is fused, so that both kinds of layer are there. The width is not the language model's.
TINY_FUSIONS: dict[str, dict[str, Any] | None] = {
    "prefix": None,
    "delayed": {"type": "delayed", "start_layer": 1},
    "lal": {"type": "lal", "layers": [1], "width": 24},
    "hybrid": {"type": "hybrid", "layers": [1], "width": 24, "summary_tokens": 2},
    "per_encoder": {
        "type": "per_encoder", "layers": [1], "width": 24, "prefix_slices": [2],
        "prefix_projector": {"model_type": "spatial_mlp_projector", "hidden_size": 37, "columns_per_token": 2},
    },
    "gated_cross_attention": {"type": "gated_cross_attention", "layers": [1], "width": 24, "heads": 2, "head_dim": 8},
}  # fmt: skip
TINY_LANGUAGE_MODELS: dict[str, type[PreTrainedConfig]] = {
    "llama": LlamaConfig,
    "qwen2": Qwen2Config,
    "qwen3": Qwen3Config,
    "smollm3": SmolLM3Config,
}


def _tiny_composite(
    encoder: str = "spatial_ast",
    projector: str = "spatial_qformer_projector",
    fusion: str = "prefix",
    language_model: str = "llama",
) -> SpatialLLMConfig:
    tokenizer = _tiny_tokenizer()
    return SpatialLLMConfig(
        encoder_config=TINY_ENCODERS[encoder](),
        projector_config=_joinable(TINY_PROJECTORS[projector]()),
        fusion=TINY_FUSIONS[fusion],
        text_config=TINY_LANGUAGE_MODELS[language_model](
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=37,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=8,
            max_position_embeddings=512,
            tie_word_embeddings=False,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        ),
        audio_token_id=tokenizer.convert_tokens_to_ids(AUDIO_TOKEN),
        lora={"rank": 2, "alpha": 4},
    )


@lru_cache(maxsize=1)
def _tokenizer_json() -> str:
    """Returns a byte-level BPE tokenizer, trained on the words above in an instant; the same everywhere."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        [WORDS],
        trainers.BpeTrainer(
            special_tokens=[PAD, BOS, EOS, AUDIO_TOKEN],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            min_frequency=1,
            vocab_size=512,
            show_progress=False,
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, tokenizer.token_to_id(BOS))]
    )
    return tokenizer.to_str()


def _tiny_tokenizer() -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(_tokenizer_json()),
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        additional_special_tokens=[AUDIO_TOKEN],
        model_input_names=["input_ids", "attention_mask"],
    )
