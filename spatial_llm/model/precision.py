"""In which precision the parts of a whole are loaded: what one part keeps in float32 is no matter of the others, and in 4 or
8 bits are the language model's own layers alone.

Encoder and projector are small beside it, LoRA's matrices are what trains, and the output layer stays as it is where the
caller names nothing, as in transformers.
"""

import copy
from typing import Any

SKIPPED = ("encoder", "projector", r".*\.lora_[AB]")
OUTPUT = r".*\.(?:lm_head|embed_out)"
# What the kinds of quantization config call the list of modules that they leave alone.
_LISTS = ("llm_int8_skip_modules", "modules_to_not_convert")


def within(part: str, pattern: str) -> str:
    """A regular expression over the tensor names of `part`, as one over the names of the whole that matches there alone."""
    # No "*": transformers reads it as ".*" wherever it stands.
    return rf"^{part}\.{pattern[1:]}" if pattern.startswith("^") else rf"^{part}\.(?:.+)?(?:{pattern})"


def spare_ours(quantization: Any) -> Any:
    """A copy of a quantization config (object or dictionary) that leaves alone what is not the language model's own.

    A config of a kind that has no such list comes back as it is.
    """
    quantization = copy.deepcopy(quantization)
    if isinstance(quantization, dict):
        name = _LISTS["load_in_4bit" not in quantization and "load_in_8bit" not in quantization]
        quantization[name] = [*(quantization.get(name) or [OUTPUT]), *SKIPPED]
        return quantization
    for name in _LISTS:
        if hasattr(quantization, name):
            setattr(quantization, name, [*(getattr(quantization, name) or [OUTPUT]), *SKIPPED])
    return quantization
