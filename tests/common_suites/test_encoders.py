"""transformers' model suite on both encoders, with and without heads."""

import copy
import unittest

import pytest
import torch
from torch import nn

from spatial_llm.encoders import (
    DSpASTForLocalization,
    DSpASTModel,
    ParallelEncoder,
    SpatialASTForLocalization,
    SpatialASTModel,
)
from tests.common_suites import suites
from tests.common_suites.testers import Tester, listed

common = suites.load("test_modeling_common")
pytestmark = pytest.mark.slow

NO_WORDS = "an encoder of sound has no token embeddings"


class _EncoderSuite(common.ModelTesterMixin):
    test_resize_embeddings = False
    test_can_init_all_missing_weights_before_2023 = True

    def _prepare_for_class(self, inputs_dict, model_class, return_labels=False):
        """With all four labels, so that training tests reach every head."""
        inputs = copy.deepcopy(inputs_dict)
        if return_labels and model_class in (SpatialASTForLocalization, DSpASTForLocalization):
            config, batch = self.model_tester.get_config(), len(inputs["input_features"])
            random = torch.Generator().manual_seed(0)
            inputs["event_labels"] = torch.rand(batch, config.num_event_classes, generator=random)
            for name in ("distance", "azimuth", "elevation"):
                classes = getattr(config, f"num_{name}_classes")
                inputs[f"{name}_labels"] = torch.randint(classes, (batch,), generator=random)
        return inputs

    def test_model_get_set_embeddings(self):
        """In place of the suite's own, which asks for an nn.Embedding: what these models embed are patches."""
        for model_class in self.all_model_classes:
            model = model_class(self.model_tester.get_config())
            assert isinstance(model.get_input_embeddings(), nn.Module)
            assert model.get_output_embeddings() is None

    @unittest.skip(NO_WORDS)
    def test_inputs_embeds(self):
        pass

    @unittest.skip(NO_WORDS)
    def test_inputs_embeds_matches_input_ids(self):
        pass

    @unittest.skip(NO_WORDS + "; what test_training_gradient_checkpointing compares are the gradients of all weights")
    def test_enable_input_require_grads_with_gradient_checkpointing(self):
        pass


@listed(base={"spatial_ast": "SpatialASTModel"})
class SpatialASTSuite(_EncoderSuite, unittest.TestCase):
    all_model_classes = (SpatialASTModel, SpatialASTForLocalization)

    def setUp(self):
        self.model_tester = Tester("SpatialASTModel", lambda config: config.token_layout.num_tokens)


@listed(base={"dspast": "DSpASTModel"})
class DSpASTSuite(_EncoderSuite, unittest.TestCase):
    all_model_classes = (DSpASTModel, DSpASTForLocalization)

    def setUp(self):
        self.model_tester = Tester("DSpASTModel", lambda config: config.token_layout.num_tokens)


@listed(base={"parallel": "ParallelEncoder"})
class ParallelEncoderSuite(_EncoderSuite, unittest.TestCase):
    all_model_classes = (ParallelEncoder,)
    has_attentions = False

    def setUp(self):
        self.model_tester = Tester(
            "ParallelEncoder",
            lambda config: config.token_layout.num_tokens,
            sizes=lambda config: config.members[0].config,
        )

    @unittest.skip("hidden states of several encoders are no one sequence; output_layers puts those wanted into the output")
    def test_hidden_states_output(self):
        pass

    @unittest.skip("see test_hidden_states_output")
    def test_retain_grad_hidden_states_attentions(self):
        pass
