"""Vectors of texts kept on disk between two scorings, so that scoring the same answers again embeds nothing.

What is kept is the answer to one whole request. A vector's last bits depend on the texts that share its batch (padding); if
vectors were kept text by text, a score would depend on what was scored before it.
"""

import contextlib
import hashlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spatial_llm.errors import OutputError
from spatial_llm.files import atomic_path
from spatial_llm.user_cache import cache_folder, touch, trim

MOST_BYTES = 2**30  # of all files; those used longest ago go first
_DIGEST_BYTES = 32  # of the SHA-256 that a file begins with


class KeptVectors:
    """Answers requests for the vectors of texts from files, and others by `embed`, whose answers it keeps.

    Processes may share the folder: a file is whole or absent, and a damaged one is noticed by its hash and computed anew.

    Args:
        embed: texts to vectors (texts, width).
        model: whatever the vectors depend on besides the texts: the hash of the weights, versions.
    """

    def __init__(self, embed: Callable[[Sequence[str]], NDArray[np.float32]], model: str) -> None:
        self._embed, self._model = embed, model

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns vectors, float32 (texts, width), in the order given."""
        digest = hashlib.sha256(self._model.encode())
        for text in texts:
            written = text.encode("utf-8", "surrogatepass")
            digest.update(len(written).to_bytes(8, "big") + written)
        path = cache_folder("vectors") / f"{digest.hexdigest()}.vectors"
        if (vectors := _read(path, len(texts))) is None:
            vectors = self._embed(texts)
            with contextlib.suppress(OutputError):  # no room: not kept
                _write(path, vectors)
                trim(path.parent, MOST_BYTES, path.suffix, keep=path)
        touch(path)
        return vectors


def _read(path: Path, rows: int) -> NDArray[np.float32] | None:
    """Returns the vectors of a file; None if it is not there or not as it was written."""
    try:
        content = path.read_bytes()
        if hashlib.sha256(content[_DIGEST_BYTES:]).digest() != content[:_DIGEST_BYTES]:
            return None
        vectors = np.load(io.BytesIO(content[_DIGEST_BYTES:]), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return vectors if vectors.shape[:1] == (rows,) else None


def _write(path: Path, vectors: NDArray[np.float32]) -> None:
    content = io.BytesIO()
    np.save(content, vectors)
    with atomic_path(path) as temporary:
        temporary.write_bytes(hashlib.sha256(content.getvalue()).digest() + content.getvalue())
