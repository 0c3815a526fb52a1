"""A broken manifest stops with one clean error that names file and line, and the field where there is one, before anything
is trained on it; an odd but valid one is read."""

import json
import os
import tracemalloc

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AddedToken

from spatial_llm.data.collator import SpatialQACollator
from spatial_llm.data.dataset import SpatialQADataset
from spatial_llm.data.manifest import open_manifest
from spatial_llm.data.paths import DataRoot
from spatial_llm.data.records import read_manifest
from spatial_llm.errors import ManifestError, SpatialLLMError
from spatial_llm.files import sha256_of
from spatial_llm.jsonl import MAX_LINE_BYTES
from spatial_llm.testing import tiny_processor

RATE = 32_000
LINE = {
    "id": "q0", "recording_id": "r", "type": "A", "question_type": "CLASSIFICATION", "question": "What sounds?",
    "answer": "bell", "truth": {"labels": ["bell"]}, "split": "train", "sampling_rate": RATE, "audio": "a.wav",
}  # fmt: skip
READERS = (read_manifest, open_manifest)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    soundfile.write(folder / "a.wav", np.random.default_rng(0).normal(0, 0.1, (400, 2)), RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "outside.wav", np.ones((400, 2)) * 0.1, RATE, subtype="FLOAT")
    return folder


def lines(*changes):
    return "".join(json.dumps(LINE | {"id": f"q{number}"} | change) + "\n" for number, change in enumerate(changes)).encode()


def refused(folder, content, said, root=None):
    """Both readers refuse the manifest, with one error of ours that says this, and leave nothing behind."""
    path = folder / "m.jsonl"
    path.write_bytes(content)
    before = sorted(folder.rglob("*"))
    for reader in READERS:
        with pytest.raises(ManifestError, match=said) as error:
            reader(path, root)
        assert len(str(error.value)) < 4000
    assert sorted(folder.rglob("*")) == before


def accepted(folder, content, ids=("q0", "q1")):
    path = folder / "m.jsonl"
    path.write_bytes(content)
    for reader in READERS:
        assert [record.id for record in reader(path)] == list(ids)


# Paths stay inside the manifest's folder


@pytest.mark.parametrize(
    "name", ["../outside.wav", "x/../../outside.wav", "/etc/passwd", "../../etc/passwd", "file:///etc/passwd", "file:a.wav",
             "https://a.b/c.wav", "C:\\a.wav", "..\\outside.wav", "a.wav\0.txt", ".."]
)  # fmt: skip
def test_d1_a_path_that_leaves_the_folder_is_refused(folder, name):
    refused(folder, lines({}, {"audio": name}), r"m\.jsonl:2: audio .* leads out of")


def test_d1_a_symlink_out_of_the_folder_is_refused(folder, tmp_path):
    (folder / "file.wav").symlink_to(tmp_path / "outside.wav")
    (folder / "up").symlink_to(tmp_path)
    (folder / "twice.wav").symlink_to(folder / "file.wav")
    for name in ("file.wav", "up/outside.wav", "twice.wav"):
        refused(folder, lines({}, {"audio": name}), r"m\.jsonl:2: audio .* leads out of")
    (folder / "inside.wav").symlink_to(folder / "a.wav")
    (folder / "here").symlink_to(folder)
    accepted(folder, lines({"audio": "inside.wav"}, {"audio": "here/a.wav"}))


def test_d1_only_a_root_that_the_caller_names_is_allowed(folder, tmp_path):
    content = lines({}, {"audio": "elsewhere/outside.wav"})
    refused(folder, content, r"m\.jsonl:2: audio 'elsewhere/outside\.wav': is not there")
    root = DataRoot(folder, {"elsewhere": tmp_path})
    assert len(read_manifest(folder / "m.jsonl", root)) == 2
    refused(folder, lines({"audio": "elsewhere/../outside.wav"}), r"m\.jsonl:1: audio .* leads out", root)
    (tmp_path / "link.wav").symlink_to("/etc/hostname")
    refused(folder, lines({"audio": "elsewhere/link.wav"}), r"m\.jsonl:1: audio .* leads out", root)


