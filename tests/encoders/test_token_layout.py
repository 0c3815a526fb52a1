"""Slices of a layout: the channels that they select, and where these lie afterwards."""

import torch

from spatial_llm.encoders import TokenLayout

LAYOUT = TokenLayout(2, (3, 4), ((0, 2), (2, 3), (3, 7)), seconds_per_row=0.5, slice_cells=((1, 1), (1, 2), (3, 4)))
CHANNELS = torch.arange(7.0).expand(5, 14, 7)


def test_selected_slices_are_packed_and_keep_their_cells():
    found = LAYOUT.select((0, 2))
    assert found == TokenLayout(2, (3, 4), ((0, 2), (2, 6)), 0.5, slice_cells=((1, 1), (3, 4)))
    assert (found.width, LAYOUT.width) == (6, 7)
    assert LAYOUT.select((1,)) == TokenLayout(2, (3, 4), ((0, 1),), 0.5, slice_cells=((1, 2),))


def test_their_channels_are_where_the_selected_layout_says():
    found = LAYOUT.channels_of((0, 2), CHANNELS)
    assert found[0, 0].tolist() == [0, 1, 3, 4, 5, 6]
    parts = [found[..., start:stop] for start, stop in LAYOUT.select((0, 2)).channel_slices]
    expected = [CHANNELS[..., start:stop] for start, stop in (LAYOUT.channel_slices[0], LAYOUT.channel_slices[2])]
    assert all(torch.equal(*pair) for pair in zip(parts, expected, strict=True))


def test_all_slices_are_the_very_layout_and_tensor():
    assert LAYOUT.select((0, 1, 2)) is LAYOUT
    assert LAYOUT.channels_of((0, 1, 2), CHANNELS) is CHANNELS


def test_without_coarser_slices_there_are_no_cells():
    assert TokenLayout(0, (2, 2), ((0, 1), (1, 2)), 1.0).select((1,)).slice_cells is None
