"""`KeptInFloat32`: modules whose tensors stay in float32 where the rest of a model is cast to half precision.

Running statistics of cues and cosine heads leave the range or the resolution of float16 and bfloat16. Loading knows them by
`_keep_in_fp32_modules_strict`; `.to(dtype)`, `.half()` and `.bfloat16()` pass through `_apply`, which is overridden here.
"""

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import nn

HALF = (torch.float16, torch.bfloat16)


class KeptInFloat32(nn.Module):
    """Its own tensors and those of its submodules follow a cast to float32 or float64, but none to half precision."""

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], *args: Any, **kwargs: Any) -> Self:
        def kept(tensor: torch.Tensor) -> torch.Tensor:
            moved = fn(tensor)
            # A device may be asked for in the same call; only the dtype is not followed.
            return tensor.to(moved.device) if moved.dtype in HALF and tensor.dtype not in HALF else moved

        return super()._apply(kept, *args, **kwargs)
