"""The released layout, made small: read, keyed by content, rendered by the official rule, and refused when broken."""

import dataclasses
import json

import numpy as np
import pytest
import soundfile

from spatial_llm.data.records import PAIRS_RATE as RATE
from spatial_llm.data.records import record_from_dict
from spatial_llm.data.rendering import render_record
from spatial_llm.data.spatialsoundqa import pairs
from spatial_llm.data.spatialsoundqa import release as official
from spatial_llm.errors import AudioError, ManifestError, SpatialLLMError
from spatial_llm.evaluation.predicting.evaluation_set import read_evaluation_set


def row(kind, question, answer, second=False, **changes):
    """A row of the release; one or two sources."""
    return {
        "audio_id": "eval/audio/YI-HlrcP6Qg4",
        "reverb_id": "q9vSo1VnCiC/0.npy",
        "audio_id2": "eval/audio/YjNjUU01quLs" if second else None,
        "reverb_id2": "q9vSo1VnCiC/31.npy" if second else None,
        "question_id": 0,
        "question_type": kind,
        "question": question,
        "answer": answer,
    } | changes


DOA = row("DOA", "How would you describe the location of this audio clip?", "right, front, below; 2.5m")
FILES = {
    "stage1-clsdoa/eval-stage1-classification.json": [
        row("CLASSIFICATION", "Enumerate the sound occurrences in the audio clip.", "accelerating, revving, vroom; car")
    ],
    "stage1-clsdoa/eval-stage1-doa.json": [DOA, DOA | {"question_id": 7}],
    "stage2-single/eval-stage2-doa.json": [
        row("MIXUP_SINGLE_DOA", "Where is the sound of the car coming from?", "left, behind, above; 3m", second=True)
    ],
    "stage3-mixup/eval-stage3-direction.json": [
        row("MIXUP_DIRECTION", "Is the sound of the car on the left of the bell?", "Yes", second=True)
    ],
    "stage3-mixup/eval-stage3-nonbinary.json": [
        row("MIXUP_NONBINARY_DISTANCE", "What is the distance between car and bell?", "1.5m", second=True),
        row("MIXUP_NONBINARY_SOURCE", "What is on the right of the car?", "bell", second=True),
    ],
}


