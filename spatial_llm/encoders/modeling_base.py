"""Defines the base class of all spatial encoders: initialisation, and the attributes that transformers requires of a model
class."""

import torch
from torch import nn
from transformers import initialization as init

from spatial_llm.encoders.heads import AdaCosHead
from spatial_llm.encoders.layers import EncoderLayer, PatchEmbeddings, SelfAttention
from spatial_llm.encoders.pretrained import CheckedPreTrainedModel

# Regular expressions that match names of tensors from the start: within a composite they must match no other part.
CUE_NORM = r"^(?:encoder\.)?cue_norm"


class SpatialEncoderPreTrainedModel(CheckedPreTrainedModel):
    """Base class of the encoders, with and without heads."""

    base_model_prefix = "encoder"
    main_input_name = "input_features"
    input_modalities = ("audio",)
    supports_gradient_checkpointing = True
    _no_split_modules = ["EncoderLayer"]  # noqa: RUF012
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    # The ILD plane spans more orders of magnitude than half precision has.
    _keep_in_fp32_modules_strict = [CUE_NORM]  # noqa: RUF012
    _can_record_outputs = {"hidden_states": EncoderLayer, "attentions": SelfAttention}  # noqa: RUF012

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, PatchEmbeddings):
            init.copy_(module.positions, module.sine_cosine_table())
        elif isinstance(module, AdaCosHead):
            init.xavier_uniform_(module.weight)
            init.copy_(module.scale, module.initial_scale())
        elif getattr(module, "cls_tokens", None) is not None:
            init.normal_(module.cls_tokens, std=self.config.initializer_range)
