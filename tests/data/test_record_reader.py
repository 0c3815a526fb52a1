"""The quick way of reading a manifest accepts what the careful one accepts, with the same record, and refuses in the same
words."""

import json
import random

import pytest

from spatial_llm.data.record import Pair, Record
from spatial_llm.data.records import RecordReader, iter_checked, record_from_dict, write_manifest
from spatial_llm.errors import ManifestError
from spatial_llm.jsonl import parse_closely
from spatial_llm.scenes.scene import Listener, Room, Scene, Source

SCENE = Scene(
    id="s", split="eval", seed=1, duration_s=2.0, sampling_rate=32_000, room=Room("room", (5.0, 4.0, 3.0), absorption=0.5),
    listener=Listener((2.0, 2.0, 1.5), 30.0), sources=(Source("bell", "synth:bell/1", (3.0, 2.0, 1.5)),),
)  # fmt: skip


def line(**fields) -> str:
    given = {
        "id": "q", "recording_id": "r", "type": "A", "question_type": "CLASSIFICATION", "question": "What sounds?",
        "answer": "bell", "truth": {"labels": ["bell"]}, "split": "eval", "sampling_rate": 32_000,
    }  # fmt: skip
    return json.dumps(Record(**(given | fields)).to_dict())


LINES = [
    line(scene=SCENE),
    line(scene=SCENE, id="other", question='Which "scene": {} is it?'),
    line(audio="a.wav"),
    line(pairs=(Pair("a.wav", "r.npy", ("bell",), 10.0, 0.0, 2.0),), protocol="official_bat"),
]
SCENE_TEXT = LINES[0][LINES[0].index('"scene": ') + len('"scene": ') : -1]
TRAPS = [
    LINES[0].replace('"scene": ', '"scene": null, "scene": '),  # a key twice, the second one right
    LINES[0][:-1] + ', "scene": null}',
    LINES[0][:-1] + f', "scene": {SCENE_TEXT}}}',
    LINES[0].replace('"scene": ', '"scen\\u0065": '),  # the same key
    LINES[0].replace('{"labels"', f'{{"scene": {SCENE_TEXT}, "labels"'),  # elsewhere
    LINES[2].replace('{"labels"', f'{{"scene": {SCENE_TEXT}, "labels"'),
    LINES[2].replace('{"labels"', f'{{"scene": {SCENE_TEXT}, "labels"')[:-1] + ', "scen\\u0065": null}',
    LINES[0].replace('"scene": ', '"a\\"scene": '),
    LINES[0].replace('"split": "eval", "sampling', '"split": "train", "sampling', 1),  # of record and scene: not one split
    LINES[0] + "}",
    LINES[0][:-1],
    f"[{LINES[0]}]",
    LINES[0].replace("30.0", "NaN"),
    LINES[0].replace("30.0", "1e400"),
    LINES[0].replace("30.0", "30"),
    LINES[0].replace("What", "\\ud800"),
    LINES[0].replace("What", "\\u00e9"),
    LINES[3].replace("10.0", "190.0"),
    LINES[3].replace('"type": "A"', '"type": "B"'),
    LINES[2].replace('"bell"', '"drum"', 1),
    "[" * 500,
    "null",
]


def outcome(read) -> Record | str:
    try:
        return read()
    except ManifestError as error:
        return str(error)


def carefully(text: str) -> Record | str:
    return outcome(lambda: record_from_dict(parse_closely(text, "m:1"), "m:1"))


def damaged(text: str, rng: random.Random) -> str:
    """The line with a piece of it cut out, doubled, or replaced by a piece of another place."""
    begin, source = rng.randrange(len(text)), rng.randrange(len(text))
    length = rng.choice([1, 1, 2, 5, 40])
    piece = rng.choice(["", text[begin : begin + length] * 2, text[source : source + length], *'{}[]\\",:0-e'])
    return text[:begin] + piece + text[begin + length :]


@pytest.mark.parametrize("text", TRAPS)
def test_what_could_deceive_it_is_read_as_carefully_as_ever(text):
    reader = RecordReader()
    for before in (None, *LINES):
        if before is not None:
            reader.read(before, "m:0")
        assert outcome(lambda: reader.read(text, "m:1")) == carefully(text)


def test_damaged_lines_get_the_same_record_or_the_same_words():
    rng, reader, right = random.Random(0), RecordReader(), 0
    for number in range(4000):
        text = damaged(rng.choice(LINES), rng)
        found = outcome(lambda text=text: reader.read(text, "m:1"))
        assert found == carefully(text), text
        right += isinstance(found, Record)
        if number % 3 == 0:
            assert reader.read(LINES[number % len(LINES)], "m:1") == carefully(LINES[number % len(LINES)])
    assert 200 < right < 3000  # both kinds were met


def test_questions_about_one_recording_share_its_scene(tmp_path):
    other = json.loads(LINES[0]) | {"id": "q2"}
    write_manifest(tmp_path / "m.jsonl", [record_from_dict(one) for one in (json.loads(LINES[0]), other)])
    first, second = iter_checked(tmp_path / "m.jsonl")
    assert first.record.scene is second.record.scene and first.record.scene == SCENE
    assert first.record.truth is not second.record.truth  # may be changed