# Encodings and cut lines


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lines({}) + '{"id": "café"}\n'.encode("latin-1"), r"m\.jsonl:2: not UTF-8 \(byte 11"),
        (lines({}, {}).decode().encode("utf-16"), r"m\.jsonl:1: not UTF-8"),
        (lines({}, {}).decode().encode("utf-16-le"), r"m\.jsonl:1: not (UTF-8|JSON)"),
        (lines({}, {"question": "half \ud83d?"}), r"m\.jsonl:2: question: half a surrogate pair"),
        (lines({}) + b'{"id": "\xed\xa0\x80"}\n', r"m\.jsonl:2: not UTF-8"),
        (lines({}, {}).replace(b"\n", b"\r"), r"m\.jsonl:1: a carriage return inside the line"),
        (lines({}, {})[:-20], r"m\.jsonl:2: not JSON .*is the line cut\?"),
        (lines({}, {})[:-2], r"m\.jsonl:2: not JSON .*is the line cut\?"),
    ],
    ids=["latin-1", "utf-16", "no mark", "surrogate escape", "surrogate bytes", "old line ends", "cut", "cut by 1"],
)
def test_d2_d3_bytes_that_are_no_text_and_lines_that_are_cut(folder, content, said):
    refused(folder, content, said)


def test_d2_mark_line_ends_blank_lines_and_no_final_end_are_accepted(folder):
    plain = lines({}, {"question": "é \u2028 😀?"})
    for content in (
        b"\xef\xbb\xbf" + plain,
        plain.replace(b"\n", b"\r\n"),
        plain.replace(b"\n", b"\n\n  \r\n"),
        plain.rstrip(b"\n"),
        json.dumps(LINE).encode()
        + b"\n"
        + json.dumps(LINE | {"id": "q1", "question": "é \u2028 😀?"}, ensure_ascii=False).encode(),
    ):
        accepted(folder, content)


# Duplicates (overlap of splits: test_checks.py)


def test_d4_ids_and_keys_that_stand_twice_are_listed(folder):
    repeated = [{"id": name} for name in ("a", "b", "a", "c", "b", "a")]
    refused(
        folder, lines(*repeated), r"m\.jsonl:3: id stands twice \(2 such\).*\n  'a' in lines 1, 3, 6\n  'b' in lines 2, 5$"
    )
    double = json.dumps(LINE)[:-1] + ', "question": "x", "answer": "y"}\n'
    refused(folder, lines({"id": "z"}) + double.encode(), r"m\.jsonl:2: key 'answer, question' stands twice")
    nested = json.dumps(LINE | {"files": {}})[:-2] + '"a.wav": {"bytes": 1}, "a.wav": {"bytes": 2}}}\n'
    refused(folder, nested.encode(), r"m\.jsonl:1: key 'a\.wav' stands twice")


# The schema, size and nesting


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({k: v for k, v in LINE.items() if k != "answer"}, "answer: field is missing"),
        (LINE | {"note": None}, "note: unknown field"),
        (LINE | {"sampling_rate": "32000"}, "sampling_rate: .*given '32000'"),
        (LINE | {"sampling_rate": 32000.5}, "sampling_rate: "),
        (LINE | {"question": 1}, "question: "),
        (LINE | {"audio": True}, "audio: "),
        (LINE | {"truth": {"labels": ["bell"], "x": float("nan")}}, r"truth\.x: NaN is not JSON"),
        (LINE | {"sampling_rate": float("-inf")}, "sampling_rate: -Infinity is not JSON"),
        ([LINE], "a list, expected a JSON object"),
        ("q", "a str, expected a JSON object"),
        (None, "a NoneType, expected a JSON object"),
    ],
)
def test_d5_a_line_off_the_schema_names_its_field(folder, line, said):
    refused(folder, lines({"id": "z"}) + json.dumps(line).encode(), rf"m\.jsonl:2: {said}")


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_d5_an_empty_manifest_is_refused(folder, content):
    refused(folder, content, r"m\.jsonl: holds no record")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"[" * 3000 + b"]" * 3000, "nested too deeply"),
        (b'{"a":' * 3000 + b"1" + b"}" * 3000, "nested too deeply"),
        (b"[" * 300 + b"]" * 300, "truth|nested too deeply|recursion"),
        (b"1" * 5000, "a whole number of thousands of digits"),
        (b'"' + b"x" * MAX_LINE_BYTES + b'"', f"longer than {MAX_LINE_BYTES} bytes"),
    ],
    ids=["lists", "objects", "300 lists", "digits", "long"],
)
def test_d6_nesting_and_length_are_bounded(folder, value, said):
    line = json.dumps(LINE | {"truth": {"labels": "@"}}).encode().replace(b'"@"', value)
    refused(folder, lines({"id": "z"}) + line + b"\n" + lines({"id": "y"}), rf"m\.jsonl:2: .*({said})")


def test_d6_a_line_without_end_is_not_read_whole(folder):
    """20 MB in one line: refused after the first MiB, without holding the rest."""
    with (folder / "m.jsonl").open("wb") as file:
        file.write(b'{"id": "')
        file.seek(20 * 2**20)
        file.write(b'"}')
    tracemalloc.start()
    with pytest.raises(ManifestError, match=r"m\.jsonl:1: longer than"):
        read_manifest(folder / "m.jsonl")
    assert tracemalloc.get_traced_memory()[1] < 5 * MAX_LINE_BYTES
    tracemalloc.stop()


