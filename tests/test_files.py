"""Whole or absent, and JSONL errors that name the line."""

import os
import time

import pytest

from spatial_llm import files
from spatial_llm.errors import ManifestError


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


def test_a_folder_that_became_a_link_leads_out_at_once(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root / "sounds", outside):
        folder.mkdir(parents=True)
    assert files.below(root, "sounds/a.wav") == root / "sounds" / "a.wav"
    (root / "sounds").rmdir()
    (root / "sounds").symlink_to(outside)
    with pytest.raises(ManifestError, match="leads out of"):
        files.below(root, "sounds/a.wav")
    (root / "sounds").unlink()
    (root / "sounds").mkdir()
    assert files.below(root, "sounds/a.wav") == root / "sounds" / "a.wav"
    # the root itself may be reached through a link, and move
    link = tmp_path / "link"
    link.symlink_to(root)
    assert files.below(link, "sounds/a.wav") == link / "sounds" / "a.wav"
    link.unlink()
    link.symlink_to(outside)
    assert files.below(link, "a.wav") == link / "a.wav"


def rewrite(path, content):
    """Other bytes, with the old time of modification."""
    before = os.stat(path)
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_what_a_file_is_now_has_a_stamp_of_its_own(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(1000))
    time.sleep(0.06)
    still = files.file_stamp(path)
    assert files.file_stamp(path) == still and files.content_hash(path) == files.sha256_of(path)
    stamps = {still}
    for number in range(20):  # in place, at once, of the same size and time
        rewrite(path, bytes([number + 1]) * 1000)
        stamps.add(files.file_stamp(path))
        assert files.content_hash(path) == files.sha256_of(path)
    assert len(stamps) == 21
    with pytest.raises(OSError):
        files.file_stamp(tmp_path / "none")


@pytest.mark.parametrize("size", [0, 10, 4 * 2**14, 4 * 2**14 + 1, 10**6])
def test_facts_of_a_file_tell_it_from_one_of_the_same_size_and_time(tmp_path, size):
    path = tmp_path / "a.bin"
    content = bytearray(os.urandom(size))
    path.write_bytes(content)
    facts = files.file_facts(path)
    assert facts == files.file_facts(path) and facts[0] == size
    if size:
        rewrite(path, os.urandom(size))
        assert files.file_facts(path)[:2] == facts[:2] and files.file_facts(path) != facts
        for position in (0, size - 1):  # the first and the last byte
            changed = bytearray(content)
            changed[position] ^= 1
            rewrite(path, changed)
            assert files.file_facts(path) != facts
        rewrite(path, content)
        assert files.file_facts(path) == facts
