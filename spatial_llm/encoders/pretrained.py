"""`CheckedPreTrainedModel`: loading fails when files are damaged, or when weights are missing, left over or impossible.

transformers reports such gaps in a log line and returns a model that is partly random and silently wrong. Here they are
errors, unless the caller asks for the report itself with ``output_loading_info=True``.
"""

import os
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import GenerationConfig, PreTrainedConfig, PreTrainedModel

from spatial_llm.encoders.folder_files import (
    ADAPTER,
    CONFIG,
    GENERATION,
    MODEL_JSON,
    check_generation,
    in_words,
    is_local_folder,
    read_all_json,
)
from spatial_llm.encoders.seal import MODEL, check_seal, write_seal
from spatial_llm.encoders.weight_files import check_claims, check_tensors, read_headers, weight_files
from spatial_llm.errors import CheckpointError, SpatialLLMError

# Suffixes of tensors that cannot be below zero, or at zero (False), in a trained model.
_NEVER_NEGATIVE = {"running_var": True, "num_batches_tracked": True, "input_std": False, "_head.scale": False}
PARTS = {"encoder_config": "encoder.", "projector_config": "projector.", "text_config": "language_model."}
_LOADING_ERRORS = (OSError, ValueError, KeyError, SafetensorError, StrictDataclassError, RecursionError)


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
        """Loads as `PreTrainedModel.from_pretrained` does, and checks the files before and the tensors after.

        Args:
            output_loading_info: return (model, report). Of the checks of tensors only that of shapes is then made and no
                seal is compared; the caller inspects the report.

        Raises:
            CheckpointError: a file is damaged, or is not the one that was saved with the folder (see
                `spatial_llm.encoders.seal`); the config claims what the weights do not hold; a tensor is missing, left over,
                of another shape or kind of number, not finite, or negative where that is impossible; all are named. Nothing
                is checked if the caller asked for a fresh model (path None) or for tensors of other shapes to be skipped
                (``ignore_mismatched_sizes=True``).
        """
        one_dtype(kwargs)
        what, files = f"{cls.__name__} from {pretrained_model_name_or_path}", None
        if isinstance(pretrained_model_name_or_path, str | os.PathLike) and not kwargs.get("gguf_file"):
            folder = Path(pretrained_model_name_or_path, kwargs.get("subfolder") or "")
            given = args[0] if args and isinstance(args[0], PreTrainedConfig) else kwargs.get("config")
            strict = not (output_loading_info or ignore_mismatched_sizes or kwargs.get("state_dict"))
            if is_local_folder(Path(pretrained_model_name_or_path)):
                files = check_folder(folder, cls, given, kwargs, tensors=strict)
        # transformers itself raises on other shapes but names the tensors only in its log; let them pass, and raise here.
        with in_words(what, *_LOADING_ERRORS):
            model, info = super().from_pretrained(
                pretrained_model_name_or_path, *args, output_loading_info=True, ignore_mismatched_sizes=True, **kwargs
            )
        # transformers casts these counts with the module that it keeps in float32.
        for module in model.modules():
            count = getattr(module, "num_batches_tracked", None)
            if count is not None and count.is_floating_point() and count.device.type != "meta":
                module.num_batches_tracked = count.long()
        if not ignore_mismatched_sizes:
            shapes = [f"{key} is {tuple(given)}, expected {tuple(wanted)}" for key, given, wanted in info["mismatched_keys"]]
            raise_on_gaps(what, mismatched=shapes)
        if pretrained_model_name_or_path is not None and not (ignore_mismatched_sizes or output_loading_info):
            raise_on_gaps(
                what,
                missing=info["missing_keys"],
                unexpected=info["unexpected_keys"],
                not_finite=not_finite_tensors(model),
                negative=[name for name, tensor in model.state_dict().items() if impossible(name, tensor)],
            )
        # The seal comes last, because a more specific error names the fault better.
        if files is not None and not output_loading_info:
            check_seal(folder, MODEL, files)
        return (model, info) if output_loading_info else model

    def save_pretrained(self, save_directory: Any, is_main_process: bool = True, **kwargs: Any) -> None:
        """Saves as `PreTrainedModel.save_pretrained` does, and seals what it wrote (see `spatial_llm.encoders.seal`).

        Raises:
            CheckpointError: `save_directory` is a file.
        """
        if os.path.isfile(save_directory):
            raise CheckpointError(f"{save_directory} is a file; give a folder to save the model in.")
        super().save_pretrained(save_directory, is_main_process=is_main_process, **kwargs)
        if is_main_process:
            write_seal(Path(save_directory), MODEL)

    def _upload_modified_files(self, working_dir: Any, *args: Any, **kwargs: Any) -> Any:
        # save_pretrained(push_to_hub=True) uploads the files itself; the seal of an earlier push must not stay there.
        write_seal(Path(working_dir), MODEL)
        return super()._upload_modified_files(working_dir, *args, **kwargs)


