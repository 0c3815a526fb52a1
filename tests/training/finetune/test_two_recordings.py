"""Two recordings in one prompt, from manifest to answer: exchanged, they exchange the answer."""

import itertools
import shutil
from pathlib import Path

import pytest

from spatial_llm import SpatialLLM, shipped
from spatial_llm.data.records import record_from_dict, write_manifest
from spatial_llm.training.engine.schedule import Schedule
from spatial_llm.training.finetune.arguments import BatArguments
from spatial_llm.training.finetune.run import finetune_bat

NEARER = "Is the sound of the first recording nearer than that of the second?"
WHAT = "What sound events can you hear in the first recording?"
# Distances of the shipped recordings: 1.8 m, 2.4 m, and 1.4 m of the nearest source.
RECORDINGS = {"two_sources": "siren", "one_source": "alarm", "one_source_behind": "engine"}  # nearest first


@pytest.mark.slow
def test_two_recordings_exchanged_exchange_the_answer(tmp_path: Path) -> None:
    """The shipped model learns the six ordered pairs of its recordings, with a turn before the question."""
    for name in RECORDINGS:
        shutil.copy(Path(shipped.__file__).parent / "recordings" / f"{name}.flac", tmp_path)
    order, records = list(RECORDINGS), []
    for first, second in itertools.permutations(order, 2):
        answer = "Yes" if order.index(first) < order.index(second) else "No"
        line = {
            "id": f"{first}-{second}", "recording_id": first, "audio": f"{first}.flac", "sampling_rate": 32_000,
            "others": [{"recording_id": second, "audio": f"{second}.flac"}],
            "earlier": [{"question": WHAT, "answer": RECORDINGS[first]}],
            "type": "E", "question_type": "MIXUP_DISTANCE_BOTH", "question": NEARER, "answer": answer, "split": "train",
            "truth": {"yes": answer == "Yes"},
        }  # fmt: skip
        records.append(record_from_dict(line))
    write_manifest(tmp_path / "train.jsonl", records)
    schedule = Schedule(steps=80, batch_size=6, learning_rate=2e-3)
    run = BatArguments(
        run_folder=str(tmp_path / "run"), train_manifest=str(tmp_path / "train.jsonl"), schedule=schedule, start_from="tiny",
        encoder_cache=True, cpu_threads=1,
    )  # fmt: skip
    model = SpatialLLM.from_pretrained(finetune_bat(run))
    heard = {name: model.listen(tmp_path / f"{name}.flac") for name in order}
    for record in records:
        first, second = record.id.split("-")
        conversation = model.talk(heard[first], heard[second])
        assert [conversation.ask(WHAT), conversation.ask(NEARER)] == [RECORDINGS[first], record.answer]
