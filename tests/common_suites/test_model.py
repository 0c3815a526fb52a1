"""transformers' model suite on the composite, with and without head, on both kinds of encoder and of projector.

Frozen means as BAT is trained: encoder frozen, LoRA in the language model. Unfrozen: everything trains, without LoRA.
"""

import copy
import tempfile
import unittest

import pytest

from spatial_llm.model import SpatialLLMForConditionalGeneration, SpatialLLMModel
from tests.common_suites import suites
from tests.common_suites.testers import Tester, listed

common = suites.load("test_modeling_common")
generation = suites.load("generation.test_utils")
# Several tests of the suite run the text alone.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:the prompts hold audio placeholders")]


class _SpatialLLMSuite(common.ModelTesterMixin, generation.GenerationTesterMixin):
    all_model_classes = (SpatialLLMModel, SpatialLLMForConditionalGeneration)
    test_can_init_all_missing_weights_before_2023 = True
    _is_composite = True
    encoder = "spatial_ast"
    projector = "spatial_qformer_projector"
    fusion = "prefix"
    fields = {}  # noqa: RUF012

    def setUp(self):
        self.model_tester = Tester(
            "SpatialLLMForConditionalGeneration",
            lambda config: config.joined_by.num_rows(config.num_audio_tokens, config.encoder_config.token_layout) + 9,
            lambda config: config.text_config,
            self.encoder,
            self.projector,
            self.fusion,
            **self.fields,
        )

    def _prepare_for_class(self, inputs_dict, model_class, return_labels=False):
        """With labels on everything but the placeholders."""
        inputs = copy.deepcopy(inputs_dict)
        if return_labels and model_class is SpatialLLMForConditionalGeneration:
            audio = inputs["input_ids"] == self.model_tester.get_config().audio_token_id
            inputs["labels"] = inputs["input_ids"].masked_fill(audio, -100)
        return inputs

    def test_sdpa_can_dispatch_composite_models(self):
        """In place of the suite's own, which knows a tower of sound by the names audio_tower and audio_model only."""
        for model_class in self.all_model_classes:
            with tempfile.TemporaryDirectory() as folder:
                model_class(self.model_tester.get_config()).save_pretrained(folder)
                for asked in ("sdpa", "eager"):
                    model = model_class.from_pretrained(folder, attn_implementation=asked)
                    chosen = {
                        module.config._attn_implementation
                        for module in model.modules()
                        if type(module).__name__.endswith("Attention") and hasattr(module, "config")
                    }
                    assert chosen == {asked}

    def test_mismatching_num_audio_tokens(self):
        """What transformers' suite of audio language models asks (it is not in the source distribution)."""
        for model_class in self.all_model_classes:
            config, inputs = self.model_tester.prepare_config_and_inputs_for_common()
            model = model_class(config).eval()
            clips = inputs["input_features"]
            twice = {name: inputs[name].repeat(1, 2) for name in ("input_ids", "attention_mask")}
            for wrong in (
                {**inputs, "input_features": clips[-1:]},
                {**inputs, "input_features": clips.repeat(2, 1, 1, 1)},
                {**inputs, **twice},
            ):
                with self.assertRaises(ValueError):
                    model(**wrong)
            model(**{**inputs, **twice, "input_features": clips.repeat(2, 1, 1, 1)})


NAMES = {
    "base": {"spatial_llm": "SpatialLLMModel", "spatial_ast": "SpatialASTModel", "dspast": "DSpASTModel"},
    "causal_lm": {"spatial_llm": "SpatialLLMForConditionalGeneration"},
}


class _Frozen:
    @unittest.skip("under LoRA the token embeddings are frozen: the unfrozen suites run it")
    def test_enable_input_require_grads_with_gradient_checkpointing(self):
        pass


@listed(**NAMES)
class SpatialASTFrozenSuite(_Frozen, _SpatialLLMSuite, unittest.TestCase):
    pass


