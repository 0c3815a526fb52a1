"""Which answers of held-out pairs a model prefers, before and after training, by kind of pair."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from spatial_llm.data.preference.dataset import PairDataset
from spatial_llm.files import write_json
from spatial_llm.training.engine.batches import SeededBatches
from spatial_llm.training.preference.reference import PairLogProbs, log_probs_of

HELD_OUT = "held_out_pairs.json"
RESAMPLINGS = 1000


def held_out_log_probs(
    model: nn.Module, dataset: PairDataset, collate: Callable, batch_size: int, precision: str
) -> PairLogProbs:
    """Returns the log-probabilities of the answers of pairs under a model, in the order of the file."""
    found, keys = PairLogProbs(len(dataset)), [(0, index, index) for index in range(len(dataset))]
    batches = SeededBatches(dataset, collate, seed=0)
    parts = [keys[start : start + batch_size] for start in range(0, len(keys), batch_size)]
    for pairs, sums, tokens in log_probs_of(model, batches, parts, precision, "held-out pairs"):
        found.put(pairs, sums, tokens)
    return found


def compared(
    dataset: PairDataset, before: PairLogProbs, after: PairLogProbs, length_normalised: bool, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Returns for each kind of pair, and for "all": the number of pairs and recordings, the share of pairs of which the
    chosen answer is the likelier one `before` and `after`, and the mean `margin` with an interval of 95 %.

    The interval is a bootstrap over recordings: pairs about one recording are not independent.

    Args:
        dataset: the pairs.
        before, after: under the model before and after.
        length_normalised: whether answers are compared by the mean over their tokens.
        seed: of the bootstrap.
    """
    everything = torch.arange(len(dataset))
    first, second = (each.values(everything, length_normalised).double().numpy() for each in (before, after))
    margins = (second[:, 0] - first[:, 0]) - (second[:, 1] - first[:, 1])
    recordings = np.array([dataset.records[row].recording_id for row in range(len(dataset))])
    kinds = np.array(dataset.pairs.kinds)
    found = {}
    for kind in [*dict.fromkeys(dataset.pairs.kinds), "all"]:
        rows = np.arange(len(kinds)) if kind == "all" else np.flatnonzero(kinds == kind)
        low, high = _interval(margins[rows], recordings[rows], seed)
        found[kind] = {
            "pairs": len(rows),
            "recordings": len(set(recordings[rows])),
            "before": float((first[rows, 0] > first[rows, 1]).mean()),
            "after": float((second[rows, 0] > second[rows, 1]).mean()),
            "margin": float(margins[rows].mean()),
            "margin_low": low,
            "margin_high": high,
        }
    return found


def _interval(values: np.ndarray, groups: np.ndarray, seed: int) -> tuple[float, float]:
    """Returns the middle 95 % of the mean when groups are drawn with replacement."""
    _, index = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(index, values), np.bincount(index)
    drawn = np.random.default_rng(seed).integers(len(sums), size=(RESAMPLINGS, len(sums)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def write_held_out(folder: Path, found: dict[str, dict[str, Any]]) -> str:
    """Writes a comparison into the run folder, and returns it as a table."""
    write_json(folder / HELD_OUT, found)
    lines = [f"{'held-out pairs':<22} {'pairs':>6} {'recordings':>10} {'before %':>9} {'after %':>8}  margin (95 %)"]
    for kind, one in found.items():
        lines.append(
            f"{kind:<22} {one['pairs']:>6} {one['recordings']:>10} {100 * one['before']:>9.1f} {100 * one['after']:>8.1f}  "
            f"{one['margin']:.3f} ({one['margin_low']:.3f} to {one['margin_high']:.3f})"
        )
    return "\n".join(lines)
