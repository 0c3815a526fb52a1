"""The projector of a recipe: the configuration's own names, and what an error says of others."""

import pytest

from spatial_llm.errors import SpatialLLMError
from spatial_llm.projectors import MLPProjectorConfig, QFormerProjectorConfig
from spatial_llm.projectors.settings import EARLIER, projector_config


def test_without_a_model_type_it_is_the_q_former_of_bat():
    assert projector_config({}).to_dict() == QFormerProjectorConfig().to_dict()


def test_fields_and_widths_reach_the_configuration():
    config = projector_config({"model_type": "spatial_mlp_projector", "hidden_size": 9}, encoder_hidden_size=5)
    assert isinstance(config, MLPProjectorConfig)
    assert (config.hidden_size, config.encoder_hidden_size, config.text_hidden_size) == (9, 5, 4096)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"queries": 4}, "projector.queries is no field.*write num_query_tokens in its place"),
        ({"model_type": "spatial_mlp_projector", "queries": 4}, "no field of a spatial_mlp_projector; its fields are"),
        ({"model_type": "spatial_mlp_projector", "num_query_tokens": 4}, "no field of a spatial_mlp_projector; its fields"),
        ({"model_type": "llama"}, "'llama'; expected one of .*spatial_mlp_projector, spatial_pool_projector"),
        ({"torch_dtype": "float16"}, "projector.torch_dtype is no field"),
        ({"num_query_tokens": 0}, "num_query_tokens is 0"),
        ({"num_query_tokens": "many"}, "num_query_tokens"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_write(settings, words):
    with pytest.raises(SpatialLLMError, match=words):
        projector_config(settings)


def test_every_earlier_name_leads_to_fields_that_exist():
    fields = set(QFormerProjectorConfig().to_dict())
    assert all(name in fields for names in EARLIER.values() for name in names.split(" and "))
