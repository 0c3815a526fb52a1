"""The frame head beside an encoder goes on with it into a fine-tuned model, unless the encoder itself trains."""

import dataclasses
from pathlib import Path

import pytest
import torch

from spatial_llm.encoders import DSpASTModel
from spatial_llm.encoders.frame_head import FrameHead
from spatial_llm.errors import CheckpointError
from spatial_llm.model.fingerprint import fingerprint
from spatial_llm.testing import tiny_config
from spatial_llm.training.engine.schedule import Schedule
from spatial_llm.training.finetune.arguments import BatArguments
from spatial_llm.training.finetune.build import load_frame_head


def test_the_frame_head_of_a_frozen_encoder_is_found_beside_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = tiny_config("DSpASTModel")
    config.event_labels = [f"sound {number}" for number in range(config.num_event_classes)]
    encoder = DSpASTModel(config).eval()
    encoder.save_pretrained(tmp_path)
    arguments = BatArguments(
        run_folder=str(tmp_path / "run"), train_manifest="train.jsonl", encoder=str(tmp_path), language_model="text",
        schedule=Schedule(steps=1, batch_size=1, learning_rate=1e-3), save="whole",
    )  # fmt: skip
    assert load_frame_head(arguments, encoder) is None, "an encoder of before has none"
    head = FrameHead(config, 8)
    head.save_pretrained(tmp_path, fingerprint(encoder))
    found = load_frame_head(arguments, encoder)
    assert all(torch.equal(tensor, head.state_dict()[name]) for name, tensor in found.state_dict().items())
    assert load_frame_head(dataclasses.replace(arguments, trains="all"), encoder) is None
    encoder.cls_tokens.data.add_(0.5)
    with pytest.raises(CheckpointError, match="the heads of another encoder"):
        load_frame_head(arguments, encoder)
