"""The pool projector: means, samples and segments against loops, columns, times, budgets, refusals."""

import itertools

import pytest
import torch
from torch.nn import functional

from spatial_llm.encoders import TokenLayout
from spatial_llm.errors import SpatialLLMError
from spatial_llm.projectors import MLPProjector, PoolProjector, PoolProjectorConfig
from spatial_llm.projectors.pooling import even_groups, segment_rows
from tests.projectors.formulas import changed_tokens

LAYOUT = TokenLayout(num_cls_tokens=2, grid=(7, 3), channel_slices=((0, 2), (2, 6)), seconds_per_row=0.5)


def tiny(**fields):
    torch.manual_seed(0)
    sizes = {"hidden_size": 7, "encoder_hidden_size": 6, "text_hidden_size": 8, "num_columns": None}
    if fields.get("columns", "concat") == "concat":
        sizes["num_columns"] = 3
    return PoolProjector(PoolProjectorConfig(**sizes | fields)).eval()


def clips(count=2):
    torch.manual_seed(1)
    return torch.randn(count, LAYOUT.num_tokens, 6)


def ended(projector, compressed):
    return projector.down(functional.gelu(projector.up(projector.norm(compressed))))


def joined(grid, columns):
    """Rows (rows, columns, width) as tokens."""
    if columns == "mean":
        return grid.mean(1)
    return grid.flatten(0, 1) if columns == "keep" else torch.cat(list(grid.unbind(1)), dim=-1)


@pytest.mark.parametrize("columns", ["mean", "concat", "keep"])
@pytest.mark.parametrize(
    ("fields", "groups"),
    [
        ({"factor": 3}, [(0, 1, 2), (3, 4, 5), (6,)]),
        ({"num_rows": 3}, [(0, 1, 2), (3, 4), (5, 6)]),
        ({"num_rows": 7}, [(row,) for row in range(7)]),
        ({"factor": 50}, [tuple(range(7))]),
        ({}, [(0, 1), (2, 3), (4, 5), (6,)]),
    ],
)
def test_means_and_samples_written_out(fields, groups, columns):
    tokens = clips()
    per_row = 3 if columns == "keep" else 1
    for method in ("mean", "sample"):
        projector = tiny(method=method, columns=columns, **fields)
        output = projector(tokens, layout=LAYOUT)
        assert output.last_hidden_state.shape[1] == projector.config.num_tokens(LAYOUT) == len(groups) * per_row
        for clip in range(2):
            grid = tokens[clip, 2:].reshape(7, 3, 6)
            rows = [sum(grid[r] for r in group) / len(group) if method == "mean" else grid[group[0]] for group in groups]
            expected = ended(projector, joined(torch.stack(rows), columns))
            torch.testing.assert_close(output.last_hidden_state[clip], expected)
        middles = [0.5 * ((group[0] + group[-1] + 1) / 2 if method == "mean" else group[0] + 0.5) for group in groups]
        assert output.seconds.tolist() == pytest.approx([second for second in middles for _ in range(per_row)])


def boundaries_by_hand(grid, slices, segments):
    """The rows before which a segment begins: largest peaks first, then the largest of the others."""
    changes = []
    for row in range(len(grid) - 1):
        parts = [(grid[row, :, a:b].flatten(), grid[row + 1, :, a:b].flatten()) for a, b in slices]
        changes.append(sum(1 - (x @ y / (x.norm() * y.norm())).item() for x, y in parts) / len(parts))
    around = [-9.0, *changes, -9.0]
    peaks = [i for i in range(len(changes)) if around[i] < around[i + 1] >= around[i + 2]]
    others = [i for i in range(len(changes)) if i not in peaks]
    ranked = sorted(peaks, key=lambda i: -changes[i]) + sorted(others, key=lambda i: -changes[i])
    return sorted(i + 1 for i in ranked[: segments - 1])


@pytest.mark.parametrize("segments", [1, 2, 3, 4, 6, 7])
def test_segments_written_out(segments):
    tokens = clips(8)
    projector = tiny(method="segments", num_rows=segments)
    output = projector(tokens, layout=LAYOUT)
    assert output.seconds.shape == (8, segments)
    found = set()
    for clip in range(8):
        grid = tokens[clip, 2:].reshape(7, 3, 6)
        edges = [0, *boundaries_by_hand(grid, LAYOUT.channel_slices, segments), 7]
        spans = list(itertools.pairwise(edges))
        assert len(spans) == segments
        expected = ended(projector, joined(torch.stack([grid[a:b].mean(0) for a, b in spans]), "concat"))
        torch.testing.assert_close(output.last_hidden_state[clip], expected)
        assert output.seconds[clip].tolist() == pytest.approx([0.5 * (a + b) / 2 for a, b in spans])
        found.add(tuple(edges))
    assert (len(found) > 1) == (segments not in (1, 7)), "clips are cut at their own places"


