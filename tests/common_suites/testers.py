"""What the suites ask of every model under test: a tiny config, inputs, and the numbers that they compare."""

from collections.abc import Callable
from typing import Any
from unittest import mock

import torch
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, MODEL_MAPPING_NAMES

from spatial_llm.testing import tiny_config, tiny_inputs


class Tester:
    """Tiny config and inputs of a model class.

    Args:
        name: as `tiny_config` takes it.
        seq_length: positions of the attended sequence, given the config.
        sizes: the part of the config that holds width, heads and layers; default: the config itself.
        encoder, projector, fusion: of a composite, as `tiny_config` takes them.
        **fields: set in the config.
    """

    __test__ = False  # no test class, whatever its name says
    is_training = True
    batch_size = 3

    def __init__(
        self,
        name: str,
        seq_length: Callable[[Any], int],
        sizes: Callable[[Any], Any] = lambda config: config,
        encoder: str = "spatial_ast",
        projector: str = "spatial_qformer_projector",
        fusion: str = "prefix",
        **fields: Any,
    ) -> None:
        self.name = name
        self.encoder = encoder
        self.projector = projector
        self.fusion = fusion
        self.fields = fields
        config = self.get_config()
        sized = sizes(config)
        self.seq_length = self.encoder_seq_length = self.key_length = seq_length(config)
        self.hidden_size = sized.hidden_size
        self.num_hidden_layers = sized.num_hidden_layers
        self.num_attention_heads = sized.num_attention_heads

    def get_config(self) -> Any:
        config = tiny_config(self.name, self.encoder, self.projector, self.fusion)
        for name, value in self.fields.items():
            setattr(config, name, value)
        return config

    def prepare_config_and_inputs_for_common(self) -> tuple[Any, dict[str, torch.Tensor]]:
        config = self.get_config()
        return config, tiny_inputs(config, batch_size=self.batch_size)


def listed(base: dict[str, str], causal_lm: dict[str, str] | None = None) -> Callable[[type], type]:
    """Decorates a test class: our models stand in transformers' own tables, model type to class, as in-tree models do.

    The suites read them to tell which models have no loss, what a `base_model_prefix` leads to and which head shifts
    labels; registering with the Auto classes does not reach them.
    """

    def decorate(cls: type) -> type:
        cls = mock.patch.dict(MODEL_MAPPING_NAMES, base)(cls)
        return mock.patch.dict(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, causal_lm or {})(cls)

    return decorate
