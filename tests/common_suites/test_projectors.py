"""transformers' model suite on the Q-Former projector."""

import unittest
from dataclasses import dataclass

import pytest
import torch
from torch.nn import functional
from transformers.utils import ModelOutput

from spatial_llm.projectors import QFormerProjector
from tests.common_suites import suites
from tests.common_suites.testers import Tester, listed

common = suites.load("test_modeling_common")
pytestmark = pytest.mark.slow

NO_WORDS = "what goes into a projector are an encoder's tokens, which are embedded already"


@dataclass
class _Loss(ModelOutput):
    loss: torch.Tensor | None = None


class _ProjectorWithLoss(QFormerProjector):
    """What the language model does to a projector: the training tests need a loss, and it has none of its own."""

    def forward(self, audio_hidden_states):
        embeds = super().forward(audio_hidden_states).last_hidden_state
        random = torch.Generator().manual_seed(0)
        return _Loss(functional.mse_loss(embeds, torch.randn(embeds.shape, generator=random)))


@listed(base={"spatial_qformer_projector": "QFormerProjector"})
class QFormerProjectorSuite(common.ModelTesterMixin, unittest.TestCase):
    all_model_classes = (QFormerProjector,)
    test_resize_embeddings = False
    test_can_init_all_missing_weights_before_2023 = True

    def setUp(self):
        self.model_tester = Tester("QFormerProjector", lambda config: config.num_query_tokens)

    def test_training(self):
        self.all_model_classes = (_ProjectorWithLoss,)
        super().test_training()

    def check_training_gradient_checkpointing(self, gradient_checkpointing_kwargs=None):
        self.all_model_classes = (_ProjectorWithLoss,)
        super().check_training_gradient_checkpointing(gradient_checkpointing_kwargs)

    @unittest.skip(NO_WORDS)
    def test_model_get_set_embeddings(self):
        pass

    @unittest.skip(NO_WORDS + "; what test_training_gradient_checkpointing compares are the gradients of all weights")
    def test_enable_input_require_grads_with_gradient_checkpointing(self):
        pass
