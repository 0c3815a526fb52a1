"""Every public model can be traced as a whole: torch.export, from which ONNX and compiled forms are made."""

import pytest
import torch

import spatial_llm
from spatial_llm.testing import public_models, tiny_config, tiny_inputs


@pytest.mark.parametrize("model_class", public_models())
def test_exported_model_gives_the_same_on_other_inputs(model_class):
    name = model_class.__name__
    config = tiny_config(name)
    torch.manual_seed(0)
    model = model_class(config).eval()
    # A cache is no tensor.
    options = {"use_cache": False} if name.startswith("SpatialLLM") else {}
    exported = torch.export.export(model, (), {**tiny_inputs(config), **options}).module()
    inputs = tiny_inputs(config, seed=1)
    with torch.no_grad():
        expected, given = model(**inputs, **options), exported(**inputs, **options)
    assert list(expected) == list(given)
    for key, tensor in expected.items():
        torch.testing.assert_close(given[key], tensor, equal_nan=True, msg=lambda text, key=key: f"{key}: {text}")


def test_exported_composite_counts_placeholders_too():
    config = tiny_config("SpatialLLMForConditionalGeneration")
    model = spatial_llm.SpatialLLMForConditionalGeneration(config).eval()
    inputs = {**tiny_inputs(config), "use_cache": False}
    exported = torch.export.export(model, (), inputs).module()
    inputs["input_ids"][0, 0] = config.text_config.bos_token_id
    with pytest.raises(RuntimeError, match="assert"):
        exported(**inputs)