# Files


def test_d7_all_missing_files_are_reported_at_once_before_anything_starts(folder):
    absent = [{"audio": f"gone/{number}.wav"} for number in range(30)]
    (folder / "m.jsonl").write_bytes(lines({}, *absent, *[a | {"id": f"again{i}"} for i, a in enumerate(absent)]))
    os.mkfifo(folder / "pipe.wav")
    for reader in (*READERS, lambda path: SpatialQADataset(path, RATE, 400)):
        with pytest.raises(ManifestError, match="30 files are missing or changed") as error:
            reader(folder / "m.jsonl")
        for number in range(20):
            assert f"m.jsonl:{number + 2}: audio 'gone/{number}.wav': is not there" in str(error.value)
        assert "gone/20.wav" not in str(error.value) and str(error.value).endswith("and 10 more")
    refused(folder, lines({"audio": "pipe.wav"}), r"m\.jsonl:1: audio 'pipe\.wav': is no regular file")


def test_d7_size_and_hash_are_checked_where_the_manifest_has_them(folder):
    facts = {"bytes": (folder / "a.wav").stat().st_size, "sha256": sha256_of(folder / "a.wav")}
    content = lines({"files": {"a.wav": facts}}, {"files": {"a.wav": facts}})
    accepted(folder, content)
    sound = bytearray((folder / "a.wav").read_bytes())
    sound[-1] ^= 1
    (folder / "a.wav").write_bytes(sound)
    refused(folder, content, r"1 files are missing or changed.*\n.*m\.jsonl:1: audio 'a\.wav': has another SHA-256")
    (folder / "a.wav").write_bytes(sound[:-8])
    size_only = lines({"files": {"a.wav": {"bytes": facts["bytes"]}}})
    refused(folder, size_only, rf"audio 'a\.wav': has {facts['bytes'] - 8} bytes, had {facts['bytes']}")


# Placeholders and special tokens as text


PROCESSOR = tiny_processor()
CHAT = tiny_processor()
CHAT.tokenizer.add_tokens([AddedToken("<|start_header|>", special=True), AddedToken("<bell>", special=False)])
PIECES = (
    "<|audio|>",
    "</s>",
    "<s>",
    "<pad>",
    "<unk>",
    "<|start_header|>",
    "<bell>",
    "<|aud",
    "io|>",
    " ",
    "bell",
    "?",
    "\n\n### Response:",
)


def test_d8_the_manifest_refuses_the_audio_placeholder(folder):
    refused(folder, lines({}, {"question": "Is <|audio|> left?"}), r"m\.jsonl:2: question holds the audio placeholder")
    answer = {"answer": "<|audio|>", "truth": {"labels": ["<|audio|>"]}}
    refused(folder, lines({}, answer), r"m\.jsonl:2: answer holds the audio placeholder")


@pytest.mark.parametrize("token", ["</s>", "<s>", "<pad>", "<|start_header|>"])
def test_d8_special_tokens_are_refused_by_record(folder, token):
    (folder / "m.jsonl").write_bytes(lines({}, {"question": f"Where{token}?"}, {}))
    dataset = SpatialQADataset(folder / "m.jsonl", RATE, 9920)
    with pytest.raises(ManifestError, match=r"record 'q1': .*special token"):
        SpatialQACollator(CHAT)([dataset[i] for i in range(3)])


@settings(max_examples=150, deadline=None)
@given(
    question=st.lists(st.sampled_from(PIECES), min_size=1, max_size=6), answer=st.lists(st.sampled_from(PIECES), max_size=3)
)
def test_d8_placeholders_are_as_many_as_clips_whatever_the_text(question, answer):
    """Refused, or exactly the placeholders of the clip, with BOS and EOS once each; by the way of the data to training,
    which knows no whole prompts."""
    for processor in (PROCESSOR, CHAT):
        try:
            batch = processor.training_batch([[("".join(question), "".join(answer))]], [1])
        except SpatialLLMError:
            assert any(piece in "".join(question + answer) for piece in PIECES[:6])
            continue
        assert batch == processor(text="".join(question), answers=["".join(answer)])
        ids = batch["input_ids"][0]
        assert ids.count(processor.audio_token_id) == processor.num_audio_tokens
        assert set(ids[: processor.num_audio_tokens]) == {processor.audio_token_id}
        assert ids.count(processor.tokenizer.bos_token_id) == ids.count(processor.tokenizer.eos_token_id) == 1
        header = processor.tokenizer.convert_tokens_to_ids("<|start_header|>")
        assert header == processor.tokenizer.unk_token_id or header not in ids
