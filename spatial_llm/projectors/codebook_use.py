"""How the codes of a residual quantiser are used, and how much they keep."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

USED_SHARE = 0.01


@dataclass(frozen=True)
class CodebookUse:
    """Use and error on some recordings.

    Attributes:
        perplexity: for each level, exp of the entropy of the shares of its codes: the number of codes that an even use of
            the same entropy would have, from 1 to the size of the code book.
        used: for each level, the share of codes that are used at least a hundredth as often as in an even use.
        errors: squared error of what the first level, the first two, ... give back, divided by the variance of the
            positions: 0 keeps all, 1 keeps as little as their mean.
    """

    perplexity: tuple[float, ...]
    used: tuple[float, ...]
    errors: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """Returns the numbers as lists, for JSON."""
        return {name: list(values) for name, values in asdict(self).items()}


def codebook_use(counts: torch.Tensor, errors: Sequence[float]) -> CodebookUse:
    """Returns the use of codes.

    Args:
        counts: how often each code of each level occurs, as counts or shares (levels, codes).
        errors: as `CodebookUse.errors`.
    """
    shares = counts.double() / counts.double().sum(-1, keepdim=True)
    perplexity = torch.special.entr(shares).sum(-1).exp()
    used = (shares >= USED_SHARE / shares.shape[-1]).double().mean(-1)
    return CodebookUse(tuple(perplexity.tolist()), tuple(used.tolist()), tuple(errors))


def relative_error(positions: torch.Tensor, rebuilt: torch.Tensor) -> torch.Tensor:
    """Returns (), the squared error of `rebuilt` divided by the variance of `positions`, both (..., channels)."""
    flat = positions.double().flatten(0, -2)
    error = (flat - rebuilt.double().flatten(0, -2)).square().sum()
    return error / (flat - flat.mean(0)).square().sum()