def test_segments_end_where_the_sound_changes_in_any_slice():
    still, other, third = torch.randn(3, 3, 6).unbind(0)
    grid = torch.stack([still, still, other, other, other, third, third])
    assert segment_rows([grid[None]], 3).tolist() == [[0, 0, 1, 1, 1, 2, 2]]
    # A slice that changes at another place, however small its numbers are.
    constant = torch.ones(7, 3, 2)
    turned = constant.clone()
    turned[3:, :, 0] = -1
    assert segment_rows([grid[None], 1e-3 * turned[None]], 4).tolist() == [[0, 0, 1, 2, 2, 3, 3]]
    assert segment_rows([constant[None]], 3).tolist()[0][-1] == 2, "the budget is exact where nothing changes"


def test_scale_of_a_slice_does_not_move_a_boundary():
    grids = [torch.randn(5, 9, 2, 3), torch.randn(5, 9, 2, 4)]
    assert torch.equal(segment_rows(grids, 4), segment_rows([1000 * grids[0], 0.01 * grids[1]], 4))
    assert not torch.equal(segment_rows(grids, 4), segment_rows(grids[:1], 4))


def test_groups_of_a_budget_are_as_even_as_can_be():
    for rows in range(1, 20):
        for groups in range(1, rows + 1):
            sizes = even_groups(rows, groups, None, torch.device("cpu")).bincount(minlength=groups)
            assert len(sizes) == groups
            assert sizes.max() - sizes.min() <= 1


def test_a_token_depends_on_its_own_rows_alone_and_on_no_cls_token():
    moved = changed_tokens(tiny(factor=3), LAYOUT, clips(1))
    assert moved.pop("cls") == []
    assert moved == {(row, column): [row // 3] for row in range(7) for column in range(3)}
    kept = changed_tokens(tiny(factor=3, columns="keep"), LAYOUT, clips(1))
    assert kept[4, 2] == [1 * 3 + 2]


def test_it_ends_in_the_same_two_layers_as_the_mlp_projector():
    assert list(tiny().state_dict()) == [
        "norm.weight", "norm.bias", "up.weight", "up.bias", "down.weight", "down.bias",
    ]  # fmt: skip
    assert PoolProjector.two_layers is MLPProjector.two_layers


def test_segments_can_be_exported():
    projector = tiny(method="segments", factor=2, columns="keep")
    exported = torch.export.export(projector, (), {"audio_hidden_states": clips(), "layout": LAYOUT}).module()
    other = torch.randn(2, LAYOUT.num_tokens, 6)
    with torch.no_grad():
        given, expected = exported(audio_hidden_states=other, layout=LAYOUT), projector(other, layout=LAYOUT)
    torch.testing.assert_close(given["last_hidden_state"], expected.last_hidden_state)
    torch.testing.assert_close(given["seconds"], expected.seconds)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"factor": 2, "num_rows": 3}, "factor is 2 and num_rows is 3; give one of the two"),
        ({"factor": 0}, "factor is 0"),
        ({"num_rows": 0}, "num_rows is 0"),
        ({"method": "median"}, "method is 'median'; expected one of mean, sample, segments"),
        ({"columns": "all"}, "columns is 'all'; expected one of concat, mean, keep"),
        ({"columns": "mean", "num_columns": 3}, "num_columns is 3 with columns mean; leave it out"),
    ],
)
def test_what_cannot_be_is_refused(fields, words):
    with pytest.raises(SpatialLLMError, match=words):
        PoolProjectorConfig(**fields)


def test_layouts_that_do_not_fit_are_refused():
    with pytest.raises(SpatialLLMError, match="num_rows is 8, but the encoder's grid has 7 rows"):
        tiny(num_rows=8)(clips(), layout=LAYOUT)
    with pytest.raises(SpatialLLMError, match="num_columns is 4, but the encoder's grid has 3 columns"):
        tiny(num_columns=4)(clips(), layout=LAYOUT)
    with pytest.raises(SpatialLLMError, match="num_columns is None with columns: concat"):
        PoolProjector(PoolProjectorConfig())
