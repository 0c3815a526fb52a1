"""Vectors kept on disk: the same bytes, embedded once, nothing taken from a damaged file, bounded."""

import os

import numpy as np
import pytest

from spatial_llm.sentences import kept_vectors
from spatial_llm.sentences.embedding import TextEmbedder
from spatial_llm.sentences.kept_vectors import KeptVectors


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SPATIAL_LLM_CACHE", str(tmp_path))
    return tmp_path / "vectors"


@pytest.fixture
def asked():
    return []


def kept(asked, model="model"):
    def embed(texts):
        asked.append(list(texts))
        return np.array([[len(text), len(asked)] for text in texts], dtype=np.float32)

    return KeptVectors(embed, model)


def test_a_request_is_embedded_once_by_each_model(folder, asked):
    texts = ["bell", "dog", "half a pair \ud800"]
    first = kept(asked)(texts)
    assert np.array_equal(kept(asked)(texts), first) and first.dtype == np.float32 and asked == [texts]
    for others in (["bell", "dog"], ["belld", "og", texts[2]], texts[::-1]):
        kept(asked)(others)
        assert asked[-1] == others
    kept(asked, "another model")(texts)
    assert asked[-1] == texts and len(asked) == 5


@pytest.mark.parametrize("damage", ["cut", "one bit", "empty"])
def test_a_damaged_file_is_noticed_and_computed_anew(folder, asked, damage):
    kept(asked)(["bell"])
    (file,) = folder.iterdir()
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes({"cut": content[:-1], "one bit": content, "empty": b""}[damage])
    again = kept(asked)(["bell"])
    assert len(asked) == 2 and np.array_equal(kept(asked)(["bell"]), again) and len(asked) == 2


def test_files_used_longest_ago_go_when_there_are_too_many(folder, asked, monkeypatch):
    for text in ("one", "two", "three"):
        kept(asked)([text])
        for file in folder.iterdir():
            size = file.stat().st_size
            os.utime(file, ns=(file.stat().st_mtime_ns - 10**9,) * 2)
    kept(asked)(["one"])  # used now
    monkeypatch.setattr(kept_vectors, "MOST_BYTES", 2 * size)
    kept(asked)(["four"])
    asked.clear()
    for text in ("one", "four"):
        kept(asked)([text])
    assert asked == [] and len(list(folder.iterdir())) == 2
    kept(asked)(["two"])
    assert asked == [["two"]]


def test_a_folder_that_cannot_be_written_keeps_nothing_and_answers_all_the_same(tmp_path, monkeypatch, asked):
    monkeypatch.setenv("SPATIAL_LLM_CACHE", str(tmp_path / "file"))
    (tmp_path / "file").write_text("in the way")
    assert kept(asked)(["bell"]).tolist() == [[4, 1]]


def test_the_embedding_model_is_not_loaded_for_texts_that_were_embedded_before(folder, monkeypatch):
    texts = ["a bell rings", "dog", "rain on a roof"]
    first = TextEmbedder()(texts)
    again = TextEmbedder()
    monkeypatch.setattr(TextEmbedder, "_embed", lambda *_: pytest.fail("embedded again"))
    assert np.array_equal(again(texts), first) and "_model" not in vars(again)
