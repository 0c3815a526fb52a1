"""The field `fusion`: what is read, filled in and refused."""

import pytest

from spatial_llm.errors import SpatialLLMError
from spatial_llm.fusion import read_fusion
from spatial_llm.fusion.kinds import FUSIONS
from spatial_llm.model import SpatialLLMConfig
from spatial_llm.testing import TINY_FUSIONS, tiny_config


@pytest.mark.parametrize("name", FUSIONS)
def test_every_fusion_is_read_back_from_what_it_saves(name):
    fusion = read_fusion({"type": name})
    assert read_fusion(fusion.to_dict()) == fusion
    assert set(TINY_FUSIONS) == set(FUSIONS)


def test_none_is_prefix_and_stays_none():
    config = tiny_config("SpatialLLMConfig")
    assert config.fusion is None
    assert config.joined_by == read_fusion({"type": "prefix"})


def test_saved_fields_are_all_there():
    config = tiny_config("SpatialLLMConfig", fusion="lal")
    assert config.fusion == {
        "type": "lal", "layers": [1], "width": 24, "norm": "own", "share": True, "positions": "slots"
    }  # fmt: skip
    assert config.projector_config.text_hidden_size == 24


@pytest.mark.parametrize(
    ("given", "layers"),
    [
        ({"type": "delayed"}, range(4, 16)),
        ({"type": "delayed", "start_layer": 7}, range(7, 16)),
        ({"type": "lal"}, range(4, 16)),
        ({"type": "lal", "layers": [9, 2]}, [2, 9]),
        ({"type": "lal", "layers": []}, []),
        ({"type": "hybrid", "layers": {"start": 6, "every": 3}}, [6, 9, 12, 15]),
        ({"type": "gated_cross_attention"}, range(16)),
        ({"type": "gated_cross_attention", "layers": {"every": 4}}, [0, 4, 8, 12]),
    ],
)
def test_layers_of_sixteen(given, layers):
    assert read_fusion(given).fused_layers(16) == tuple(layers)


def test_placeholders():
    layout = tiny_config("dspast").token_layout
    assert read_fusion({"type": "lal"}).num_placeholders(512, layout) == 512
    assert read_fusion({"type": "hybrid", "summary_tokens": 8}).num_placeholders(512, layout) == 520
    # The tiny grid has two rows, each of them a token.
    assert read_fusion(TINY_FUSIONS["per_encoder"]).num_placeholders(512, layout) == 514


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"type": "early"}, "expected one of prefix, delayed, lal, hybrid, per_encoder, gated_cross_attention"),
        ({}, "fusion.type is None"),
        ({"type": "lal", "layer": [1]}, "did you mean layers"),
        ({"type": "prefix", "layers": [1]}, "its fields are none"),
        ({"type": "lal", "norm": "batch"}, r"fusion\.norm is 'batch'.*own"),
        ({"type": "lal", "width": 0}, r"fusion\.width is 0"),
        ({"type": "lal", "width": "768"}, r"fusion\.width is '768'"),
        ({"type": "lal", "layers": [0, 2]}, r"layers 0 to 1"),
        ({"type": "lal", "layers": [1, 1]}, "each layer once"),
        ({"type": "lal", "layers": [-1]}, "from 0"),
        ({"type": "lal", "layers": {"begin": 1}}, "begin"),
        ({"type": "lal", "layers": {"start": 2}}, "layers 0 to 1"),
        ({"type": "delayed", "start_layer": 2}, r"start_layer is 2"),
        ({"type": "hybrid", "width": 24, "layers": [1]}, "at most 4, or summary_origin query"),
        ({"type": "gated_cross_attention", "layers": []}, "at least one layer"),
        ({"type": "gated_cross_attention", "gate_init": float("nan")}, "gate_init"),
    ],
)
def test_refusals(given, words):
    tiny = tiny_config("SpatialLLMConfig").to_dict()
    tiny["projector_config"].pop("text_hidden_size")
    with pytest.raises(SpatialLLMError, match=words):
        SpatialLLMConfig(**{**tiny, "fusion": given})


def test_a_projector_of_another_width_is_refused():
    tiny = tiny_config("SpatialLLMConfig").to_dict()
    with pytest.raises(SpatialLLMError, match="expected 24, the width of the fusion"):
        SpatialLLMConfig(**{**tiny, "fusion": {"type": "lal", "width": 24}})
