"""Loads BAT's released projector and LoRA by name into the composite, and names ours so (BAT, arXiv 2402.01591; SLAM-LLM).

The released `BAT/model.pt` holds what was trained: `encoder_projector.*` and the LoRA of `q_proj` and `v_proj`, in float32.
If a file also holds the language model, that is loaded too. LoRA names are peft's:
`llm.base_model.model.<module>.lora_A.default.weight`; a wrapped layer's own weight is `<module>.base_layer.weight`.
"""

import copy
import re
from collections.abc import Iterable, Mapping

import torch
from transformers import PreTrainedModel

from spatial_llm.checkpoints.encoders import check_expressible
from spatial_llm.checkpoints.report import KeyReport, as_tensors, check_default_fields, float32, load_by_name
from spatial_llm.errors import CheckpointError
from spatial_llm.fusion.prefix import Prefix
from spatial_llm.model import SpatialLLMConfig, SpatialLLMForConditionalGeneration, add_lora, trained_keys
from spatial_llm.model.adapters import check_lora
from spatial_llm.model.configuration_spatial_llm import LORA_DEFAULTS
from spatial_llm.model.storage import load_tensors
from spatial_llm.projectors import QFormerProjector, QFormerProjectorConfig

BAT_LICENCE = (
    "as its authors give it with the files (zhisheng01/SpatialAudio); made with SpatialAST (CC BY-NC 4.0) and for Llama 2 "
    "(Llama 2 Community License), so take it as non-commercial"
)

PROJECTOR, LANGUAGE_MODEL = "encoder_projector.", "llm.base_model.model."
_OFFICIAL = {"projector": PROJECTOR, "language_model": LANGUAGE_MODEL}
# Fields of the projector that the shapes in a file show, and those that only training reads.
_SHOWN = {"encoder_hidden_size", "text_hidden_size", "hidden_size", "num_hidden_layers", "num_attention_heads"}
_SHOWN |= {"intermediate_size", "cross_attention_frequency", "num_query_tokens"}
_SHOWN |= {"hidden_dropout_prob", "attention_probs_dropout_prob", "initializer_range"}
HEAD_SIZE = 64  # head size of the official Q-Former (768 / 12), which no shape in the file shows


def convert_bat(
    state_dict: Mapping, encoder: PreTrainedModel, language_model: PreTrainedModel, alpha: int = LORA_DEFAULTS["alpha"]
) -> tuple[SpatialLLMForConditionalGeneration, KeyReport]:
    """Converts BAT's state dict to our composite and prints the licence of the weights.

    Args:
        state_dict: official names -> tensors or arrays.
        encoder: SpatialAST, with or without its heads; it is not in the file.
        language_model: Llama-2-7B for the released file; LoRA is added to it, and its weights are loaded where the file
            holds them.
        alpha: of LoRA; the file gives the rank but not alpha.

    Returns:
        the model in eval mode, and a report in which nothing is missing or left over.

    Raises:
        CheckpointError: a key is missing, unknown, of another shape or not finite; all are named.
    """
    tensors = as_tensors(state_dict)
    projector_config = _projector_config(tensors)
    rank, targets = _lora(tensors, language_model)
    lora = {"rank": rank, "alpha": alpha, "target_modules": targets}

    # Every key is checked against a model without memory first, so that a wrong file leaves `language_model` as it was.
    text_config = copy.deepcopy(language_model.config)
    encoder_config = copy.deepcopy(encoder.config)
    with torch.device("meta"):
        config = SpatialLLMConfig(
            encoder_config=encoder_config, projector_config=projector_config, text_config=text_config, lora=lora
        )
        probe = SpatialLLMForConditionalGeneration(config)
    expected = trained_keys(probe)
    if any(key.startswith(LANGUAGE_MODEL) and ".lora_" not in key for key in tensors):
        expected |= {key for key in probe.state_dict() if key.startswith("language_model.")}
    report = KeyReport(BAT_LICENCE)
    load_by_name(probe, tensors, {_official(key): key for key in expected}, set(), report)
    # What the file does not hold comes from `encoder` and `language_model`.
    report.missing = [key for key in report.missing if key.startswith((PROJECTOR, LANGUAGE_MODEL))]
    report.raise_if_incomplete("BAT state dict")

    model = SpatialLLMForConditionalGeneration.from_parts(encoder, language_model, QFormerProjector(projector_config))
    add_lora(model, **lora)
    load_tensors(model, {ours: tensors[official] for official, ours in report.loaded.items()}, expected, "BAT state dict")
    print(report.summary())
    return model.eval(), report


def export_bat(model: SpatialLLMForConditionalGeneration) -> dict[str, torch.Tensor]:
    """Names what was trained, projector and LoRA, as the released file does: the inverse of `convert_bat`, bit for bit.

    Returns:
        official names -> copies of the tensors, float32. Encoder and language model are not in it, nor is LoRA's alpha.

    Raises:
        CheckpointError: the model is no BAT: the fusion is not "prefix", the projector is no Q-Former of the official kind,
            there is no LoRA, or the encoder is none that the official code can build; or a tensor is float64.
    """
    check_bat(model.config, type(model).__name__)
    check_lora(model)
    ours = model.state_dict()
    return {_official(key): float32(ours[key], key) for key in sorted(trained_keys(model))}


