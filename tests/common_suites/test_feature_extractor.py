"""transformers' suite of sequence feature extractors on `SpatialFeatureExtractor`."""

import unittest

import numpy as np
import pytest

from spatial_llm.encoders.feature_extraction_spatial import SpatialFeatureExtractor
from tests.common_suites import suites

common = suites.load("test_sequence_feature_extraction_common")
pytestmark = pytest.mark.slow


class _Tester:
    batch_size = 7
    min_seq_length = 400
    max_seq_length = 2000
    feature_size = 128
    seq_length_diff = (max_seq_length - min_seq_length) // (batch_size - 1)

    def prepare_feat_extract_dict(self):
        return {"feature_size": self.feature_size, "sampling_rate": 32_000, "padding_value": 0.0, "hop_length": 160}

    def prepare_inputs_for_common(self, equal_length=False, numpify=False):
        """Sequences of frames, (frames, feature_size) each: what the inherited `pad` pads."""
        random = np.random.default_rng(0)
        lengths = [
            self.max_seq_length if equal_length else self.min_seq_length + i * self.seq_length_diff
            for i in range(self.batch_size)
        ]
        frames = [random.random((length, self.feature_size), dtype=np.float32) for length in lengths]
        return frames if numpify else [clip.tolist() for clip in frames]


class SpatialFeatureExtractorSuite(common.SequenceFeatureExtractionTestMixin, unittest.TestCase):
    feature_extraction_class = SpatialFeatureExtractor

    def setUp(self):
        self.feat_extract_tester = _Tester()
