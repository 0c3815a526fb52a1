"""A frame head: each row is read from its own tokens, its file comes back the same, and encoders without rows are
refused."""

import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from spatial_llm.encoders import SpatialASTConfig, SpatialASTModel
from spatial_llm.encoders.frame_head import FRAME_HEAD, FURTHEST_M, FrameHead, Frames
from spatial_llm.encoders.seal import MODEL, check_seal
from spatial_llm.errors import CheckpointError, SpatialLLMError
from spatial_llm.testing import tiny_config


def named(name="DSpASTModel", **fields):
    config = tiny_config(name)
    for field, value in fields.items():
        setattr(config, field, value)
    config.event_labels = [f"sound {number}" for number in range(config.num_event_classes)]
    return config


def told(head, tokens):
    """All that a head tells: (B, rows, classes, 5)."""
    logits, places = head(tokens)
    return torch.cat([places, logits[..., None]], dim=-1)


def head_of(config, width=8):
    torch.manual_seed(0)
    return FrameHead(config, width).eval()


def test_at_the_published_size_a_row_is_160_ms_and_the_head_has_less_than_a_million_parameters():
    config = SpatialASTConfig(event_labels=[str(number) for number in range(355)])
    with torch.device("meta"):
        head = FrameHead(config)
        logits, places = head(torch.empty(2, config.token_layout.num_tokens, config.hidden_size))
    assert logits.shape == (2, 64, 355) and places.shape == (2, 64, 355, 4)
    assert head.layout.seconds_per_row == pytest.approx(0.15625)
    assert sum(parameter.numel() for parameter in head.parameters()) < 1_000_000


@pytest.mark.parametrize("name", ["SpatialASTModel", "DSpASTModel"])
def test_each_row_is_read_from_its_own_tokens_in_any_order_of_frequency(name):
    config = named(name)
    head, layout = head_of(config), config.token_layout
    (rows, columns), first = layout.grid, layout.num_cls_tokens
    tokens = torch.randn(1, layout.num_tokens, layout.width)
    places = told(head, tokens)
    assert places.shape == (1, rows, config.num_event_classes, 5) and rows > 1
    changed = tokens.clone()
    changed[:, :first] += 1.0  # the CLS tokens have no time
    torch.testing.assert_close(told(head, changed), places)
    start = first + columns  # row 1
    changed[:, start : start + columns] += torch.randn(columns, layout.width)
    moved = (told(head, changed) - places).abs().amax(dim=(0, 2, 3)) > 1e-6
    assert moved.tolist() == [row == 1 for row in range(rows)]
    swapped = tokens.clone()
    swapped[:, start : start + columns] = tokens[:, start : start + columns].flip(1)
    torch.testing.assert_close(told(head, swapped), places)


def test_vectors_of_any_length_are_read_as_directions_beside_activity_and_distance():
    activity, places = np.array([[0.6, 1.0, 0.0], [0.0, 0.0, 0.2]]), np.zeros((2, 3, 4))
    places[0, 0] = [0, 0.6, 0, math.log(2.5)]  # left, level
    places[0, 1] = [-3, 0, 3, math.log(1.0)]  # behind, 45 degrees up
    places[1, 2] = [0, 0, 0, 99.0]
    frames = Frames.of(activity, places, ("a", "b", "c"), 0.25)
    assert frames.times_s.tolist() == [0.125, 0.375] and frames.activity.tolist() == activity.tolist()
    assert (frames.azimuth_deg[0, 0], frames.elevation_deg[0, 0]) == pytest.approx((90.0, 0.0))
    assert (frames.azimuth_deg[0, 1], frames.elevation_deg[0, 1]) == pytest.approx((180.0, 45.0))
    assert frames.distance_m[0].tolist() == pytest.approx([2.5, 1.0, 1.0])
    assert frames.distance_m[1, 2] == pytest.approx(FURTHEST_M), "a wild logarithm is no infinite distance"


def test_a_saved_head_comes_back_the_same_and_its_file_too(tmp_path):
    config = named()
    head = head_of(config, width=12)
    SpatialASTModel(tiny_config("SpatialASTModel")).save_pretrained(tmp_path)
    head.save_pretrained(tmp_path, "of this encoder")
    check_seal(tmp_path, MODEL)
    once = (tmp_path / FRAME_HEAD).read_bytes()
    again = FrameHead.from_pretrained(tmp_path, config, "of this encoder")
    tokens = torch.randn(1, config.token_layout.num_tokens, config.hidden_size)
    assert torch.equal(told(again, tokens), told(head, tokens)) and again.row.out_features == 12
    again.save_pretrained(tmp_path, "of this encoder")
    assert (tmp_path / FRAME_HEAD).read_bytes() == once
    frames = again.read(tokens)
    expected = told(head, tokens)[0].detach()
    np.testing.assert_allclose(frames.distance_m, expected[..., 3].exp().numpy(), rtol=1e-5)
    np.testing.assert_allclose(frames.activity, expected[..., 4].sigmoid().numpy(), rtol=1e-5)
    (tmp_path / FRAME_HEAD).write_bytes(once[:-1] + bytes([once[-1] ^ 1]))
    with pytest.raises(CheckpointError, match=f"{FRAME_HEAD} is not the file that was saved"):
        check_seal(tmp_path, MODEL)


def test_heads_of_another_encoder_and_damaged_ones_are_refused(tmp_path):
    config = named()
    head_of(config).save_pretrained(tmp_path, "one")
    with pytest.raises(CheckpointError, match="the heads of another encoder"):
        FrameHead.from_pretrained(tmp_path, config, "two")
    with pytest.raises(CheckpointError, match="not the heads of this encoder"):
        FrameHead.from_pretrained(tmp_path, named(num_event_classes=config.num_event_classes + 1))
    tensors = load_file(tmp_path / FRAME_HEAD)
    tensors["row.weight"][0, 0] = math.nan
    save_file(tensors, tmp_path / FRAME_HEAD)
    with pytest.raises(CheckpointError, match=r"row\.weight contains NaN"):
        FrameHead.from_pretrained(tmp_path, config)
    del tensors["row.bias"]
    save_file(tensors, tmp_path / FRAME_HEAD)
    with pytest.raises(CheckpointError, match="not the heads of this encoder"):
        FrameHead.from_pretrained(tmp_path, config)


def test_encoders_without_time_rows_classes_or_names_are_refused_in_words():
    with pytest.raises(SpatialLLMError, match="an encoder of type parallel has no frame head"):
        FrameHead(tiny_config("ParallelEncoder"))
    with pytest.raises(SpatialLLMError, match="set event_labels"):
        FrameHead(tiny_config("SpatialASTModel"))
    config = SpatialASTConfig(num_frames=16, patch_size=[16, 16], event_labels=[str(number) for number in range(355)])
    with pytest.raises(SpatialLLMError, match="1 time row of 10 s"):
        FrameHead(config)
