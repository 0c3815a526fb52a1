"""A few rendered clips, simulated once for all tests of training; and a process that starts runs which tests kill."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from spatial_llm.data.simulate.questions import WritingConfig, write_questions
from spatial_llm.data.simulate.scene_sampling import DrawConfig
from spatial_llm.data.simulate.simulation import SimulationConfig, SoundsConfig, SplitConfig, simulate
from spatial_llm.questions.config import official_only
from spatial_llm.scenes.room.sampling import RoomConfig
from spatial_llm.training.engine.schedule import Schedule
from spatial_llm.training.tiny.arguments import TextArguments
from spatial_llm.training.tiny.pretrain_language_model import pretrain_text
from tests.training.engine.kill_harness import RunStarter
from tests.training.made_once import made_once


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with train.jsonl and eval.jsonl: clips of 1 s with one and two sources."""
    return made_once("data", lambda: simulated(tmp_path_factory.mktemp("simulated") / "data"))


def simulated(folder: Path) -> Path:
    config = SimulationConfig(
        scenes=DrawConfig(duration_s=1.0),
        room=RoomConfig(positions_per_room=4, max_order=2, duration_s=0.1, absorption=(0.7, 0.9), ray_tracing=False),
        train=SplitConfig(rooms=3, clips_one_source=12, clips_two_sources=4),
        eval=SplitConfig(rooms=2, clips_one_source=6, clips_two_sources=2),
        sounds=SoundsConfig(synthesized_train=3, synthesized_eval=2),
    )
    simulate(config, folder, progress=False)
    write_questions(folder, WritingConfig(questions=official_only()), progress=False)
    return folder


@pytest.fixture(scope="session")
def text_run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folder of a language model that knows 24 examples by heart (seed 0 of the text corpus)."""
    return made_once("text", lambda: taught(data, tmp_path_factory.mktemp("text")))


def taught(data: Path, folder: Path) -> Path:
    pretrain_text(
        TextArguments(
            run_folder=str(folder),
            manifest=str(data / "train.jsonl"),
            examples=24,
            eval_examples=4,
            vocab_size=600,
            hidden_size=48,
            num_hidden_layers=2,
            num_attention_heads=2,
            schedule=Schedule(steps=150, batch_size=24, learning_rate=5e-3),
            cpu_threads=1,
        )
    )
    return folder


@pytest.fixture(scope="session")
def starter() -> Iterator[RunStarter]:
    """Starts runs of `toy_run` in processes of their own."""
    starter = RunStarter()
    yield starter
    starter.close()