def check_folder(
    folder: Path, model_class: Any, config: Any, options: dict[str, Any], tensors: bool = True
) -> list[Path] | None:
    """Checks the files that a `from_pretrained` is about to load, if `folder` is a local one, before anything is built.

    Args:
        folder: of a saved model; the name of one on a hub is skipped.
        model_class: the class to load.
        config: the config to build it from, where the caller gives one.
        options: the other arguments of `from_pretrained`.
        tensors: whether the config must fit the weights.

    Returns:
        the files of the weights, or None where there is no folder of that name.

    Raises:
        CheckpointError: see `CheckedPreTrainedModel.from_pretrained`.
    """
    if not is_local_folder(folder):
        return None
    settings = read_settings(folder)
    if CONFIG not in settings:
        if ADAPTER in settings or config is not None:
            return None  # peft's own form, or weights alone: transformers knows what to do
        raise CheckpointError(f"{folder}: no {CONFIG} in this folder; give the folder of a saved model.")
    files = weight_files(folder, options.get("variant"))
    headers = read_headers(files)
    if not tensors or not headers:
        return files
    if config is None:
        config = model_class.config_class.from_pretrained(folder)
    what = str(folder / CONFIG)
    # A base of transformers with parts of its own has them under other names.
    ours = issubclass(model_class, CheckedPreTrainedModel) and getattr(config, "sub_configs", None)
    for part, start in PARTS.items() if ours else ():
        own = {name: header for name, header in headers.items() if name.startswith(start)}
        check_claims(getattr(config, part), own, f"{what}: {part}")
    if not getattr(config, "sub_configs", None):
        check_claims(config, headers, what)
    if not any(hasattr(config, name) for name in options if name not in ("dtype", "torch_dtype", "attn_implementation")):
        check_tensors(model_class, config, headers, what)
    return files


def read_settings(folder: Path) -> dict[str, dict[str, Any]]:
    """Returns the JSON files of a model in `folder`, by name; raises CheckpointError naming one that is damaged or invalid.

    transformers silently skips a generation config that it cannot read.
    """
    settings = read_all_json(folder, MODEL_JSON)
    if GENERATION in settings:
        check_generation(folder / GENERATION, settings[GENERATION])
        with in_words(str(folder / GENERATION)):
            GenerationConfig.from_dict(settings[GENERATION])
    return settings


def one_dtype(options: dict[str, Any]) -> None:
    """Moves `torch_dtype`, transformers' earlier name, to `dtype`, in place.

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
    """Returns the names of parameters and persistent buffers that hold a NaN or an infinity."""
    return [
        name
        for name, tensor in model.state_dict().items()
        if tensor.is_floating_point() and tensor.device.type != "meta" and not torch.isfinite(tensor).all()
    ]


def impossible(name: str, tensor: torch.Tensor) -> bool:
    """Returns whether a statistic has an impossible value: a negative variance or count, or a standard deviation of zero."""
    zero = next((zero for end, zero in _NEVER_NEGATIVE.items() if name.endswith(end)), None)
    if zero is None or tensor.device.type == "meta":
        return False
    return bool((tensor < 0).any() if zero else (tensor <= 0).any())


def same_kind(given: torch.Tensor, wanted: torch.Tensor) -> bool:
    """Returns whether both hold real numbers, or both whole ones; nothing else is cast to a weight or a count."""
    if wanted.is_floating_point():
        return given.is_floating_point()
    return given.dtype == wanted.dtype or not (given.is_floating_point() or given.is_complex() or given.dtype == torch.bool)


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
