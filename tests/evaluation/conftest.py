"""A tiny model that has learned left from right, for tests of the slow tier: trained in about a minute on one core."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from spatial_llm.data.records import read_manifest
from spatial_llm.data.rendering import load_waveform
from spatial_llm.data.simulate.questions import WritingConfig, write_questions
from spatial_llm.data.simulate.scene_sampling import DrawConfig
from spatial_llm.data.simulate.simulation import SimulationConfig, SoundsConfig, SplitConfig, simulate
from spatial_llm.evaluation.metrics import mirrored_truths, read_truths
from spatial_llm.model import SpatialLLM, SpatialLLMForConditionalGeneration
from spatial_llm.questions.config import official_only
from spatial_llm.questions.types import format_value
from spatial_llm.scenes.room.sampling import RoomConfig
from spatial_llm.testing import tiny_config, tiny_processor

STEPS, BATCH = 300, 32


class Trained(NamedTuple):
    """A model that tells left from right, and questions about rooms and recordings that it was not trained on."""

    model: Path
    manifest: Path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """One source, anywhere but near the median plane; all parts of the model are trained on 200 clips and their mirror
    images to answer "left, front, above; 2m"."""
    folder = tmp_path_factory.mktemp("trained")
    config = SimulationConfig(
        scenes=DrawConfig(duration_s=0.31),  # the window of the tiny model
        room=RoomConfig(
            positions_per_room=8, max_order=1, duration_s=0.1, absorption=(0.8, 0.9), ray_tracing=False, axis_margin_deg=20.0
        ),
        train=SplitConfig(rooms=25, clips_one_source=200, clips_two_sources=0),
        eval=SplitConfig(rooms=15, clips_one_source=120, clips_two_sources=0),
        sounds=SoundsConfig(synthesized_train=20, synthesized_eval=10),
    )
    simulate(config, folder / "data", progress=False)
    write_questions(folder / "data", WritingConfig(questions=official_only({"detection": 0})), progress=False)
    model = _learn(folder / "data")
    model.save_pretrained(folder / "model")
    return Trained(folder / "model", folder / "data" / "eval.jsonl")


def _learn(data: Path) -> SpatialLLM:
    torch.manual_seed(0)
    net = SpatialLLMForConditionalGeneration(tiny_config("SpatialLLMForConditionalGeneration"))
    net.config.freeze_encoder = False
    net.requires_grad_(True).train()
    processor, heard = tiny_processor(), net.config.encoder_config
    records = read_manifest(data / "train.jsonl")
    waveforms = np.stack([load_waveform(each, data, heard.sampling_rate, heard.window_samples) for each in records])
    both = np.concatenate([waveforms, waveforms[:, ::-1]])
    features = processor.feature_extractor(both, sampling_rate=heard.sampling_rate, return_tensors="pt")["input_features"]
    images = mirrored_truths(records, read_truths(records))
    answers = [each.answer for each in records] + [format_value("DOA", image.value) for image in images]
    questions = [each.question for each in records] * 2
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, STEPS)
    generator = torch.Generator().manual_seed(0)
    for _ in range(STEPS):
        rows = torch.randperm(len(answers), generator=generator)[:BATCH]
        asked, said = [questions[row] for row in rows], [answers[row] for row in rows]
        batch = processor(audio=None, text=asked, answers=said, return_tensors="pt")
        net(**batch, input_features=features[rows]).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    return SpatialLLM(net, processor)
