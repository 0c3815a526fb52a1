"""Two processes that write one folder at once: each ends with a whole result, or is refused and told who writes."""

import multiprocessing
import os
import threading
import time

import numpy as np
import pytest
import soundfile

from spatial_llm import locks
from spatial_llm.blocks import Shard
from spatial_llm.data.records import read_manifest
from spatial_llm.data.scene_files import read_scenes
from spatial_llm.data.simulate.questions import WritingConfig, write_questions
from spatial_llm.data.simulate.scene_sampling import DrawConfig
from spatial_llm.data.simulate.simulation import SimulationConfig, SoundsConfig, SplitConfig, simulate
from spatial_llm.data.simulate.sound_folder import SoundFolderConfig, write_sound_folder
from spatial_llm.errors import SpatialLLMError
from spatial_llm.files import atomic_path, sha256_of
from spatial_llm.locks import one_writer
from spatial_llm.questions import QuestionConfig
from spatial_llm.scenes.room.sampling import RoomConfig
from spatial_llm.scenes.sounds import list_index
from tests.questions.scenes import EVERY

CONFIG = SimulationConfig(
    room=RoomConfig(positions_per_room=3, max_order=1, ray_tracing=False, duration_s=0.1, absorption=(0.7, 0.9)),
    scenes=DrawConfig(duration_s=0.5),
    train=SplitConfig(rooms=3, clips_one_source=20, clips_two_sources=20),
    eval=SplitConfig(rooms=2, clips_one_source=8, clips_two_sources=8),
    sounds=SoundsConfig(synthesized_train=3, synthesized_eval=3),
)


def writing(seed: int = 0) -> WritingConfig:
    return WritingConfig(seed, QuestionConfig(ask=EVERY))


def at_once(work, count=2):
    """Runs `work` in so many processes that start together; returns "" or the error's words of each."""
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(count), context.Queue()

    def run():
        barrier.wait()
        try:
            work()
            results.put("")
        except SpatialLLMError as error:
            results.put(str(error))
        except BaseException as error:
            results.put(f"BARE {type(error).__name__}: {error}")

    processes = [context.Process(target=run) for _ in range(count)]
    for process in processes:
        process.start()
    said = [results.get(timeout=120) for _ in processes]
    for process in processes:
        process.join(60)
    return said


def whole_or_refused(said, words):
    assert "" in said, said
    assert all(text == "" or (words in text and "process" in text) for text in said), said


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two") / "data"
    simulate(CONFIG, folder, progress=False)
    return folder


def test_questions(folder):
    write_questions(folder, writing(3), progress=False)
    once = {name: sha256_of(folder / name) for name in ("train.jsonl", "eval.jsonl", "questions.json")}
    for _ in range(3):
        whole_or_refused(at_once(lambda: write_questions(folder, writing(3), progress=False)), "being written")
        assert once == {name: sha256_of(folder / name) for name in once}
        assert read_manifest(folder / "train.jsonl")
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".") or path.suffix == ".parts"]


def test_shards_of_questions_share_the_folder(folder):
    def shard(index):
        return write_questions(folder, writing(4), progress=False, shard=Shard(index, 2))

    with one_writer(folder / "questions.json", "questions are being written", shared=True):
        assert at_once(lambda: shard(1) or shard(2), count=1) == [""]
        said = at_once(lambda: write_questions(folder, writing(4), progress=False, merge=True), count=1)
        whole_or_refused([*said, ""], "questions are being written")
    write_questions(folder, writing(4), progress=False, merge=True)


def test_scenes(tmp_path):
    said = at_once(lambda: simulate(CONFIG, tmp_path / "data", progress=False))
    whole_or_refused(said, "scenes are being simulated")
    assert len(read_scenes(tmp_path / "data" / "train_scenes.jsonl")) == 40
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_folder_of_sounds(tmp_path):
    rows = ["file,label,split,source_recording,licence,attribution"]
    for number, (label, split) in enumerate(
        (label, split) for label in ("owl", "gong") for split in ("train", "train", "test")
    ):
        soundfile.write(tmp_path / f"{number}.wav", np.random.default_rng(number).normal(size=32_000) * 0.1, 32_000)
        rows.append(f"{number}.wav,{label},{split},s{number},CC0,x")
    (tmp_path / "index.csv").write_text("\n".join(rows))
    config = SoundFolderConfig(str(tmp_path / "index.csv"), ["CC0"], evaluate="test", piece_s=0.5, hop_s=0.5)
    for _ in range(3):
        assert at_once(lambda: write_sound_folder(config, tmp_path / "out"), count=3) == ["", "", ""]
        assert len(list_index(tmp_path / "out" / "index.csv")) > 4
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_folders_replaced_by_many_at_once_stay_whole(tmp_path):
    def replace():
        for _ in range(30):
            with atomic_path(tmp_path / "out") as temporary:
                temporary.mkdir()
                for name in "ab":
                    (temporary / name).write_text(str(os.getpid()))

    assert at_once(replace, count=3) == ["", "", ""]
    assert len({(tmp_path / "out" / name).read_text() for name in "ab"}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_lock_names_its_holder_and_ends_with_it(tmp_path):
    target = tmp_path / "out"
    with one_writer(target, "it is being written"):
        said = at_once(lambda: one_writer(target, "it is being written").__enter__(), count=1)
        assert f"it is being written by process {os.getpid()} on " in said[0]
        with pytest.raises(SpatialLLMError, match="by this very process"), one_writer(target, "it is being written"):
            pass
    assert list(tmp_path.iterdir()) == []

    def die():
        one_writer(target, "it is being written").__enter__()
        os.kill(os.getpid(), 9)

    process = multiprocessing.get_context("fork").Process(target=die)
    process.start()
    process.join(30)
    with one_writer(target, "it is being written"):
        pass
    assert list(tmp_path.iterdir()) == [] and not locks._LOCKED


def test_many_processes_are_never_two_in_the_lock(tmp_path):
    count = tmp_path / "count"
    count.write_text("0")

    def add():
        added = 0
        while added < 20:
            try:
                with one_writer(tmp_path / "out", "counting"):
                    number = int(count.read_text())
                    time.sleep(0.0005)
                    count.write_text(str(number + 1))
                    added += 1
            except SpatialLLMError:
                time.sleep(0.0002)

    assert at_once(add, count=3) == ["", "", ""]
    assert count.read_text() == "60"


def test_threads_are_told_apart_too(tmp_path):
    said = []

    def write():
        try:
            with one_writer(tmp_path / "out", "it is being written"):
                pass
        except SpatialLLMError as error:
            said.append(str(error))

    with one_writer(tmp_path / "out", "it is being written"):
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
    assert len(said) == 1 and "this very process" in said[0]
