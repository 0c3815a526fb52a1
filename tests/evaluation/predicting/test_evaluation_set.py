"""Manifests of ours and the released folder come through one door; what fits neither is refused."""

import dataclasses
import json

import numpy as np
import pytest

from spatial_llm.audio.limits import AudioLimits
from spatial_llm.data.records import write_manifest
from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.predicting.evaluation_set import read_evaluation_set, read_questions, with_limits
from spatial_llm.evaluation.predicting.tasks import Questions
from tests.evaluation.fixtures_small import RATE, write_small_set


def test_manifest(tmp_path):
    manifest = write_small_set(tmp_path)
    questions = read_evaluation_set(manifest)
    assert questions.benchmark is None and questions.label_csv is None
    assert [item.id for item in questions.items[:2]] == ["q0", "q1"]
    waveform = questions.load(questions.items[0], RATE // 2, 6000)
    assert waveform.shape == (2, 6000) and waveform.dtype == np.float32


def test_one_recording_id_stands_for_one_recording(tmp_path):
    manifest = write_small_set(tmp_path)
    records = list(read_evaluation_set(manifest).items)
    records[-1] = dataclasses.replace(records[-1], recording_id=records[0].recording_id)
    write_manifest(manifest, records)
    with pytest.raises(ManifestError, match=r"'q0' and .* share recording_id 'r0' but not the recording"):
        read_evaluation_set(manifest)


def test_bad_recording_names_the_record(tmp_path):
    manifest = write_small_set(tmp_path)
    questions = read_evaluation_set(manifest)
    (tmp_path / "r1.wav").write_bytes(b"RIFF")
    item = next(item for item in questions.items if item.recording_id == "r1")
    with pytest.raises(ManifestError, match=f"record '{item.id}'"):
        questions.load(item, RATE, 500)


def test_limits_go_with_the_recordings(tmp_path):
    questions = with_limits(read_evaluation_set(write_small_set(tmp_path)), AudioLimits(max_seconds=0.2))
    with pytest.raises(ManifestError, match=r"lasts 0\.28125 s, and max_seconds is 0\.2 s"):
        questions.load(questions.items[0], RATE, 4000)
    with pytest.raises(ManifestError, match="max_seconds"):
        questions.listen(questions.items[0])


def test_official_rows(tmp_path):
    row = {"audio_id": "a", "reverb_id": "s/0.npy", "audio_id2": None, "reverb_id2": None, "question_id": 0}
    row |= {"question_type": "MIXUP_DIRECTION", "question": "Is it?", "answer": "Yes"}
    path = tmp_path / "eval-stage3-direction.json"
    path.write_text(json.dumps({"data": [row]}))
    questions = read_evaluation_set(path)
    assert questions.benchmark == "SpatialSoundQA" and questions.items[0].type == "E"
    with pytest.raises(ManifestError, match="record 'eval-stage3-direction-"):
        questions.load(questions.items[0], RATE, 500)
    assert read_evaluation_set(tmp_path).sha256 == questions.sha256
    (tmp_path / "exported.json").write_text("{}")  # the mark of a set of ours in this layout
    assert read_evaluation_set(tmp_path).benchmark is None
    (tmp_path / "exported.json").unlink()
    path.rename(tmp_path / "train.json")
    assert read_evaluation_set(tmp_path / "train.json").benchmark is None, "what a model was trained on is no benchmark"


def test_nothing_and_empty_are_refused(tmp_path):
    with pytest.raises(ManifestError, match="no such file or folder"):
        read_evaluation_set(tmp_path / "absent.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(ManifestError, match="holds no record"):
        read_evaluation_set(tmp_path / "empty.jsonl")


# --- as a task asks for them ------------------------------------------------------------------------------------------


def test_the_task_says_which_questions(tmp_path):
    manifest = write_small_set(tmp_path)
    questions = read_questions(Questions("manifest", str(manifest)))
    assert len(questions.items) == 27
    assert read_questions(Questions("manifest", "absent.jsonl"), manifest).sha256 == questions.sha256, "data comes first"
    with pytest.raises(ManifestError, match="names no questions; give their path: --data"):
        read_questions(Questions("manifest"))


def test_pinned_questions_must_be_those(tmp_path):
    manifest = write_small_set(tmp_path)
    pin = read_evaluation_set(manifest).sha256
    assert read_questions(Questions("manifest", sha256=pin), manifest).sha256 == pin
    manifest.write_text(manifest.read_text().replace("What is it?", "What was it?", 1))
    with pytest.raises(ManifestError, match=rf"eval\.jsonl: sha256 is [0-9a-f]{{64}}, the task is pinned to {pin}"):
        read_questions(Questions("manifest", sha256=pin), manifest)


def test_the_format_of_the_task_is_that_of_the_questions(tmp_path):
    manifest = write_small_set(tmp_path)
    assert len(read_questions(Questions("spatialsoundqa"), manifest).items) == 27, "a manifest of the official types"
    records = list(read_evaluation_set(manifest).items)
    changes = {"type": "count", "question_type": "COUNT_SOURCES", "answer": "2", "truth": {"count": 2}}
    write_manifest(manifest, [*records[:-1], dataclasses.replace(records[-1], **changes)])
    with pytest.raises(ManifestError, match=r"record 'q26' is a COUNT_SOURCES, which SpatialSoundQA does not ask"):
        read_questions(Questions("spatialsoundqa"), manifest)
    assert len(read_questions(Questions("manifest"), manifest).items) == 27
    row = {"audio_id": "a", "reverb_id": "s/0.npy", "audio_id2": None, "reverb_id2": None, "question_id": 0}
    row |= {"question_type": "MIXUP_DIRECTION", "question": "Is it?", "answer": "Yes"}
    released = tmp_path / "eval-stage3-direction.json"
    released.write_text(json.dumps({"data": [row]}))
    assert read_questions(Questions("spatialsoundqa"), released).benchmark == "SpatialSoundQA"
    with pytest.raises(ManifestError, match=r"SpatialSoundQA as released, and the task asks for a manifest"):
        read_questions(Questions("manifest"), released)
