"""transformers' processor suite on `SpatialLLMProcessor`."""

import unittest

import numpy as np
import pytest

from spatial_llm.model import SpatialLLMProcessor
from spatial_llm.testing import tiny_config, tiny_processor
from tests.common_suites import suites

common = suites.load("test_processing_common")
# The suite names no rate.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:no sampling_rate given")]


class SpatialLLMProcessorSuite(common.ProcessorTesterMixin, unittest.TestCase):
    processor_class = SpatialLLMProcessor

    @classmethod
    def _setup_feature_extractor(cls):
        return tiny_processor().feature_extractor

    @classmethod
    def _setup_tokenizer(cls):
        return tiny_processor().tokenizer

    @staticmethod
    def prepare_processor_dict():
        return {"num_audio_tokens": 4, "prompt_format": "bat"}

    def test_subprocessor_defaults_0_text(self):
        self.skipTest("a text is a question, which the processor puts into a prompt: other ids than the tokenizer's alone")

    def _test_apply_chat_template(self, *_, **__):
        self.skipTest("the suite's messages have a system role, which BAT's format has not, and recordings on the network")

    def test_chat_template_audio_sampling_rate(self):
        self.skipTest("the suite's recording lies on the network, which is never read; see test_both_channels_survive")

    def test_chat_template_jinja_kwargs(self):
        self.skipTest("the suite's template reads parts; ours are those of language models, whose contents are texts")

    def test_apply_chat_template_assistant_mask(self):
        self.skipTest("the suite's template reads parts; ours are those of language models, whose contents are texts")

    def test_chat_template_message_objects(self):
        self.skipTest("messages are dictionaries; others are refused in words")

    def test_chat_template_save_loading(self):
        self.skipTest("the suite replaces a file of a sealed folder, which is refused")

    def prepare_audio_inputs(self, batch_size=None):
        """Recordings with two ears; the suite's own have one."""
        samples = tiny_config("SpatialASTConfig").window_samples
        clip = 0.1 * np.random.default_rng(0).standard_normal((2, samples)).astype(np.float32)
        return [clip] * (batch_size or 1)
