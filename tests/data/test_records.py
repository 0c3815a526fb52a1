"""The manifest: round trip of the three forms of a recording, and every way a line can be wrong named with file, line and
field."""

import copy
import json

import pytest

from spatial_llm.data.paths import FileFacts
from spatial_llm.data.record import Pair, Record
from spatial_llm.data.records import read_manifest, record_from_dict, write_manifest
from spatial_llm.data.scene_files import read_scenes
from spatial_llm.errors import ManifestError
from spatial_llm.scenes.scene import Scene
from spatial_llm.scenes.scene_json import scene_to_dict

SCENE = {
    "id": "s",
    "split": "train",
    "seed": 1,
    "duration_s": 2.0,
    "sampling_rate": 32000,
    "room": {"id": "train-00000", "size_m": [4.0, 5.0, 3.0], "absorption": 0.5},
    "listener": {"position_m": [2.0, 2.0, 1.5], "heading_deg": 30.0},
    "sources": [{"label": "bell", "recording": "synth:bell/1", "position_m": [3.0, 3.0, 1.0], "response": 0}],
    "bank": "bank",
}
QUESTION = {
    "id": "r-0",
    "recording_id": "r",
    "type": "B",
    "question_type": "DOA",
    "question": "Where is it?",
    "answer": "left, front, below; 2.5m",
    "truth": {"left_right": "left", "front_behind": "front", "above_below": "below", "distance_m": 2.5},
    "split": "train",
    "sampling_rate": 32000,
}
LINE = QUESTION | {"scene": SCENE}
RECORDED = QUESTION | {"id": "r-1", "audio": "clips/a.wav"}
PAIR = {"audio": "clips/a.wav", "response": "rooms/0.npy", "azimuth_deg": 40.0, "elevation_deg": -20, "distance_m": 2.4}
PAIRED = QUESTION | {"id": "r-2", "protocol": "official_bat", "pairs": [PAIR | {"labels": ["bell", "ding"]}, PAIR]}
SAID = {"clips/a.wav": {"bytes": 0}}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "bank").mkdir()
    for name in ("clips/a.wav", "rooms/0.npy"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    return tmp_path


def write(folder, *lines):
    path = folder / "m.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_round_trip_of_all_forms(folder):
    described, recorded, paired = records = read_manifest(write(folder, LINE, RECORDED, PAIRED | {"files": SAID}))
    assert isinstance(described.scene, Scene) and scene_to_dict(described.scene) == SCENE
    assert recorded.audio == "clips/a.wav" and recorded.scene is None and recorded.pairs is None
    assert paired.pairs[0].labels == ("bell", "ding") and paired.pairs[1] == Pair(**PAIR)
    assert paired.files == {"clips/a.wav": FileFacts(0)}
    assert [record.to_dict() for record in records] == [LINE, RECORDED, PAIRED | {"files": SAID}]
    write_manifest(folder / "again.jsonl", records)
    assert read_manifest(folder / "again.jsonl") == records


def changed(line=LINE, **fields):
    return {k: v for k, v in (line | {"id": "x"} | fields).items() if v is not ...}


def scene(where="", **fields):
    """LINE with fields of its scene changed: of the scene itself, or of its part `where`."""
    line = copy.deepcopy(changed())
    part = {"": line["scene"], "source": line["scene"]["sources"][0], "room": line["scene"]["room"]}[where]
    part |= fields
    for name in [name for name, value in part.items() if value is ...]:
        del part[name]
    return line


def pair(**fields):
    return changed(PAIRED, pairs=[PAIR, PAIR | fields])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (changed(question=...), "question: field is missing"),
        (changed(extra=1), "extra: unknown field"),
        (changed(quesiton="?", question=...), r"question: field is missing \(and 1 more\)"),
        (changed(question=3), "question: .*string; given '3'"),
        (changed(question=""), "question is empty"),
        (changed(id=["x"]), "id: "),
        (changed(type="A"), "type 'A' with question_type 'DOA'"),
        (changed(question_type="DOE"), "question_type 'DOE'"),
        (changed(answer="left"), "does not read as truth"),
        (changed(truth={"yes": True}), "does not read as truth"),
        (changed(answer="somewhere", truth={}), "does not read as truth"),
        (changed(PAIRED, truth={}), "does not read as truth"),
        (changed(question="Is <|audio|> left?"), r"question holds the audio placeholder"),
        (changed(split="test"), "split: "),
        (changed(split="eval"), "those of the scene 'train', 32000"),
        (changed(sampling_rate=0), "sampling_rate is 0"),
        (changed(sampling_rate=True), "sampling_rate: "),
        (changed(sampling_rate=16000), "sampling_rate are 'train', 16000, those of the scene"),
        (changed(audio="clips/a.wav"), "give one of 'audio', 'scene' and 'pairs'"),
        (changed(scene=...), "recording given as nothing"),
        (changed(protocol="official_bat"), "protocol is 'official_bat'; it belongs to 'pairs'"),
        (changed(PAIRED, protocol=...), "protocol is None"),
        (changed(PAIRED, protocol="mine"), "protocol: "),
        (changed(PAIRED, sampling_rate=16000), "2 pairs, sampling_rate 16000; expected one or two at 32000"),
        (changed(PAIRED, pairs=[]), "0 pairs"),
        (changed(PAIRED, pairs=[PAIR] * 3), "3 pairs"),
        (changed(PAIRED, pairs=[{"audio": "a"}]), r"pairs\[0\]\.response: field is missing"),
        (pair(azimuth_deg=270.0), r"pairs\[1\]\.azimuth_deg is 270"),
        (pair(azimuth_deg=-180.0), r"pairs\[1\]\.azimuth_deg is -180"),
        (pair(elevation_deg=91.0), r"pairs\[1\]\.elevation_deg is 91"),
        (pair(distance_m=-1.0), r"pairs\[1\]\.distance_m is -1"),
        (pair(distance_m=True), r"pairs\[1\]\.distance_m: "),
        (pair(audio="../a.wav"), r"pairs\[1\]\.audio '\.\./a\.wav' leads out of"),
        (changed(RECORDED, files={"clips/b.wav": {"bytes": 1}}), r"files names \['clips/b.wav'\]"),
        (changed(files={}), "files names a scene"),
        (changed(RECORDED, files={"clips/a.wav": {"bytes": 0, "md5": "x"}}), r"files\.clips/a\.wav\.md5: unknown field"),
        (scene(sources=[]), "scene: sources has 0 entries"),
        (scene(sources=["bell"]), r"scene\.sources\[0\]: "),
        (scene("source", label=...), r"scene\.sources\[0\]\.label: field is missing"),
        (scene("source", response=True), r"scene\.sources\[0\]\.response: "),
        (scene("source", response=-1), r"scene: sources\[0\]\.response is -1"),
        (scene("source", position_m=[9.0, 3.0, 1.0]), r"scene: sources\[0\]\.position_m .* outside the room"),
        (scene("source", position_m=[float("nan"), 3.0, 1.0]), r"scene\.sources\[0\]\.position_m\[0\]: NaN"),
        (scene("source", position_m=[1e999, 3.0, 1.0]), r"scene\.sources\[0\]\.position_m\[0\]: "),
        (
            scene("source", recording="bell/1.ogg"),
            r"scene: sources\[0\]\.recording 'bell/1\.ogg' is a file; name its folder",
        ),
        (scene(duration_s=-1), "scene: seed, duration_s"),
        (scene(bank="../bank"), r"scene\.bank '\.\./bank' leads out of"),
        (scene(bank="/etc"), "scene.bank '/etc' leads out of"),
        (scene(bank="file://bank"), "leads out of"),
        (scene(bank="C:\\bank"), "leads out of"),
        (scene("room", size_m=[4.0, 5.0]), r"scene\.room\.size_m"),
        (changed(RECORDED, audio="clips/../../a.wav"), "audio 'clips/../../a.wav' leads out of"),
        (changed(RECORDED, audio=""), "audio is empty"),
    ],
)
def test_a_wrong_line_is_named(folder, line, said):
    path = write(folder, LINE, line)
    with pytest.raises(ManifestError, match=said) as error:
        read_manifest(path)
    assert "m.jsonl:2" in str(error.value)


