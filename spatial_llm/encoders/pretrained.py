"""`CheckedPreTrainedModel`: loading that fails when weights are missing, left over, or not finite.

transformers reports such gaps in a log line and returns the model, half of it random (reliability row M5: silently
wrong). Here they are errors, unless the caller asks for the report itself with ``output_loading_info=True``.
"""

from typing import Any

import torch
from transformers import PreTrainedModel

from spatial_llm.errors import CheckpointError, SpatialLLMError


class CheckedPreTrainedModel(PreTrainedModel):
    """A `PreTrainedModel` whose `from_pretrained` never returns a half-loaded model."""

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: Any,
        *args: Any,
        output_loading_info: bool = False,
        ignore_mismatched_sizes: bool = False,
        **kwargs: Any,
    ) -> Any:
        """As `PreTrainedModel.from_pretrained`, then checked.

        Args:
            output_loading_info: return (model, report); of the checks below only that of shapes is made, the caller
                inspects the report.

        Raises:
            CheckpointError: a tensor is missing, left over, of another shape or not finite; all are named. Not checked
                where the caller asked for a fresh model (path None) or for tensors of other shapes to be skipped
                (``ignore_mismatched_sizes=True``).
        """
        one_dtype(kwargs)
        # transformers itself raises on other shapes, but names the tensors in its log only: let them pass, and raise here.
        model, info = super().from_pretrained(
            pretrained_model_name_or_path, *args, output_loading_info=True, ignore_mismatched_sizes=True, **kwargs
        )
        what = f"{cls.__name__} from {pretrained_model_name_or_path}"
        if not ignore_mismatched_sizes:
            shapes = [f"{key} is {tuple(given)}, expected {tuple(wanted)}" for key, given, wanted in info["mismatched_keys"]]
            raise_on_gaps(what, mismatched=shapes)
        if output_loading_info:
            return model, info
        if pretrained_model_name_or_path is not None and not ignore_mismatched_sizes:
            raise_on_gaps(
                what,
                missing=info["missing_keys"],
                unexpected=info["unexpected_keys"],
                not_finite=not_finite_tensors(model),
            )
        return model


def one_dtype(options: dict[str, Any]) -> None:
    """Puts what `torch_dtype`, transformers' earlier name, asks for under `dtype`, in place.

    Raises:
        SpatialLLMError: both were given, and they differ.
    """
    earlier, dtype = options.pop("torch_dtype", None), options.get("dtype")
    if earlier is None:
        return
    if dtype is not None and str(dtype).removeprefix("torch.") != str(earlier).removeprefix("torch."):
        raise SpatialLLMError(f"dtype is {dtype} and torch_dtype, its earlier name, {earlier}; give dtype alone.")
    options["dtype"] = earlier


def not_finite_tensors(model: torch.nn.Module) -> list[str]:
    """Names of parameters and persistent buffers that hold a NaN or an infinity."""
    return [
        name
        for name, tensor in model.state_dict().items()
        if tensor.is_floating_point() and tensor.device.type != "meta" and not torch.isfinite(tensor).all()
    ]


def raise_on_gaps(what: str, **gaps: Any) -> None:
    """Raises CheckpointError naming the tensors of every kind of gap that is not empty."""
    found = {kind.replace("_", " "): sorted(names) for kind, names in gaps.items() if names}
    if found:
        listed = "; ".join(f"{kind}: {_listed(names)}" for kind, names in found.items())
        raise CheckpointError(
            f"{what}: the file does not fit the model. {listed}. Expected exactly the model's tensors, all finite: "
            "is it the right file, of the right size, and whole?"
        )


def _listed(names: list[Any], most: int = 8) -> str:
    text = ", ".join(str(name) for name in names[:most])
    return f"{text} and {len(names) - most} more" if len(names) > most else text
