"""Log-probabilities of the answers of pairs under the model that a run starts from, computed once and kept on disk.

A copy of the model is not needed, and adapters need not be switched off, which would leave the trained projector in place.
The passes have the batches of the first epoch, so that at step 0 the margins are exactly 0: the same sums, bit for bit.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn
from tqdm import tqdm

from spatial_llm.data.preference.dataset import PairDataset
from spatial_llm.errors import CacheError
from spatial_llm.files import atomic_path
from spatial_llm.training.engine.batches import EpochOrder, Key, SeededBatches
from spatial_llm.training.engine.launching import device, processes, rank, wait_for_all
from spatial_llm.training.preference.answer_log_probs import answer_log_probs, autocast, heard_once, without_dropout

LAYOUT = 1  # increased when the same model and pairs would give other numbers


class PairLogProbs:
    """Holds the log-probabilities of both answers of pairs.

    Attributes:
        sums: (pairs, 2) float32, of the chosen and of the rejected answer.
        tokens: (pairs, 2) int64, their number, EOS included.
    """

    def __init__(self, pairs: int) -> None:
        self.sums = torch.full((pairs, 2), torch.nan)
        self.tokens = torch.zeros(pairs, 2, dtype=torch.long)

    def put(self, pairs: torch.Tensor, sums: torch.Tensor, tokens: torch.Tensor) -> None:
        """Stores those of some pairs: (pairs,) indices, (pairs, 2) each."""
        self.sums[pairs], self.tokens[pairs] = sums.float().cpu(), tokens.cpu()

    def values(self, pairs: torch.Tensor, length_normalised: bool) -> torch.Tensor:
        """Returns sums, or means of a token, of some pairs (pairs, 2)."""
        pairs = pairs.cpu()
        return self.sums[pairs] / self.tokens[pairs].clamp(min=1) if length_normalised else self.sums[pairs]


def epoch_batches(size: int, batch_size: int, seed: int) -> list[list[Key]]:
    """Returns the keys of the batches of the first epoch of a run, of all processes in order."""
    keys = list(EpochOrder(size, seed))
    return [keys[start : start + batch_size] for start in range(0, size, batch_size)]


def log_probs_of(
    model: nn.Module, batches: SeededBatches, keys: Sequence[list[Key]], precision: str, title: str
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Yields (indices, sums, tokens) of batches of pairs: (pairs,), (pairs, 2), (pairs, 2). The model is moved to the device
    of this process, and computes as in a training step.

    Args:
        model: the composite.
        batches: of a `PairDataset`.
        keys: of each batch.
        precision: of the run.
        title: of the progress bar.
    """
    model.to(device())
    for batch_keys in tqdm(keys, desc=title, unit="batch", disable=rank() > 0):
        batch = {name: value.to(device()) for name, value in batches.__getitems__(batch_keys).items()}
        without_dropout(model)
        with autocast(model, precision):
            found = answer_log_probs(model, batch, heard_once(model, batch, 2))
        sums, tokens = found.sums.detach(), found.mask.sum(-1)
        yield batch["pairs"], torch.stack(sums.chunk(2), -1), torch.stack(tokens.chunk(2), -1)


def reference_log_probs(
    model: nn.Module,
    model_hash: str,
    dataset: PairDataset,
    collate: Callable,
    folder: str | Path,
    batch_size: int,
    seed: int,
    precision: str,
) -> PairLogProbs:
    """Returns the log-probabilities under the model as it is; read from `folder` if they were computed before.

    Args:
        model: the composite that a run starts from.
        model_hash: of all its weights.
        dataset: the pairs.
        collate: of the run.
        folder: where they are kept, one file for each process, under a hash of model, pairs and batches.
        batch_size, seed, precision: of the run.

    Raises:
        CacheError: the file was made with something else, or is damaged.
    """
    content = hashlib.sha256("".join(dataset.pairs.hashes).encode()).hexdigest()
    made_with = {"layout": LAYOUT, "model": model_hash, "pairs": content, "precision": precision,
                 "batches": [seed, batch_size, processes()]}  # fmt: skip
    name = hashlib.sha256(json.dumps(made_with, sort_keys=True).encode()).hexdigest()[:16]
    found = PairLogProbs(len(dataset))
    keys = epoch_batches(len(dataset), batch_size, seed)
    mine = _file(folder, name, rank())
    if not mine.is_file():
        batches = SeededBatches(dataset, collate, seed)
        rows = list(log_probs_of(model, batches, keys[rank() :: processes()], precision, "reference"))
        columns = [torch.cat(list(column)).cpu() for column in zip(*rows, strict=True)] if rows else []
        _write(mine, dict(zip(("pairs", "sums", "tokens"), columns, strict=False)), made_with)
    wait_for_all()
    for number in range(processes()):
        if keys[number :: processes()]:
            found.put(**_read(_file(folder, name, number), made_with))
    if not torch.isfinite(found.sums).all():
        bad = dataset.sample_id(int((~torch.isfinite(found.sums)).any(-1).nonzero()[0]))
        raise CacheError(f"{folder}: the reference of pair {bad!r} is not finite; look at that record and at the model.")
    return found


def _file(folder: str | Path, name: str, number: int) -> Path:
    return Path(folder) / f"reference-{name}-{number}.safetensors"


def _write(path: Path, tensors: dict[str, torch.Tensor], made_with: dict[str, Any]) -> None:
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    metadata = {"made_with": json.dumps(made_with, sort_keys=True), "digest": _digest(tensors)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def _read(path: Path, made_with: dict[str, Any]) -> dict[str, torch.Tensor]:
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise CacheError(f"{path}: cannot be read ({error}); delete it, and it is computed anew.") from None
    if metadata.get("made_with") != json.dumps(made_with, sort_keys=True):
        raise CacheError(
            f"{path}: holds the reference of another model, of other pairs or of other batches; delete it, and it is "
            "computed anew."
        )
    if metadata.get("digest") != _digest(tensors):
        raise CacheError(f"{path}: is not what was written; delete it, and it is computed anew.")
    return tensors


def _digest(tensors: dict[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].contiguous().numpy().tobytes())
    return digest.hexdigest()