@pytest.fixture
def release(tmp_path):
    """SpatialSoundQA/ with two dry sounds (one stereo, one at 16 kHz) and two room responses."""
    root = tmp_path / "SpatialSoundQA"
    rng = np.random.default_rng(0)
    for name, rows in FILES.items():
        path = root / "closed-end" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"data": rows}), encoding="utf-8")
    (root / "closed-end/stage1-clsdoa/train.json").write_text(json.dumps({"data": [DOA]}), encoding="utf-8")
    audio = root / "AudioSet/eval/audio"
    audio.mkdir(parents=True)
    soundfile.write(audio / "YI-HlrcP6Qg4.wav", 0.1 * rng.normal(size=(RATE // 4, 2)), RATE, subtype="FLOAT")
    soundfile.write(audio / "YjNjUU01quLs.wav", 0.3 * rng.normal(size=4000), 16_000, subtype="FLOAT")
    rooms = root / "mp3d_reverb/binaural/q9vSo1VnCiC"
    rooms.mkdir(parents=True)
    for name in ("0", "31"):
        np.save(rooms / f"{name}.npy", rng.normal(size=(2, 3000)).astype(np.float32))
    return root


def test_a_folder_gives_all_evaluation_files(release):
    records = official.read_official(release)
    assert [record.question_type for record in records] == [row["question_type"] for rows in FILES.values() for row in rows]
    assert "".join(record.type for record in records) == "ABBDEEE"
    assert records[0].truth == {"labels": ["accelerating, revving, vroom", "car"]}
    assert records[1].truth["distance_m"] == 2.5
    assert [len(record.pairs) for record in records] == [1, 1, 1, 2, 2, 2, 2]
    assert records[3].pairs[1].audio == "AudioSet/eval/audio/YjNjUU01quLs.wav"
    assert records[3].pairs[1].response == "mp3d_reverb/binaural/q9vSo1VnCiC/31.npy"
    assert [record_from_dict(record.to_dict()) for record in records] == records  # each is a line of a manifest
    read_evaluation_set(release).check_files()


def test_records_are_keyed_by_content(release):
    records = official.read_official(release)
    assert len({record.id for record in records}) == len(records)
    assert records[2].id == f"{records[1].id}-2"  # equal rows, though their question_id differs
    # all questions about one pair of clip and room are about one recording
    assert [record.recording_id == records[0].recording_id for record in records] == [True] * 3 + [False] * 4
    assert len({record.recording_id for record in records}) == 2
    assert [record.id for record in official.read_official(release)] == [record.id for record in records]


@pytest.mark.parametrize("inside", ["", "/stage1-clsdoa", "/stage1-clsdoa/eval-stage1-doa.json"])
def test_parts_of_the_release_find_their_sounds(release, inside):
    inside = f"closed-end{inside}"
    records = official.read_official(release / inside)
    read_evaluation_set(release / inside).check_files()
    whole = {record.id: record for record in official.read_official(release)}
    assert all(whole[record.id] == record for record in records)
    same = official.official_sha256(release / inside) == official.official_sha256(release)
    assert same == (len(records) == len(whole))  # the hash is that of the questions, wherever one points


def test_train_file_and_jsonl(release):
    path = release / "closed-end/stage1-clsdoa/train.json"
    (record,) = official.read_official(path)
    assert record.split == "train"
    lines = path.with_name("eval.jsonl")
    lines.write_text(json.dumps(DOA) + "\n", encoding="utf-8")
    (other,) = official.read_official(lines)
    assert other.truth == record.truth and other.split == "eval"


def by_definition(dry, room):
    """Normalise, convolve sample by sample, cut or pad: written from the rule, without FFT."""
    dry = dry * 10 ** (-14 / 20) / np.sqrt(np.mean(np.square(dry)))
    wet = np.stack([np.convolve(dry, ear) for ear in room])[:, : pairs.SAMPLES]
    return np.pad(wet, [(0, 0), (0, pairs.SAMPLES - wet.shape[1])])


def test_one_source_is_rendered_by_the_official_rule(release):
    dry, _ = soundfile.read(release / "AudioSet/eval/audio/YI-HlrcP6Qg4.wav", always_2d=True)
    room = np.load(release / "mp3d_reverb/binaural/q9vSo1VnCiC/0.npy")
    waveform = render_record(official.read_official(release)[0], release)
    assert waveform.shape == (2, 320_000) and waveform.dtype == np.float32
    expected = by_definition(dry[:, 0], room)  # channel 0, not a mix of both
    np.testing.assert_allclose(waveform, expected, atol=1e-5 * np.abs(expected).max())


def test_two_sources_are_averaged(release):
    record = official.read_official(release)[3]
    both = pairs.render_pairs(record, release)
    alone = [pairs.render_pairs(dataclasses.replace(record, pairs=(pair,)), release) for pair in record.pairs]
    np.testing.assert_allclose(both, (alone[0] + alone[1]) / 2, atol=1e-6 * np.abs(both).max())
    assert np.abs(alone[1][:, 8000 + 3000 :]).max() < 1e-6  # 4,000 samples at 16 kHz became 8,000


def test_long_response_is_convolved_whole_or_cut_by_its_protocol(release):
    """official_bat: no cut at 2 s: a lone echo at 9 s is heard; at 11 s it is past the end. checkpoint_matched: 64,000
    samples of the response, and not one more."""
    record = official.read_official(release)[0]
    room = np.zeros((2, 12 * RATE), dtype=np.float32)
    room[:, [9 * RATE, 11 * RATE]] = 1
    np.save(release / record.pairs[0].response, room)
    waveform = pairs.render_pairs(record, release)
    assert not np.abs(waveform[:, : 9 * RATE]).max() > 1e-5 and np.abs(waveform[:, 9 * RATE :]).max() > 0.01
    room[:, [100, 63_999, 64_000]] = [[1, 0.5, 1]] * 2
    np.save(release / record.pairs[0].response, room)
    dry, _ = soundfile.read(release / record.pairs[0].audio, always_2d=True)
    matched = pairs.render_pairs(dataclasses.replace(record, protocol="checkpoint_matched"), release)
    expected = by_definition(dry[:, 0], room[:, :64_000])
    np.testing.assert_allclose(matched, expected, atol=1e-5 * np.abs(expected).max())
    assert matched.shape == (2, 320_000) and np.abs(matched[:, 64_000 : 64_000 + 8000]).max() > 0.01


def test_missing_sounds_are_all_listed_at_once(release):
    (release / "AudioSet/eval/audio/YI-HlrcP6Qg4.wav").unlink()
    (release / "mp3d_reverb/binaural/q9vSo1VnCiC/31.npy").unlink()
    with pytest.raises(ManifestError, match=r"2 files are missing or changed") as error:
        read_evaluation_set(release).check_files()
    assert "YI-HlrcP6Qg4.wav" in str(error.value) and "31.npy" in str(error.value)


def test_other_roots(release, tmp_path):
    (release / "AudioSet").rename(tmp_path / "sounds")
    (release / "mp3d_reverb").rename(tmp_path / "rooms")
    with pytest.raises(ManifestError, match="4 files are missing"):
        read_evaluation_set(release).check_files()
    questions = read_evaluation_set(release, audio_root=tmp_path / "sounds", reverb_root=tmp_path / "rooms")
    questions.check_files()
    assert questions.load(questions.items[3], RATE, pairs.SAMPLES).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answer": None}, "row 1: answer missing"),
        ({"question": 3}, "row 1: question missing or not text"),
        ({"question_type": "QUIZ"}, "question_type 'QUIZ'"),
        ({"audio_id2": "eval/audio/Y"}, "give both, or null for both"),
        ({"audio_id": "../../secret"}, "leads out of the data folder"),
        ({"reverb_id": "/etc/passwd"}, "leads out of the data folder"),
        ({"question": "Is \ud800 here?"}, "half a surrogate pair"),
    ],
)
def test_broken_rows_are_named(release, change, message):
    path = release / "closed-end/stage1-clsdoa/eval-stage1-doa.json"
    path.write_text(json.dumps({"data": [DOA | change]}), encoding="utf-8")
    with pytest.raises(ManifestError, match=message):
        official.read_official(path)


@pytest.mark.parametrize("content", [b"[]", b'{"data": []}', b'{"data": [1]}', b'{"data": [', b"\xff\xfe", b"[" * 100_000])
def test_files_of_another_shape_are_refused(tmp_path, content):
    path = tmp_path / "eval-x.json"
    path.write_bytes(content)
    with pytest.raises(ManifestError, match=r"eval-x\.json"):
        official.read_official(path)


def test_folder_without_questions_is_refused(tmp_path):
    with pytest.raises(ManifestError, match=r"no eval-\*\.json"):
        official.read_official(tmp_path)


@pytest.mark.parametrize("room", [np.zeros((3, 10)), np.zeros(10), np.full((2, 10), np.nan)])
def test_broken_response_is_named(release, room):
    record = official.read_official(release)[0]
    np.save(release / record.pairs[0].response, room)
    with pytest.raises(AudioError, match=r"0\.npy"):
        pairs.render_pairs(record, release)


def test_pickled_response_is_refused(release):
    record = official.read_official(release)[0]
    np.save(release / record.pairs[0].response, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(AudioError, match="not a readable room response"):
        pairs.render_pairs(record, release)


def test_unreadable_answer_gives_an_empty_truth(release):
    path = release / "closed-end/stage1-clsdoa/eval-stage1-doa.json"
    path.write_text(json.dumps({"data": [DOA | {"answer": "somewhere"}]}), encoding="utf-8")
    (record,) = official.read_official(path)
    assert record.truth == {} and record_from_dict(record.to_dict()) == record
    with pytest.raises(ManifestError, match="does not read as truth"):  # ours are read again before they are written
        record_from_dict(dataclasses.replace(record, pairs=None, protocol=None, audio="a.wav").to_dict())


def test_lists_say_what_a_clip_holds_and_where_a_response_puts_it(release):
    (release / "AudioSet/metadata").mkdir()
    (release / "AudioSet" / official.LABELS_CSV).write_text('index,mid,display_name\n0,/m/c,Car\n1,/m/b,"Bow-wow, bark"\n')
    clips = [{"id": "YI-HlrcP6Qg4", "folder": "eval/audio", "label": ["/m/c", "/m/noise", "/m/b"]}]
    (release / "AudioSet/metadata/eval.json").write_text(json.dumps(clips))
    # right of the listener, behind and below: SoundSpaces axes, x right, y up, -z front
    places = [{"fname": "q9vSo1VnCiC/0.npy", "sensor_position": "1.0,1.5,2.0", "source_position": "2.0, 0.5, 3.0"}]
    (release / "mp3d_reverb/eval_reverberation.json").write_text(json.dumps({"data": places}))
    lists = official.read_lists(official.release_root(release), "eval")
    records = official.read_official(release, lists)
    pair = records[0].pairs[0]
    assert pair.labels == ("bow-wow, bark", "car")
    assert (pair.azimuth_deg, pair.elevation_deg, pair.distance_m) == (-135.0, pytest.approx(-35.2644), 1.7321)
    assert records[3].pairs[1].labels is None and records[3].pairs[1].azimuth_deg is None
    assert record_from_dict(records[3].to_dict()) == records[3]
    for wrong in ({"sensor_position": "1.0,1.5"}, {"source_position": "a,b,c"}, {"source_position": "1,nan,2"}):
        (release / "mp3d_reverb/eval_reverberation.json").write_text(json.dumps({"data": [*places, places[0] | wrong]}))
        with pytest.raises(ManifestError, match=r"eval_reverberation\.json: entry 2: .*'x,y,z'"):
            official.read_lists(official.release_root(release), "eval")


def test_label_csv_keeps_commas_and_spelling(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text('index,mid,display_name\n0,/m/0,"Accelerating, revving, vroom"\n1,/m/1,Bow-wow, bark\n2,/m/2,Car\n')
    assert official.read_label_csv(path) == ["Accelerating, revving, vroom", "Bow-wow, bark", "Car"]


@pytest.mark.parametrize("text", ["", "a,b\n", "index,mid,display_name\n", "index,mid,display_name\n0,x,Car\n1,y,car\n"])
def test_broken_label_csv_is_refused(tmp_path, text):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(SpatialLLMError, match=r"labels\.csv"):
        official.read_label_csv(path)
    with pytest.raises(SpatialLLMError, match="no such file"):
        official.read_label_csv(tmp_path / "absent.csv")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("index,mid,display_name\n0,/m/c,Gl\u00f6ckchen\n".encode("latin-1"), r"labels\.csv:2: not UTF-8"),
        ("index,mid,display_name\n0,/m/c,Car\n".encode("utf-16"), r"labels\.csv:1: in UTF-16"),
        (b"index,mid,display_name\n0,/m/c,Car\n1,/m/b\n", r"labels\.csv:3: '1,/m/b'; expected index, mid"),
        (b"index,mid,display_name\n0,/m/c,\n", r"labels\.csv:2: .*expected index, mid and the name"),
        (b"index,mid,display_name\n0,/m/c,Car\n1,/m/d,car\n", r"twice: \['car'\]"),
    ],
)
def test_label_lists_that_lose_a_label_are_refused(tmp_path, raw, said):
    (tmp_path / "labels.csv").write_bytes(raw)
    with pytest.raises(ManifestError, match=said):
        official.read_label_csv(tmp_path / "labels.csv")
    (tmp_path / "labels.csv").write_bytes(b'\xef\xbb\xbfindex,mid,display_name\r\n0,/m/c,"Bow-wow, bark"\r\n\r\n1,/m/b,Car')
    assert official.read_label_csv(tmp_path / "labels.csv") == ["Bow-wow, bark", "Car"]
