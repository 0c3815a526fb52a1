"""The MLP projector: which patches a token is made of, its time, and the layouts that it refuses."""

import pytest
import torch

from spatial_llm.encoders import DSpASTConfig, TokenLayout
from spatial_llm.errors import SpatialLLMError
from spatial_llm.projectors import MLPProjector, MLPProjectorConfig

LAYOUT = TokenLayout(num_cls_tokens=3, grid=(4, 6), channel_slices=((0, 5),), seconds_per_row=0.5)


def _tiny(**fields):
    torch.manual_seed(0)
    sizes = {"rows_per_token": 2, "columns_per_token": 3, "hidden_size": 7, "encoder_hidden_size": 5, "text_hidden_size": 8}
    return MLPProjector(MLPProjectorConfig(**sizes | fields)).eval()


def test_full_size_counts_20_989_952_parameters_and_64_tokens():
    with torch.device("meta"):
        projector = MLPProjector(MLPProjectorConfig())
    wide = 8 * 768
    expected = 2 * wide + (wide + 1) * 2048 + (2048 + 1) * 4096
    assert sum(parameter.numel() for parameter in projector.parameters()) == expected == 20_989_952
    assert projector.config.num_tokens(DSpASTConfig().token_layout) == 64


def test_a_token_depends_on_its_own_block_of_the_grid_alone():
    projector = _tiny()
    tokens = torch.randn(1, LAYOUT.num_tokens, 5)
    before = projector(tokens, layout=LAYOUT).last_hidden_state
    assert before.shape == (1, projector.config.num_tokens(LAYOUT), 8) == (1, 4, 8)
    for row in range(4):
        for column in range(6):
            changed = tokens.clone()
            changed[0, 3 + row * 6 + column] += 1
            moved = (projector(changed, layout=LAYOUT).last_hidden_state - before).abs().amax(-1)[0] > 0
            assert moved.nonzero().flatten().tolist() == [2 * (row // 2) + column // 3]
    changed = tokens.clone()
    changed[0, :3] += 1
    assert torch.equal(projector(changed, layout=LAYOUT).last_hidden_state, before), "CLS tokens are left out"


def test_the_formula_written_out():
    projector = _tiny()
    tokens = torch.randn(2, LAYOUT.num_tokens, 5)
    block = torch.cat([tokens[:, 3 + row * 6 + column] for row in (0, 1) for column in (3, 4, 5)], dim=-1)
    expected = projector.down(torch.nn.functional.gelu(projector.up(projector.norm(block))))
    torch.testing.assert_close(projector(tokens, layout=LAYOUT).last_hidden_state[:, 1], expected)


def test_seconds_are_the_middle_of_a_block():
    output = _tiny()(torch.randn(2, LAYOUT.num_tokens, 5), layout=LAYOUT)
    assert output.seconds.tolist() == [0.5, 0.5, 1.5, 1.5]
    assert output.counts == [4, 4]


def test_layouts_that_do_not_fit_are_refused():
    tokens = torch.randn(1, LAYOUT.num_tokens, 5)
    with pytest.raises(SpatialLLMError, match="27 tokens, and the layout is None"):
        _tiny()(tokens)
    with pytest.raises(SpatialLLMError, match="28 tokens"):
        _tiny()(torch.randn(1, 28, 5), layout=LAYOUT)
    with pytest.raises(SpatialLLMError, match="columns_per_token 4 do not divide the encoder's 4 rows x 6 columns"):
        _tiny(columns_per_token=4)(tokens, layout=LAYOUT)
    with pytest.raises(SpatialLLMError, match="rows_per_token is 0"):
        MLPProjectorConfig(rows_per_token=0)