@listed(**NAMES)
class SpatialASTUnfrozenSuite(_SpatialLLMSuite, unittest.TestCase):
    fields = {"lora": None, "freeze_encoder": False}  # noqa: RUF012


@listed(**NAMES)
class DSpASTFrozenSuite(_Frozen, _SpatialLLMSuite, unittest.TestCase):
    encoder = "dspast"


@listed(**NAMES)
class DSpASTUnfrozenSuite(_SpatialLLMSuite, unittest.TestCase):
    encoder = "dspast"
    fields = {"lora": None, "freeze_encoder": False}  # noqa: RUF012


@listed(**NAMES)
class MLPProjectorFrozenSuite(_Frozen, _SpatialLLMSuite, unittest.TestCase):
    projector = "spatial_mlp_projector"


class _Deep:
    @unittest.skip("refused: the layers share the audio, see tests/fusion/test_training.py")
    def test_training_gradient_checkpointing_use_reentrant_true(self):
        pass

    @unittest.skip("the rows of the sequence are words alone, frozen as the language model around added modules is")
    def test_retain_grad_hidden_states_attentions(self):
        pass


class _DeepFrozen(_Deep, _Frozen):
    pass


class _Positions:
    @unittest.skip("refused: positions that depend on the length of a call, see tests/fusion/test_refusals.py")
    def test_model_rope_scaling_from_config_1_dynamic(self):
        pass


@listed(**NAMES)
class DelayedFrozenSuite(_DeepFrozen, _Positions, _SpatialLLMSuite, unittest.TestCase):
    fusion = "delayed"


@listed(**NAMES)
class LalFrozenSuite(_DeepFrozen, _Positions, _SpatialLLMSuite, unittest.TestCase):
    fusion = "lal"


@listed(**NAMES)
class LalUnfrozenSuite(_Deep, _Positions, _SpatialLLMSuite, unittest.TestCase):
    fusion = "lal"
    fields = {"lora": None, "freeze_encoder": False}  # noqa: RUF012


@listed(**NAMES)
class HybridFrozenSuite(_DeepFrozen, _Positions, _SpatialLLMSuite, unittest.TestCase):
    fusion = "hybrid"


@listed(**NAMES)
class PerEncoderFrozenSuite(_DeepFrozen, _Positions, _SpatialLLMSuite, unittest.TestCase):
    encoder = "dspast"
    fusion = "per_encoder"


@listed(**NAMES)
class GatedCrossAttentionFrozenSuite(_DeepFrozen, _SpatialLLMSuite, unittest.TestCase):
    fusion = "gated_cross_attention"


@listed(**NAMES)
class WindowQFormerProjectorFrozenSuite(_Frozen, _SpatialLLMSuite, unittest.TestCase):
    projector = "spatial_window_qformer_projector"


@listed(**NAMES)
class PoolProjectorFrozenSuite(_Frozen, _SpatialLLMSuite, unittest.TestCase):
    projector = "spatial_pool_projector"


@listed(**NAMES)
class AggregatorProjectorFrozenSuite(_Frozen, _SpatialLLMSuite, unittest.TestCase):
    encoder = "dspast"
    projector = "spatial_aggregator_projector"


@listed(**NAMES)
class RegionsProjectorFrozenSuite(_Frozen, _SpatialLLMSuite, unittest.TestCase):
    encoder = "dspast"
    projector = "spatial_regions_projector"


@listed(**NAMES)
class SlicesProjectorFrozenSuite(_Frozen, _SpatialLLMSuite, unittest.TestCase):
    encoder = "dspast"
    projector = "spatial_slices_projector"


@listed(**NAMES)
class RVQProjectorFrozenSuite(_Frozen, _SpatialLLMSuite, unittest.TestCase):
    projector = "spatial_rvq_projector"

    @unittest.skip("code vectors are buffers that are drawn, and the suite compares two draws")
    def test_init_weights_can_init_buffers(self):
        pass
