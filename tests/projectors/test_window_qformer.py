"""The window-level Q-Former: the formula, where a query hears, the shorter last window, times."""

import pytest
import torch

from spatial_llm.encoders import DSpASTConfig, TokenLayout
from spatial_llm.errors import SpatialLLMError
from spatial_llm.projectors import WindowQFormerProjector, WindowQFormerProjectorConfig
from tests.projectors.formulas import changed_tokens, q_former

LAYOUT = TokenLayout(num_cls_tokens=2, grid=(5, 3), channel_slices=((0, 6),), seconds_per_row=0.5)
SIZES = {
    "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 12, "encoder_hidden_size": 6, "text_hidden_size": 10,
    "rows_per_window": 2, "queries_per_window": 2, "initializer_range": 0.3,
}  # fmt: skip


def tiny(**fields):
    torch.manual_seed(0)
    return WindowQFormerProjector(WindowQFormerProjectorConfig(**SIZES | fields)).eval()


def test_full_size_counts_22_063_872_parameters_and_32_tokens():
    with torch.device("meta"):
        projector = WindowQFormerProjector(WindowQFormerProjectorConfig())
    square, wide = 768 * 769, (768 + 1) * 3072 + (3072 + 1) * 768
    layer = 8 * square + wide + 3 * 2 * 768
    expected = 768 + 2 * 768 + 2 * layer + 769 * 4096 + 2 * 4096
    assert sum(parameter.numel() for parameter in projector.parameters()) == expected == 22_063_872
    assert all(layer.has_cross_attention for layer in projector.qformer.encoder.layer)
    assert projector.config.num_tokens(DSpASTConfig().token_layout) == 32


def test_the_formula_written_out_window_by_window():
    projector = tiny()
    tokens = torch.randn(2, LAYOUT.num_tokens, 6)
    given = projector(tokens, layout=LAYOUT).last_hidden_state
    assert given.shape == (2, 6, 10)
    for clip in range(2):
        grid = tokens[clip, 2:].reshape(5, 3, 6)
        # The last window has one row; nothing is put in the place of the other.
        for window, rows in enumerate((grid[0:2], grid[2:4], grid[4:5])):
            states = q_former(projector.qformer, projector.query[0], rows.reshape(-1, 6), heads=2)
            expected = projector.norm(projector.linear(states))
            torch.testing.assert_close(given[clip, 2 * window : 2 * window + 2], expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
def test_padding_of_the_last_window_is_not_heard(kernel):
    projector = tiny()
    projector.set_attn_implementation(kernel)
    tokens = torch.randn(2, LAYOUT.num_tokens, 6)
    seen = []
    hook = projector.qformer.register_forward_pre_hook(lambda _, args, kwargs: seen.append(kwargs), with_kwargs=True)
    expected = projector(tokens, layout=LAYOUT).last_hidden_state
    hook.remove()
    assert seen[0]["encoder_hidden_states"].shape == (2 * 3, 2 * 3, 6)
    # Sound in the place of the padding changes nothing; without the mask it does.
    loud = {**seen[0], "encoder_hidden_states": seen[0]["encoder_hidden_states"].clone()}
    loud["encoder_hidden_states"][2::3, 3:] = 1000.0

    def projected(**inputs):
        return projector.norm(projector.linear(projector.qformer(**inputs).last_hidden_state)).reshape(2, 6, 10)

    assert torch.equal(projected(**loud), expected)
    assert not torch.allclose(projected(**{**seen[0], "encoder_attention_mask": None})[:, 4:], expected[:, 4:], atol=1e-3)


def test_a_window_hears_its_own_rows_alone_and_no_cls_token():
    moved = changed_tokens(tiny(), LAYOUT, torch.randn(1, LAYOUT.num_tokens, 6))
    assert moved.pop("cls") == []
    assert moved == {(row, column): [2 * (row // 2), 2 * (row // 2) + 1] for row in range(5) for column in range(3)}


def test_patches_of_a_window_are_a_set():
    projector = tiny()
    tokens = torch.randn(1, LAYOUT.num_tokens, 6)
    mixed = tokens.clone()
    mixed[:, 2:8] = tokens[:, 2:8][:, torch.tensor([5, 2, 0, 1, 4, 3])]
    torch.testing.assert_close(projector(mixed, layout=LAYOUT)[0], projector(tokens, layout=LAYOUT)[0])


def test_seconds_are_the_middle_of_what_a_window_holds():
    output = tiny()(torch.randn(1, LAYOUT.num_tokens, 6), layout=LAYOUT)
    assert output.seconds.tolist() == [0.5, 0.5, 1.5, 1.5, 2.25, 2.25]
    long = tiny(rows_per_window=9)(torch.randn(1, LAYOUT.num_tokens, 6), layout=LAYOUT)
    assert long.seconds.tolist() == [1.25, 1.25]
    assert long.last_hidden_state.shape == (1, 2, 10)


def test_attentions_are_those_of_each_window():
    projector = tiny()
    projector.set_attn_implementation("eager")
    output = projector(torch.randn(2, LAYOUT.num_tokens, 6), layout=LAYOUT, output_attentions=True)
    assert [weights.shape for weights in output.cross_attentions] == [(6, 2, 2, 6)] * 2
    assert (output.cross_attentions[0].reshape(2, 3, 2, 2, 6)[:, 2, ..., 3:] == 0).all()


def test_start_standardises_the_input_as_that_of_the_q_former_does():
    projector = tiny(standardize_inputs=True)
    tokens = 5 + 100 * torch.randn(40, LAYOUT.num_tokens, 6)
    projector.start(lambda: tokens, 0.02)
    torch.testing.assert_close(projector.input_mean, tokens.mean((0, 1)))
    output = projector(tokens, layout=LAYOUT).last_hidden_state
    assert output.std().item() == pytest.approx(0.02, rel=0.02)
    # Padding is put in after that, and is not heard either way.
    plain = tiny()
    plain.load_state_dict({k: v for k, v in projector.state_dict().items() if not k.startswith("input_")})
    scaled = (tokens - projector.input_mean) / projector.input_std
    torch.testing.assert_close(plain(scaled, layout=LAYOUT).last_hidden_state, output)


def test_sizes_that_cannot_be_are_refused():
    for field in ("rows_per_window", "queries_per_window"):
        with pytest.raises(SpatialLLMError, match=f"{field} is 0"):
            WindowQFormerProjectorConfig(**{field: 0})
