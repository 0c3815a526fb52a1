"""Records of several turns and of several recordings: read strictly, trained on every answer."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from spatial_llm.data.checks import check_files
from spatial_llm.data.collator import SpatialQACollator
from spatial_llm.data.dataset import CueDataset, SpatialQADataset, distinct_recordings
from spatial_llm.data.encoder_cache import recording_key
from spatial_llm.data.further import EarlierTurn, OtherRecording
from spatial_llm.data.records import Record, read_manifest, record_from_dict, write_manifest
from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.predicting.evaluation_set import read_evaluation_set
from spatial_llm.prompts import PROMPT_FORMATS
from spatial_llm.testing import tiny_processor
from tests.scenes.small import scene, source

RATE, WINDOW, AUDIO = 32_000, 9920, 3
# As a line of a manifest has it: two recordings, and a question about each before the one about both.
LINE = {
    "id": "q0", "recording_id": "a", "type": "A", "question_type": "CLASSIFICATION", "question": "And in the second?",
    "answer": "bell", "truth": {"labels": ["bell"]}, "split": "train", "sampling_rate": RATE, "audio": "a.wav",
    "earlier": [{"question": "What sounds in the first?", "answer": "drum"}],
    "others": [{"recording_id": "b", "audio": "b.wav"}],
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, name in enumerate("abc"):
        waveform = 0.1 * np.random.default_rng(seed).standard_normal((WINDOW, 2))
        soundfile.write(tmp_path / f"{name}.wav", waveform, RATE, subtype="FLOAT")
    return tmp_path


def record(**changes) -> Record:
    return record_from_dict({name: value for name, value in (LINE | changes).items() if value is not None})


def test_a_line_is_read_and_written(folder):
    read = record()
    assert read.earlier == (EarlierTurn("What sounds in the first?", "drum"),)
    assert read.others == (OtherRecording("b", audio="b.wav"),)
    assert read.asked == [("What sounds in the first?", "drum"), ("And in the second?", "bell")]
    assert read.to_dict() == LINE | {"truth": read.truth}
    write_manifest(folder / "m.jsonl", [read])
    assert read_manifest(folder / "m.jsonl") == [read]
    (folder / "b.wav").unlink()
    with pytest.raises(ManifestError, match=r"others\[0\]\.audio.*b\.wav|b\.wav.*others\[0\]\.audio"):
        read_manifest(folder / "m.jsonl")


def test_a_record_is_taken_apart_into_its_recordings(folder):
    read = record(earlier=None)
    first, second = read.recordings
    alone = dataclasses.replace(read, others=None)
    assert (first, second) == (alone, dataclasses.replace(alone, recording_id="b", audio="b.wav"))
    # The caches keep the rows that records of one recording have.
    assert recording_key(read, folder) == recording_key(alone, folder) != recording_key(second, folder)
    assert [one.recording_id for one in distinct_recordings([read, alone])] == ["a", "b"]
    assert alone.recordings == [alone]


def test_scenes_and_pairs_may_be_further_recordings():
    drum = scene(source(recording="synth:drum/1"))
    line = LINE | {"sampling_rate": drum.sampling_rate, "split": drum.split, "earlier": None}
    line = {name: value for name, value in line.items() if value is not None}
    with_scene = dataclasses.replace(record_from_dict(line), others=(OtherRecording("s", scene=drum),), earlier=None)
    assert record_from_dict(with_scene.to_dict()) == with_scene
    assert with_scene.recordings[1].scene == drum


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"earlier": []}, "earlier is empty"),
        ({"others": []}, "others is empty"),
        ({"earlier": [{"question": " ", "answer": "x"}]}, r"earlier\[0\]\.question is ' '"),
        ({"earlier": [{"question": "Is <|audio|> a bell?", "answer": "x"}]}, r"earlier\[0\]\.question"),
        ({"earlier": [{"question": "x"}]}, "earlier.*answer"),
        ({"earlier": [{"question": "x", "answer": "y", "truth": {}}]}, "earlier.*truth"),
        ({"others": [{"recording_id": "a", "audio": "b.wav"}]}, r"ids \['a', 'a'\]; give each its own"),
        ({"others": [{"recording_id": "b"}]}, r"others\[0\]: recording given as nothing"),
        ({"others": [{"recording_id": "b", "audio": "../b.wav"}]}, "b.wav"),
        ({"others": [{"recording_id": "b", "audio": "b.wav", "audio_format": "x"}]}, r"others\[0\]: audio_format"),
        ({"others": [{"recording_id": "b", "audio": "b.wav", "split": "eval"}]}, "others.*split"),
        ({"files": {"c.wav": {"bytes": 1, "sha256": "0" * 64}}}, "files names"),
    ],
)
def test_wrong_lines_are_refused_with_their_field(folder, changes, words):
    (folder / "m.jsonl").write_text(json.dumps(LINE | changes) + "\n")
    with pytest.raises(ManifestError, match=words):
        read_manifest(folder / "m.jsonl")


def test_what_knows_one_question_about_one_recording_refuses_others(folder):
    write_manifest(folder / "m.jsonl", [record(split="eval")])
    with pytest.raises(ManifestError, match="'q0' has earlier and others, with which it cannot be predicted or scored"):
        read_evaluation_set(folder / "m.jsonl")


def test_both_recordings_are_looked_at_by_the_check_of_splits(folder):
    train, held_out = record(), record(id="q1", split="eval", recording_id="c", audio="c.wav", earlier=None, others=None)
    write_manifest(folder / "train.jsonl", [train])
    write_manifest(folder / "eval.jsonl", [held_out])
    assert check_files([folder / "train.jsonl", folder / "eval.jsonl"])["train"].recordings == 2
    write_manifest(folder / "eval.jsonl", [dataclasses.replace(held_out, recording_id="b", audio="b.wav")])
    with pytest.raises(ManifestError, match="b"):
        check_files([folder / "train.jsonl", folder / "eval.jsonl"])


def test_every_answer_is_trained_on(folder):
    """The same batch from waveforms and from stored encoder output, with both recordings in front of the first question."""
    single = record(id="q1", recording_id="c", audio="c.wav", earlier=None, others=None)
    write_manifest(folder / "m.jsonl", [record(), single])
    dataset, processor = SpatialQADataset(folder / "m.jsonl", RATE, WINDOW), tiny_processor()
    assert list(dataset.places) == ["a", "b", "c"]
    batch = SpatialQACollator(processor)([dataset[0], dataset[1]])
    ids, labels = batch["input_ids"], batch["labels"]
    text, prompt = processor.tokenizer, PROMPT_FORMATS["bat"]
    assert [text.decode(row[row >= 0]) for row in labels] == ["drum</s>bell</s>", "bell</s>"]
    assert torch.equal(ids[labels >= 0], labels[labels >= 0])
    row = ids[0][batch["attention_mask"][0].bool()]
    assert row[:9].tolist() == [AUDIO] * 8 + [1]
    turns = [prompt.format(question=question) + answer + "</s>" for question, answer in record().asked]
    assert text.decode(row[9:]) == "".join(turns)
    # The record of one question is collated as it is alone.
    alone = SpatialQACollator(processor)([dataset[1]])
    kept = batch["attention_mask"][1].bool()
    assert torch.equal(ids[1, kept], alone["input_ids"][0]) and torch.equal(labels[1, kept], alone["labels"][0])
    cues = CueDataset(dataset.recordings, folder, processor.feature_extractor, WINDOW)
    assert torch.equal(batch["input_features"], torch.stack([cues[index] for index in range(3)]))
    encoded = {name: torch.full((3, 5), float(number)) for number, name in enumerate("abc")}
    dataset.use_encoder_cache(encoded)
    stored = SpatialQACollator(processor)([dataset[0], dataset[1]])
    assert torch.equal(stored["input_ids"], ids)
    assert stored["audio_hidden_states"][:, 0, 0].tolist() == [0, 1, 2]
    del encoded["b"]
    with pytest.raises(ManifestError, match="'b'"):
        SpatialQADataset(folder / "m.jsonl", RATE, WINDOW, encoded)


def test_an_error_in_a_turn_names_the_record(folder):
    write_manifest(folder / "m.jsonl", [record(earlier=[{"question": "Where?</s>", "answer": "left"}])])
    dataset = SpatialQADataset(folder / "m.jsonl", RATE, WINDOW)
    with pytest.raises(ManifestError, match=r"record 'q0': the question 'Where.*special token"):
        SpatialQACollator(tiny_processor())([dataset[0]])
