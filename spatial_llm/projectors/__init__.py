"""Audio tokens of an encoder -> a few tokens of the language model's width. Every projector is
`forward(audio_hidden_states (B, tokens, encoder width))`, whose output's `last_hidden_state` is `audio_embeds`
(B, query tokens, text width)."""

from transformers import AutoConfig, AutoModel

from spatial_llm.projectors.configuration_qformer import QFormerProjectorConfig
from spatial_llm.projectors.modeling_qformer import QFormerProjector

__all__ = ["QFormerProjector", "QFormerProjectorConfig"]

AutoConfig.register(QFormerProjectorConfig.model_type, QFormerProjectorConfig)
AutoModel.register(QFormerProjectorConfig, QFormerProjector)
