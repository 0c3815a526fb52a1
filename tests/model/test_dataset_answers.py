"""A `datasets.Dataset` goes to answers, and to the table that training starts from, with both channels."""

import csv
from pathlib import Path

import numpy as np
import pytest
from datasets import Audio, Dataset, DatasetDict

from spatial_llm import SpatialLLM, shipped
from spatial_llm.audio.io import read_audio
from spatial_llm.data.dataset_table import write_dataset
from spatial_llm.data.importing.run import ImportArguments, import_recordings
from spatial_llm.data.records import read_manifest
from spatial_llm.data.rendering import render_record
from spatial_llm.errors import AudioError, OutputError, SpatialLLMError

PATHS = [str(Path(shipped.__file__).parent / "recordings" / f"{name}.flac") for name in ("one_source", "one_source_behind")]
WHAT = "What sound events can you hear in the audio clip?"
WHERE = "Where is the sound in this audio clip coming from?"


@pytest.fixture(scope="module")
def tiny():
    return SpatialLLM.from_pretrained("tiny")


@pytest.fixture
def dataset():
    rows = {"audio": [PATHS[0], PATHS[0], PATHS[1]], "question": [WHAT, WHERE, WHERE], "answer": ["alarm", "left", "right"]}
    return Dataset.from_dict(rows).cast_column("audio", Audio())


def test_answers_are_a_column(tiny, dataset):
    runs = []
    hook = tiny.model.encoder.register_forward_hook(lambda *_: runs.append(1))
    answered = tiny.answer_dataset(dataset, progress=False)
    hook.remove()
    assert answered["prediction"][:] == [tiny.ask(PATHS[0], WHAT), tiny.ask(PATHS[0], WHERE), tiny.ask(PATHS[1], WHERE)]
    assert len(runs) == 2
    assert answered.column_names == ["audio", "question", "answer", "prediction"]
    waveform, rate = read_audio(PATHS[1])
    arrays = Dataset.from_dict({"clip": [{"array": waveform.tolist(), "sampling_rate": rate}], "asked": [WHERE]})
    again = tiny.answer_dataset(arrays, audio="clip", question="asked", column="said", progress=False, max_new_tokens=20)
    assert again["said"][0] == answered["prediction"][2]


def test_notes_are_another_column_and_warnings_name_the_row(tiny):
    rows = Dataset.from_dict({"audio": PATHS, "question": [WHAT, "Where is the piano?"]})
    with pytest.warns(UserWarning, match="row 1 of the data set: the model does not hear the sound 'piano'"):
        answered = tiny.answer_dataset(rows, notes="notes", progress=False)
    assert answered["notes"][0] == "" and "does not hear the sound 'piano'" in answered["notes"][1]
    for names in ({"notes": "question"}, {"notes": "prediction"}):
        with pytest.raises(SpatialLLMError, match="give another name for the notes"):
            tiny.answer_dataset(rows, **names)


def test_a_folder_that_holds_something_is_not_replaced(dataset, tmp_path):
    (tmp_path / "thesis").mkdir()
    with pytest.raises(OutputError, match=r"holds files; .* give a new folder"):
        write_dataset(dataset, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis"]


def test_a_table_and_recordings_byte_by_byte(dataset, tmp_path):
    table = write_dataset(dataset, tmp_path / "mine")
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["question"], row["answer"]) for row in rows] == [(WHAT, "alarm"), (WHERE, "left"), (WHERE, "right")]
    names = [row["audio"] for row in rows]
    assert names[0] == names[1] != names[2]
    for name, path in zip(names[1:], PATHS, strict=True):
        assert (table.parent / name).read_bytes() == Path(path).read_bytes()
    waveform, rate = read_audio(PATHS[0])
    arrays = Dataset.from_dict({"audio": [{"array": waveform.tolist(), "sampling_rate": rate}], "question": ["?"]})
    written = write_dataset(arrays, tmp_path / "arrays").parent.glob("recordings/*.wav")
    again, rate_again = read_audio(next(iter(written)))
    np.testing.assert_array_equal(again, waveform)
    assert rate_again == rate


def test_a_data_set_becomes_manifests_to_train_on(dataset, tmp_path):
    table = write_dataset(dataset, tmp_path / "mine")
    import_recordings(ImportArguments(str(table), str(tmp_path / "data"), eval_share=0.5))
    records = [record for split in ("train", "eval") for record in read_manifest(tmp_path / "data" / f"{split}.jsonl")]
    assert sorted((record.question, record.answer) for record in records) == sorted(
        zip(dataset["question"][:], dataset["answer"][:], strict=True)
    )
    for record in records:
        path = PATHS[record.answer == "right"]
        np.testing.assert_array_equal(render_record(record, tmp_path / "data"), read_audio(path)[0])


def test_errors_are_sentences_and_leave_nothing(tiny, dataset, tmp_path):
    with pytest.raises(SpatialLLMError, match=r"a DatasetDict; .* choose a split, one of \['train'\]"):
        tiny.answer_dataset(DatasetDict(train=dataset))
    with pytest.raises(SpatialLLMError, match=r"columns .*; expected at least one row and sound, question"):
        tiny.answer_dataset(dataset, audio="sound")
    with pytest.raises(SpatialLLMError, match="a column 'answer' already"):
        tiny.answer_dataset(dataset, column="answer")
    with pytest.raises(SpatialLLMError, match=r"row 0 of the data set: .* special token"):
        tiny.answer_dataset(Dataset.from_dict({"audio": PATHS[:1], "question": ["Where?</s>"]}), progress=False)
    missing = Dataset.from_dict({"audio": [PATHS[0], "nowhere.wav"], "question": [WHERE, WHERE]})
    with pytest.raises(AudioError, match=r"row 1 of the data set: nowhere\.wav"):
        tiny.answer_dataset(missing, progress=False)
    with pytest.raises(AudioError, match=r"row 1 of the data set: nowhere\.wav"):
        write_dataset(missing, tmp_path / "mine")
    with pytest.raises(SpatialLLMError, match="row 0 of the data set: tags is a list"):
        write_dataset(dataset.add_column("tags", [["a"], ["b"], ["c"]]), tmp_path / "mine")
    assert not (tmp_path / "mine").exists()