def test_scenes_are_read_as_strictly(folder):
    path = folder / "scenes.jsonl"
    path.write_text(json.dumps(SCENE) + "\n")
    (read,) = read_scenes(path)
    assert scene_to_dict(read) == SCENE
    outside = copy.deepcopy(SCENE) | {"id": "t"}
    outside["sources"][0]["position_m"][0] = 4.5
    recorded = copy.deepcopy(SCENE) | {"id": "u", "sounds": "clips"}
    recorded["sources"][0]["recording"] = "b.wav"
    for line, said in (
        (outside, r"scenes\.jsonl:2: sources\[0\]\.position_m .* outside the room"),
        (SCENE, r"scenes\.jsonl:2: id stands twice .*\n  's' in lines 1, 2"),
        (recorded, r"scenes\.jsonl:2: sources\[0\]\.recording 'clips/b\.wav': is not there"),
    ):
        path.write_text(json.dumps(SCENE) + "\n" + json.dumps(line) + "\n")
        with pytest.raises(ManifestError, match=said):
            read_scenes(path)


def test_record_from_dict_alone():
    assert record_from_dict(LINE).to_dict() == LINE
    assert isinstance(record_from_dict(RECORDED), Record)
    with pytest.raises(ManifestError, match=r"^here: "):
        record_from_dict(changed(split=1), "here")


