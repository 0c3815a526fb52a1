"""Vectors of all texts of a training run, computed once by a frozen model and kept in a file whose name is a hash.

    <folder>/texts-<hash>.npy       (texts, width) float32
    <folder>/texts-<hash>.sha256    written last; a file without one is computed again

The hash is that of the texts and of the weights of the model, so that runs on the same captions share the file. It is
complete or absent, and a damaged one is refused.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from spatial_llm.errors import CacheError, CheckpointError, SpatialLLMError
from spatial_llm.files import atomic_path, sha256_of, write_text
from spatial_llm.model.fingerprint import fingerprint
from spatial_llm.sentences.embedding import TextEmbedder
from spatial_llm.training.engine.launching import device

MOST_TOKENS = 128  # of a text that a language model reads (AcuLa, arXiv 2512.04847)
BATCH_SIZE = 64
_PACKAGES = ("transformers", "tokenizers", "torch")


def sentence_vectors(texts: Sequence[str], embedder: TextEmbedder, folder: str | Path) -> torch.Tensor:
    """Returns the unit vectors of texts by a sentence encoder, (texts, width) float32."""
    return _kept(texts, ["sentences", embedder.sha256], lambda: embedder(texts), folder)


def hidden_state_vectors(texts: Sequence[str], model: str, layer: int, folder: str | Path) -> torch.Tensor:
    """Returns what a frozen language model holds of texts at one layer: the mean over their tokens, (texts, hidden_size)
    float32.

    Args:
        texts: at most `MOST_TOKENS` tokens of each are read.
        model: folder, or name on the hub, of any `AutoModelForCausalLM` with its tokenizer.
        layer: index of the hidden state: 0 is that of the embeddings, -1 that of the last layer.
        folder: where the vectors are kept.

    Raises:
        SpatialLLMError: the model has no such layer, or is none.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
        network = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval().requires_grad_(False)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"objective.teacher {model}: no language model with its tokenizer could be loaded from there ({error}); give a "
            "folder, or a name on the hub, of a causal language model."
        ) from None
    states = network.config.get_text_config().num_hidden_layers + 1
    if not -states <= layer < states:
        raise SpatialLLMError(f"objective.layer is {layer}; {model} has hidden states {-states} to {states - 1}.")
    made_by = ["language model", fingerprint(network) or model, layer % states, MOST_TOKENS]
    return _kept(texts, made_by, lambda: _read_by(network, tokenizer, texts, layer), folder)


@torch.no_grad()
def _read_by(network: nn.Module, tokenizer: object, texts: Sequence[str], layer: int) -> np.ndarray:
    network.to(device())
    order = sorted(range(len(texts)), key=lambda index: (len(texts[index]), texts[index]))
    vectors = np.zeros((len(texts), network.config.get_text_config().hidden_size), np.float32)
    for start in range(0, len(order), BATCH_SIZE):
        rows = order[start : start + BATCH_SIZE]
        ids = [tokenizer(texts[row], truncation=True, max_length=MOST_TOKENS)["input_ids"] for row in rows]
        longest = max(map(len, ids))
        # Padding stands at the right, where a causal model lets no token before it see it.
        padded = torch.tensor([one + [0] * (longest - len(one)) for one in ids], device=device())
        mask = torch.tensor([[1] * len(one) + [0] * (longest - len(one)) for one in ids], device=device())
        hidden = network(input_ids=padded, attention_mask=mask, output_hidden_states=True).hidden_states[layer].float()
        vectors[rows] = ((hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)).cpu().numpy()
    return vectors


def _kept(texts: Sequence[str], made_by: list, compute: Callable[[], np.ndarray], folder: str | Path) -> torch.Tensor:
    versions = [f"{name} {version(name)}" for name in _PACKAGES]
    key = hashlib.sha256(json.dumps([made_by, versions, list(texts)]).encode()).hexdigest()[:16]
    path = Path(folder) / f"texts-{key}.npy"
    digest = path.with_suffix(".sha256")
    if not digest.is_file() or not path.is_file():
        digest.unlink(missing_ok=True)
        # A model draws random weights before it loads its own; a run that finds the file must begin with the same weights.
        with torch.random.fork_rng(devices=[]):
            vectors = compute().astype(np.float32)
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.save(file, vectors)
        write_text(digest, sha256_of(path))
    elif sha256_of(path) != digest.read_text(encoding="utf-8", errors="replace"):
        raise CacheError(f"{path}: damaged, it is not what was written; delete the file, and it is computed anew.")
    return torch.from_numpy(np.load(path, allow_pickle=False))
