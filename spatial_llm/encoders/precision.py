"""`KeptInFloat32`: modules whose tensors stay in float32 where the rest of a model is cast to half precision.

Running statistics of cues and cosine heads exceed the range or the resolution of float16 and bfloat16. Loading finds them by
`_keep_in_fp32_modules_strict`; `.to(dtype)`, `.half()` and `.bfloat16()` call `_apply`, which is overridden here.
"""

import re
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
            # The same call may also move to a device, which is followed; only the dtype is ignored.
            return tensor.to(moved.device) if moved.dtype in HALF and tensor.dtype not in HALF else moved

        return super()._apply(kept, *args, **kwargs)


def within(part: str, pattern: str) -> str:
    """Converts a regular expression over the tensor names of `part`, a path of modules, to one over the names of the whole
    that matches only there."""
    # No "*": transformers reads it as ".*" wherever it stands.
    return rf"^{re.escape(part)}\.{pattern[1:]}" if pattern.startswith("^") else rf"^{re.escape(part)}\.(?:.+)?(?:{pattern})"
