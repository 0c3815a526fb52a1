"""Measures whether the model knows when it does not know: accuracy, truthfulness and reliability with refusals, and how a
treatment (fine-tuning, a prompt) changed the refusals.

An item is right, wrong or refused ("I cannot tell"). A refusal is neither right nor wrong. Note: the Reliability Gain Index
divides two shares, of which the lower is often 0, so half an item is added on either side: (refused + 1/2) / (items + 1).
The counts are reported with it. Source: Ma et al., "Towards Reliable Large Audio Language Model" (arXiv 2505.19294).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatial_llm.errors import SpatialLLMError
from spatial_llm.evaluation.statistics import weighted
from spatial_llm.evaluation.statistics.bootstrap import Statistic, mean_of

RULES = {
    "accuracy": "share of all items that is right",
    "truthfulness": "share of all items that is not wrong: right or refused",
    "rejection_rate": "share of all items that is refused (r)",
    "reliability": "r * accuracy + (1 - r) * truthfulness",
}
RGI_RULE = (
    "log10(DeltaHum / DeltaCon): DeltaHum, share of the items wrong before that are refused after; DeltaCon, share of "
    "those right before that are refused after; each with half an item added on either side. Above 0: refusals fall on "
    "what the model did not know."
)


@dataclass(frozen=True)
class RefusalCounts:
    """Counts the items that were right or wrong before, and how many of each are refused after."""

    right_before: int
    right_now_refused: int
    wrong_before: int
    wrong_now_refused: int


def reliability_statistics(right: ArrayLike, refused: ArrayLike) -> dict[str, Statistic]:
    """Returns the measures of `RULES`, each in [0, 1].

    Args:
        right: (items,) bool or 0 and 1; ignored where the item is refused.
        refused: (items,) bool.

    Raises:
        SpatialLLMError: a value is neither 0 nor 1, or the arrays differ in length.
    """
    right, refused = _states(right, refused)
    return {
        "accuracy": mean_of(right),
        "truthfulness": mean_of(right + refused),
        "rejection_rate": mean_of(refused),
        "reliability": Statistic(_reliability, right, refused),
    }


def reliability_gain(
    right_before: ArrayLike, refused_before: ArrayLike, refused_after: ArrayLike
) -> tuple[Statistic, RefusalCounts]:
    """Returns the Reliability Gain Index of a model after a treatment against itself before, and the counts it is computed
    from.

    It is NaN if nothing was right or nothing was wrong before, because one of the shares does not exist; and if none of
    these items is refused after, because only the added halves would count. Items that were refused before are ignored.

    Args:
        right_before, refused_before: (items,) as in `reliability_statistics`.
        refused_after: (items,) of the same items.
    """
    right, refused = _states(right_before, refused_before)
    after = _states(refused_after, np.zeros(len(right)))[0]
    wrong = 1.0 - right - refused
    counts = RefusalCounts(*(int(group.sum()) for group in (right, right * after, wrong, wrong * after)))
    return Statistic(_gain, right, right * after, wrong, wrong * after), counts


def _reliability(right: NDArray, refused: NDArray) -> weighted.Weighted:
    of_right, of_refused = weighted.ratio(right, np.ones(len(right))), weighted.ratio(refused, np.ones(len(right)))

    def value(weights: NDArray) -> NDArray:
        accuracy, rejection = of_right(weights), of_refused(weights)
        return rejection * accuracy + (1.0 - rejection) * (accuracy + rejection)

    return value


def _gain(right: NDArray, right_refused: NDArray, wrong: NDArray, wrong_refused: NDArray) -> weighted.Weighted:
    def value(weights: NDArray) -> NDArray:
        sums = weights @ np.stack([right, right_refused, wrong, wrong_refused], axis=1)
        conservative, humble = ((sums[:, i + 1] + 0.5) / (sums[:, i] + 1.0) for i in (0, 2))
        defined = (sums[:, 0] > 0) & (sums[:, 2] > 0) & (sums[:, 1] + sums[:, 3] > 0)
        return np.where(defined, np.log10(humble / conservative), np.nan)

    return value


def _states(right: ArrayLike, refused: ArrayLike) -> tuple[NDArray, NDArray]:
    right, refused = np.asarray(right, dtype=np.float64), np.asarray(refused, dtype=np.float64)
    if right.shape != refused.shape or right.ndim != 1:
        raise SpatialLLMError(f"right has shape {right.shape}, refused {refused.shape}; expected (items,) of both.")
    if not (np.isin(right, (0.0, 1.0)).all() and np.isin(refused, (0.0, 1.0)).all()):
        raise SpatialLLMError("right and refused hold other values than 0 and 1; leave out items without a verdict.")
    return right * (1.0 - refused), refused
