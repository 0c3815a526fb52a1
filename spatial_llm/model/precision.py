"""Restricts options about precision to the part they belong to: float32 modules of one part do not affect the others, and
only the language model's own layers are loaded in 4 or 8 bits.

Encoder and projector are small beside the language model, LoRA's matrices and the modules of a fusion train, and the output
layer keeps its precision if the caller names no modules, as in transformers.
"""

import copy
from typing import Any

from spatial_llm.fusion.added_module import ADDED

SKIPPED = ("encoder", "projector", "fusion_modules", r".*\.lora_[AB]", rf".*\.{ADDED}")
OUTPUT = r".*\.(?:lm_head|embed_out)"
# Names, in the kinds of quantization config, of the list of modules that stay unquantised.
_LISTS = ("llm_int8_skip_modules", "modules_to_not_convert")


def spare_ours(quantization: Any) -> Any:
    """Returns a copy of a quantization config (object or dictionary) that quantises only the language model's own layers.

    A config of a kind without such a list is returned unchanged.
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
