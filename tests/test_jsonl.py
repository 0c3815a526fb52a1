"""JSONL is written whole or not at all, and errors of reading name the line."""

import pytest

from spatial_llm import jsonl
from spatial_llm.errors import ManifestError


def test_a_failed_write_leaves_the_old_file_and_no_temporary(tmp_path):
    target = tmp_path / "a.jsonl"
    jsonl.write_jsonl(target, [{"a": 1}])

    def rows():
        yield {"a": 2}
        raise RuntimeError("stopped half way")

    with pytest.raises(RuntimeError, match="half way"):
        jsonl.write_jsonl(target, rows())
    assert jsonl.read_jsonl(target) == [(1, {"a": 1})]
    assert list(tmp_path.iterdir()) == [target]


def test_bom_crlf_blank_lines_and_no_final_newline_are_read(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\r\n{"a": "\xc3\xa9"}')
    assert jsonl.read_jsonl(path) == [(1, {"a": 1}), (3, {"a": "é"})]


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
        jsonl.read_jsonl(path)
