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

    def prepare_audio_inputs(self, batch_size=None):
        """Recordings with two ears; the suite's own have one."""
        samples = tiny_config("SpatialASTConfig").window_samples
        clip = 0.1 * np.random.default_rng(0).standard_normal((2, samples)).astype(np.float32)
        return [clip] * (batch_size or 1)
