"""Records of files whose sounds are annotated: round trip, what is refused, and what training, scoring and checks read of
them."""

import json

import pytest

from spatial_llm.data.record import Known, Record, check_meaning, labels_of, sources_of
from spatial_llm.data.records import record_from_dict
from spatial_llm.data.targets import targets_of
from spatial_llm.data.taught import taught_by_lines
from spatial_llm.errors import ManifestError
from spatial_llm.questions.facts import HeardSource

BELL = {"label": "bell", "azimuth_deg": 0.0, "elevation_deg": 10.0, "distance_m": 2.0, "onset_s": 0.0, "offset_s": 3.0}
MOVING = {"label": "dog", "onset_s": 1.0, "offset_s": 2.0}
STEREO = {"label": "cat", "azimuth_deg": -30.0, "distance_m": 1.5, "folded": True}
LINE = {
    "id": "w-0", "recording_id": "w", "type": "elevation", "question_type": "ELEVATION_DEG",
    "question": "At what elevation is the sound of the bell?", "answer": "10 degrees", "truth": {"elevation_deg": 10.0},
    "split": "train", "sampling_rate": 24000, "about": {"sources": [0]}, "audio": "w.wav", "audio_format": "foa",
    "known": {"room": "hall", "sounds": [BELL, MOVING, STEREO]},
}  # fmt: skip


def test_annotated_sounds_are_read_as_they_were_written() -> None:
    record = record_from_dict(LINE)
    assert record.known.sounds == (
        HeardSource("bell", 0.0, 10.0, 2.0, 0.0, 3.0),
        HeardSource("dog", None, None, None, 1.0, 2.0),
        HeardSource("cat", -30.0, None, 1.5, folded=True),
    )
    _ = [sound.words for sound in record.known.sounds]  # computed, and no part of the line
    assert json.loads(json.dumps(record.to_dict())) == LINE
    assert labels_of(record) == [("bell",), ("dog",), ("cat",)]
    assert sources_of(record) == [record.known.sounds[0], None, None]


def test_training_learns_names_and_numbers_of_sounds() -> None:
    taught = taught_by_lines([LINE])
    assert taught.labels == ("bell", "cat", "dog") and taught.most_sources == 3
    assert [target.labels for target in targets_of(record_from_dict(LINE | {"known": {"sounds": [BELL]}}))] == [("bell",)]
    with pytest.raises(ManifestError, match="does not say what sounds where"):
        targets_of(record_from_dict(LINE))


@pytest.mark.parametrize(
    ("sounds", "known", "message"),
    [
        ([], {}, "known.sounds is 0 sounds"),
        ([BELL], {"azimuth_deg": 0.0}, r"known\.sounds is 1 sounds beside labels None and place \(0\.0, None, None\)"),
        ([BELL, BELL | {"azimuth_deg": -180.0}], {}, r"known\.sounds\[1\]\.azimuth_deg is -180\.0; expected in"),
        ([BELL | {"distance_m": 0.0}], {}, r"known\.sounds\[0\]\.distance_m is 0\.0; expected above 0"),
        ([STEREO | {"azimuth_deg": 100.0}], {}, r"known\.sounds\[0\]\.azimuth_deg is 100\.0; folded, expected -90 to 90"),
        ([BELL | {"onset_s": 3.0}], {}, r"known\.sounds\[0\] lasts from 3\.0 to 3\.0 s"),
        ([BELL | {"azimuth": 3.0}], {}, "azimuth: unknown field"),
    ],
)
def test_wrong_sounds(sounds: list[dict], known: dict, message: str) -> None:
    line = {name: value for name, value in LINE.items() if name != "about"}
    with pytest.raises(ManifestError, match=message):
        record_from_dict(line | {"known": {"sounds": sounds, **known}})


def test_an_answer_that_no_annotation_gives_is_found() -> None:
    check_meaning(record_from_dict(LINE), LINE["truth"], [])
    for sound in (BELL | {"elevation_deg": 30.0}, BELL | {"elevation_deg": None}, MOVING):
        record = Record(**{**vars(record_from_dict(LINE)), "known": Known(sounds=(HeardSource(**sound),))})
        with pytest.raises(ManifestError, match="record 'w-0': about: source 0, after a turn of 0 degrees, is at"):
            check_meaning(record, record.truth, sources_of(record))
