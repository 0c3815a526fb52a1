"""Whole or absent, and JSONL errors that name the line."""

import pytest

from spatial_llm import files
from spatial_llm.errors import ManifestError, SpatialLLMError


def test_a_failed_write_leaves_the_old_file_and_no_temporary(tmp_path):
    target = tmp_path / "a.jsonl"
    files.write_jsonl(target, [{"a": 1}])

    def rows():
        yield {"a": 2}
        raise RuntimeError("stopped half way")

    with pytest.raises(RuntimeError, match="half way"):
        files.write_jsonl(target, rows())
    assert files.read_jsonl(target) == [(1, {"a": 1})]
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_is_replaced_whole(tmp_path):
    target = tmp_path / "model"
    for name in ("old", "new"):
        with files.atomic_path(target) as temporary:
            temporary.mkdir()
            (temporary / name).write_text(name)
    assert [path.name for path in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]


def test_bom_crlf_blank_lines_and_no_final_newline_are_read(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\r\n{"a": "\xc3\xa9"}')
    assert files.read_jsonl(path) == [(1, {"a": 1}), (3, {"a": "é"})]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"a": 1', "not JSON"),
        (b'{"a": "\xe9"}', "not UTF-8"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": 1, "a": 2}', "stands twice"),
        (b"[1]", "a list, expected a JSON object"),
        (b"[" * 100_000, "nested too deeply|not JSON"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, message):
    path = tmp_path / "m.jsonl"
    path.write_bytes(b'{"a": 0}\n' + line)
    with pytest.raises(ManifestError, match=rf"m\.jsonl:2: .*({message})"):
        files.read_jsonl(path)


def test_names_stay_below_their_folder(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "root-2"
    root.mkdir()
    outside.mkdir()
    (root / "out").symlink_to(outside)
    (root / "in").symlink_to(root / "elsewhere")
    assert files.below(root, "a/b.wav") == root / "a" / "b.wav"
    assert files.below(root, "in") == root / "in" and files.below(str(root), "a..b") == root / "a..b"
    bad = ["", ".", "/etc/passwd", "../root-2/a", "a/../b", "..", "out", "out/a", "C:/a", "file://a", "..\\a", "a\0b"]
    for name in bad:
        with pytest.raises(ManifestError, match="leads out of"):
            files.below(root, name)


NO_NAMES = ("a\0b", "half \ud800", "not utf-8 \udce9", "new\nline", "x" * 300, "a/" + "\u00e9" * 200)


@pytest.mark.parametrize("name", NO_NAMES)
def test_names_that_no_file_of_a_manifest_can_have_are_refused_in_words_that_print(tmp_path, name):
    with pytest.raises(ManifestError) as error:
        files.below(tmp_path, name)
    str(error.value).encode("utf-8")
    assert "\0" not in str(error.value)
    with pytest.raises(ManifestError, match="no such file"):
        files.read_jsonl(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_outputs_that_no_file_system_can_name(tmp_path):
    for name in ("a\0b", "half \ud800"):
        with pytest.raises(SpatialLLMError, match="can be no file's name") as error:
            files.write_text(tmp_path / name, "x")
        str(error.value).encode("utf-8")
    files.write_text(tmp_path / "not utf-8 \udce9", "x")  # a name that Linux has, if no manifest
    assert [path.name for path in tmp_path.iterdir()] == ["not utf-8 \udce9"]


def test_every_message_prints():
    for kind in (SpatialLLMError, ManifestError):
        assert str(kind("caf\udce9.wav and \ud800 and a\0b")) == "caf\\udce9.wav and \\ud800 and a\\x00b"
    assert str(ManifestError("caf\u00e9 \U0001f3a7\n  two lines")) == "caf\u00e9 \U0001f3a7\n  two lines"
