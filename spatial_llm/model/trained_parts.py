"""Decides which modules of the composite train, are saved and are loaded: the only place that knows.

They are the projector, what a fusion trains beside it, and what was added inside the language model: LoRA's matrices, which
peft puts beside the layers that they adapt, and every `AddedModule`. Freezing, both saved forms, fingerprints, the memory
plan and the table of what trains call this module instead of matching names.
"""

from torch import Tensor, nn

from spatial_llm.fusion.added_module import AddedModule
from spatial_llm.model.adapters import lora_layers

LANGUAGE_MODEL = "language_model"


def added_modules(language_model: nn.Module) -> dict[str, nn.Module]:
    """Returns the modules added inside `language_model`, by name in it: LoRA's parts (not the layer they adapt) and
    `AddedModule`s."""
    added = {
        f"{name}.{child}": part
        for name, layer in lora_layers(language_model).items()
        for child, part in layer.named_children()
        if part is not layer.get_base_layer()
    }
    return added | {name: one for name, one in language_model.named_modules() if isinstance(one, AddedModule)}


def kind(part: nn.Module) -> str:
    """Returns the name of an added module in the table of what trains."""
    return type(part).__name__ if isinstance(part, AddedModule) else "LoRA"


def base_state(module: nn.Module) -> dict[str, Tensor]:
    """Returns the state dict that `module` had before anything was added inside it, under the names of that time."""
    added = tuple(f"{name}." for name in added_modules(module))
    layers = {f"{name}.base_layer.": f"{name}." for name in lora_layers(module)}

    def before(name: str) -> str:
        owner, wrapped, rest = name.rpartition(".base_layer.")
        return layers.get(owner + wrapped, owner + wrapped) + rest

    return {before(name): tensor for name, tensor in module.state_dict().items() if not name.startswith(added)}


def trained_keys(model: nn.Module) -> set[str]:
    """Returns the names, in the state dict of a composite, of all tensors to train, with the buffers of those parts."""
    parts = tuple(f"{name}." for name in model.trained_parts())
    return {key for key in model.state_dict() if key.startswith(parts)}
