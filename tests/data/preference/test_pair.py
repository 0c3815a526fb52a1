"""Files of pairs: users' own fit, and what is wrong with one is said with the record's name."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from spatial_llm.data.preference.make import PairSettings, make_pairs
from spatial_llm.data.preference.pair import PairFile, recording_sha256
from spatial_llm.data.records import read_manifest
from spatial_llm.errors import ManifestError
from tests.data.preference.scenes import written

OWN = {"audio": "kitchen.wav", "prompt": "Where is the bell?", "chosen": "left", "rejected": "right"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, name in enumerate(("kitchen.wav", "hall.wav")):
        soundfile.write(tmp_path / name, 0.1 * np.random.default_rng(seed).standard_normal((800, 2)), 16_000)
    return tmp_path


def pairs(folder: Path, *lines: dict[str, Any]) -> PairFile:
    (folder / "pairs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return PairFile(folder / "pairs.jsonl")


def test_the_least_that_a_file_of_ones_own_needs(folder):
    (pair,) = pairs(folder, OWN)
    assert (pair.record.question, pair.record.answer, pair.rejected) == ("Where is the bell?", "left", "right")
    assert (pair.kind, pair.question_type, pair.record.sampling_rate) == ("own", "OPEN", 16_000)
    assert pair.record.id == "pairs.jsonl:1" and pair.record.recording_id == "kitchen.wav"


def test_columns_of_messages_are_read_as_texts(folder):
    messages = {
        "prompt": [{"role": "user", "content": OWN["prompt"]}],
        "chosen": [{"role": "assistant", "content": "left"}],
        "rejected": [{"role": "assistant", "content": "right"}],
    }
    plain, spoken = pairs(folder, OWN | {"id": "a"}, OWN | messages | {"id": "b"})
    assert plain.content_sha256 == spoken.content_sha256
    with pytest.raises(ManifestError, match=r"chosen is \[.*expected a text, or a list of one message of the assistant"):
        pairs(folder, OWN | {"chosen": messages["prompt"]})


def test_the_hash_of_what_the_model_is_given(folder):
    same, other_answer, other_sound, renamed = pairs(
        folder, OWN | {"id": "a"}, OWN | {"id": "b", "rejected": "behind"}, OWN | {"id": "c", "audio": "hall.wav"},
        OWN | {"id": "d", "kind": "mine"},
    )  # fmt: skip
    assert same.content_sha256 == renamed.content_sha256
    assert len({one.content_sha256 for one in (same, other_answer, other_sound)}) == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rejected": "Left."}, "record 'p7': chosen 'left' and rejected 'Left.' say the same"),
        (
            {"question_type": "DISTANCE", "chosen": "2.5m", "rejected": "2.5 meters"},
            "record 'p7': chosen '2.5m' and rejected '2.5 meters' say the same",
        ),
        (
            {"question_type": "AZIMUTH_DEG", "chosen": "left"},
            "record 'p7': chosen 'left' cannot be read as an answer of type AZIMUTH_DEG",
        ),
        (
            {"question_type": "AZIMUTH_DEG", "chosen": "30 degrees", "truth": {"azimuth_deg": -30.0}},
            "record 'p7': chosen '30 degrees' does not read as truth",
        ),
        ({"recording_sha256": "0" * 64}, "record 'p7': was made for another recording: recording_sha256 is 000000000000"),
        ({"question_type": "NOWHERE"}, "record 'p7': question_type is 'NOWHERE'; known are"),
        ({"chosen": " "}, "chosen is ' '; expected a text"),
        ({"question": "Where?"}, "has question; expected a pair: prompt, chosen and rejected"),
        ({"others": []}, "has others; expected a pair"),
        ({"prefered": "left"}, "prefered"),
        ({"audio": "attic.wav", "sampling_rate": 16_000}, "'attic.wav': is not there"),
        ({"audio": "attic.wav"}, "attic.wav cannot be read"),
        ({"audio": "../kitchen.wav", "sampling_rate": 16_000}, "leads out"),
    ],
)
def test_what_is_refused(folder, changes, words):
    with pytest.raises(ManifestError, match=r"pairs\.jsonl") as refused:
        pairs(folder, OWN | {"id": "first"}, OWN | {"id": "p7"} | changes)
    assert words in str(refused.value)


def test_a_missing_column_and_an_empty_file(folder):
    with pytest.raises(ManifestError, match=r"pairs.jsonl:1: has no rejected; expected a pair"):
        pairs(folder, {name: value for name, value in OWN.items() if name != "rejected"})
    with pytest.raises(ManifestError, match=r"pairs\.jsonl"):
        pairs(folder)


def test_ids_of_pairs_and_of_recordings_are_unique(folder):
    with pytest.raises(ManifestError, match="id stands twice"):
        pairs(folder, OWN | {"id": "a"}, OWN | {"id": "a", "rejected": "above"})
    with pytest.raises(ManifestError, match="recording_id 'one' is that of another recording"):
        pairs(folder, OWN | {"recording_id": "one"}, OWN | {"recording_id": "one", "audio": "hall.wav"})


def test_declining_may_be_chosen_or_rejected_for_every_type(folder):
    doubt = "I cannot tell from this recording."
    first, second = pairs(
        folder, OWN | {"id": "a", "question_type": "ELEVATION_DEG", "chosen": doubt, "rejected": "10 degrees"},
        OWN | {"id": "b", "question_type": "ELEVATION_DEG", "chosen": "10 degrees", "rejected": doubt},
    )  # fmt: skip
    assert first.truth is None and second.truth == {"elevation_deg": 10.0}


def test_a_recording_that_changed_since_is_noticed(folder):
    (pair,) = pairs(folder, OWN)
    line = OWN | {"recording_sha256": pair.sha256}
    assert pairs(folder, line)[0].sha256 == pair.sha256
    (folder / "kitchen.wav").write_bytes((folder / "hall.wav").read_bytes())
    with pytest.raises(ManifestError, match="was made for another recording"):
        pairs(folder, line)


def test_the_hash_of_a_scene_is_that_of_what_makes_its_sound(tmp_path):
    written(tmp_path / "train.jsonl", 4)
    make_pairs(tmp_path / "train.jsonl", tmp_path / "pairs.jsonl", PairSettings(kinds=["other_question"]))
    lines = [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text().splitlines()]
    of_scene = {line["recording_id"]: line["recording_sha256"] for line in lines}
    assert len(set(of_scene.values())) == len(of_scene) == 4
    renamed = lines[0] | {"scene": lines[0]["scene"] | {"id": "another"}}
    assert pairs(tmp_path, renamed)[0].sha256 == lines[0]["recording_sha256"]
    louder = json.loads(json.dumps(lines[0]))
    louder["scene"]["sources"][0]["gain_db"] = 3.0
    with pytest.raises(ManifestError, match="was made for another recording"):
        pairs(tmp_path, louder)
    record = read_manifest(tmp_path / "train.jsonl")[0]
    assert recording_sha256(record, tmp_path) == of_scene[record.recording_id]