ABOUT = {"sources": [0], "axis": "left_right", "side": "left"}
SIDED = changed(
    type="negative", question_type="WRONG_PLACE", question="Is the bell on your left?", answer="Yes", truth={"yes": True}
)


@pytest.mark.parametrize(
    "about",
    [
        {},
        {"absent": "rain"},
        ABOUT,
        ABOUT | {"turn_deg": -90.0},
        {"places": [QUESTION["truth"], QUESTION["truth"] | {"distance_m": 3.0}]},
        {"sources": [0], "time_s": 1.5},
    ],
)
def test_the_meaning_of_a_question_comes_back(about):
    record = record_from_dict(SIDED | {"about": about})
    assert record.to_dict() == SIDED | {"about": about}
    assert record_from_dict(SIDED).about is None and "about" not in record_from_dict(SIDED).to_dict()


@pytest.mark.parametrize(
    ("line", "about", "said"),
    [
        (SIDED, {"source": 0}, "about.source: unknown field"),
        (SIDED, {"sources": ["0"]}, r"about\.sources\[0\]: "),
        (SIDED, {"axis": "up_down"}, "about.axis: "),
        (SIDED, {"places": [{"left_right": "left"}]}, r"about\.places\[0\]\.front_behind: field is missing"),
        (SIDED, {"places": [QUESTION["truth"] | {"left_right": "west"}]}, "left_right is 'west'"),
        (SIDED, {"sources": [1]}, r"record 'x': about: sources are \[1\], .* indices into the 1 sources"),
        (SIDED, {"sources": [-1]}, r"sources are \[-1\]"),
        (SIDED, {"sources": [0, 0]}, r"sources are \[0, 0\]"),
        (SIDED, {"sources": [0], "reference": 0}, "reference is 0"),
        (SIDED, {"side": "left"}, "side is 'left' and axis None"),
        (SIDED, {"axis": "distance", "side": "left"}, "side is 'left' and axis 'distance'"),
        (SIDED, {"turn_deg": -180.0}, "turn_deg is -180"),
        (SIDED, {"time_s": -0.1}, "time_s -0.1"),
        (SIDED, {"absent": "bell"}, "absent is 'bell', which is the class of a source"),
        (changed(RECORDED), {"sources": [0]}, "indices into the 0 sources"),
        (
            changed(type="negative", question_type="ABSENT", answer="There is no dog", truth={"absent": "dog"}),
            {"absent": "rain"},
            "absent is 'rain', the answer says 'dog'",
        ),
        (
            changed(type="A", question_type="CLASSIFICATION", answer="rain", truth={"labels": ["rain"]}),
            {"sources": [0]},
            r"are of the classes \['bell'\], the answer names \['rain'\]",
        ),
    ],
)
def test_a_meaning_that_does_not_fit_its_recording_is_named(line, about, said):
    with pytest.raises(ManifestError, match=said) as error:
        record_from_dict(line | {"about": about}, "m.jsonl:7")
    assert str(error.value).startswith("m.jsonl:7: ")


@pytest.mark.parametrize("source", [0, 1])
def test_a_source_whose_classes_are_not_listed_may_be_that_of_any_answer(source):
    line = changed(PAIRED, type="A", question_type="CLASSIFICATION", answer="bell; ding", truth={"labels": ["bell", "ding"]})
    assert record_from_dict(line | {"about": {"sources": [source]}}).about.sources == (source,)
