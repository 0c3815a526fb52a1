"""transformers' config suite on every config of ours."""

import unittest

import pytest

from spatial_llm.encoders import DSpASTConfig, SpatialASTConfig
from spatial_llm.model import SpatialLLMConfig
from spatial_llm.projectors.kinds import PROJECTORS
from spatial_llm.projectors.shared_fields import TwoLayerConfig
from spatial_llm.testing import tiny_config
from tests.common_suites import suites

common = suites.load("test_configuration_common")
pytestmark = pytest.mark.slow

CHECKS = [name for name in dir(common.ConfigTester) if name.startswith(("create_and_test_", "check_"))]


class _Tiny:
    def __init__(self, name):
        self.name = name

    def get_config(self):
        return tiny_config(self.name)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(
    "config_class", [SpatialASTConfig, DSpASTConfig, *(config for config, _ in PROJECTORS.values()), SpatialLLMConfig]
)
def test_config(config_class, check):
    parent = unittest.TestCase()
    parent.model_tester = _Tiny(config_class.__name__)
    if config_class is SpatialLLMConfig:
        given = tiny_config("SpatialLLMConfig").to_dict()
        given = {name: given[name] for name in ("encoder_config", "projector_config", "text_config")}
        given = {
            "audio_token_id": 9,
            "freeze_encoder": False,
            "lora": {"rank": 2, "alpha": 4, "dropout": 0.0, "target_modules": ["q_proj"]},
        }
    elif issubclass(config_class, TwoLayerConfig):
        given = {"hidden_size": 96}
    else:
        given = {"hidden_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4}
    if issubclass(config_class, TwoLayerConfig):
        given["common_properties"] = ["hidden_size"]  # it has neither heads nor layers to count
    tester = common.ConfigTester(parent, config_class=config_class, has_text_modality=False, **given)
    getattr(tester, check)()