def check_bat(config: SpatialLLMConfig, what: str) -> None:
    """Raises CheckpointError unless the official code can build a BAT of this config; see `export_bat`."""
    if config.time_tokens is not None:
        raise CheckpointError(f"{what}: its time_tokens are {config.time_tokens}; released BAT files have none.")
    check_expressible(config.encoder_config, what)
    if not isinstance(config.joined_by, Prefix):
        raise CheckpointError(f'{what}: its fusion is "{config.joined_by.name}"; released BAT files are for "prefix" alone.')
    projector = config.projector_config
    if not isinstance(projector, QFormerProjectorConfig):
        raise CheckpointError(
            f"{what}: its projector is a {projector.model_type}; released BAT files hold a "
            f"{QFormerProjectorConfig.model_type}."
        )
    check_default_fields(projector, _SHOWN, what)
    if projector.num_attention_heads != _heads(projector.hidden_size):
        raise CheckpointError(
            f"{what}: num_attention_heads of its projector is {projector.num_attention_heads}, and the official one has "
            f"{_heads(projector.hidden_size)} at hidden_size {projector.hidden_size}, heads of {HEAD_SIZE}."
        )
    if config.lora is None:
        raise CheckpointError(f"{what}: it has no LoRA, and released BAT files hold projector and LoRA.")


def _official(key: str) -> str:
    part, _, rest = key.partition(".")
    return _OFFICIAL[part] + rest


def _projector_config(tensors: dict[str, torch.Tensor]) -> QFormerProjectorConfig:
    """Reads the sizes of the Q-Former off the shapes in the file."""
    layer = PROJECTOR + "qformer.encoder.layer."
    query = _get(tensors, PROJECTOR + "query", 3)
    layers = _numbers(tensors, re.escape(layer) + r"(\d+)\.attention\.")
    crossed = _numbers(tensors, re.escape(layer) + r"(\d+)\.crossattention\.")
    every = crossed[1] if len(crossed) > 1 else len(layers)
    if layers != list(range(len(layers))) or crossed != list(range(0, len(layers), max(every, 1))):
        raise CheckpointError(
            f"BAT state dict: Q-Former layers {layers}, of which {crossed} with cross-attention; expected 0, 1, 2, ... and "
            f"cross-attention in every f-th from 0: are keys {layer}* missing or renamed?"
        )
    return QFormerProjectorConfig(
        hidden_size=query.shape[-1],
        num_hidden_layers=len(layers),
        num_attention_heads=_heads(query.shape[-1]),
        intermediate_size=_get(tensors, f"{layer}0.intermediate_query.dense.weight", 2).shape[0],
        encoder_hidden_size=_get(tensors, f"{layer}0.crossattention.attention.key.weight", 2).shape[-1],
        cross_attention_frequency=every,
        num_query_tokens=query.shape[-2],
        text_hidden_size=_get(tensors, PROJECTOR + "linear.weight", 2).shape[0],
    )


def _heads(hidden_size: int) -> int:
    return max(1, hidden_size // HEAD_SIZE)


def _lora(tensors: dict[str, torch.Tensor], language_model: PreTrainedModel) -> tuple[int, list[str]]:
    """Returns the rank and the names of the layers that have LoRA; keys that fit no layer are left to be reported as
    unexpected."""
    pattern = re.compile(re.escape(LANGUAGE_MODEL) + r"(.+)\.lora_A\.default\.weight")
    modules = {name for name, _ in language_model.named_modules()}
    found = {
        match[1]: _get(tensors, key, 2).shape[0]
        for key in tensors
        if (match := pattern.fullmatch(key)) and match[1] in modules
    }
    if not found:
        raise CheckpointError(
            f"BAT state dict: no LoRA key fits {type(language_model).__name__}; expected some "
            f"{LANGUAGE_MODEL}<layer>.lora_A.default.weight."
        )
    if 0 in found.values():
        raise CheckpointError("BAT state dict: LoRA of rank 0; is the file damaged?")
    return next(iter(found.values())), sorted({name.rsplit(".", 1)[-1] for name in found})


def _get(tensors: dict[str, torch.Tensor], key: str, dimensions: int) -> torch.Tensor:
    if key not in tensors:
        raise CheckpointError(f"BAT state dict: {key} is missing; is it renamed, or the file another model's?")
    if tensors[key].dim() != dimensions or tensors[key].numel() == 0:
        shape = tuple(tensors[key].shape)
        raise CheckpointError(f"BAT state dict: {key} is {shape}, expected {dimensions} dimensions, none of them 0.")
    return tensors[key]


def _numbers(keys: Iterable[str], pattern: str) -> list[int]:
    return sorted({int(match[1]) for key in keys if (match := re.match(pattern, key))})
