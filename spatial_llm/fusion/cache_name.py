"""Accepts both of transformers' names for the keys and values of earlier tokens: `past_key_values` until 5.23, `cache` since
5.24."""

import inspect
import warnings
from typing import Any

from transformers import GenerationMixin

from spatial_llm.errors import SpatialLLMError

_NAMED = inspect.signature(GenerationMixin.prepare_inputs_for_generation).parameters
CACHE = "cache" if "cache" in _NAMED else "past_key_values"


def one_cache(cache: Any, past_key_values: Any) -> Any:
    """Returns the one of the two that was given, or None; warns about the old name if the new one exists.

    Raises:
        SpatialLLMError: both were given.
    """
    if cache is not None and past_key_values is not None:
        raise SpatialLLMError("the cache was given twice, as cache and as past_key_values; give one of them.")
    if past_key_values is not None and CACHE == "cache":
        warnings.warn("`past_key_values` is deprecated. Use `cache` instead.", FutureWarning, stacklevel=3)
    return past_key_values if cache is None else cache
