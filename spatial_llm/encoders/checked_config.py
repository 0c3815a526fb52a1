"""`CheckedConfig`: a config that cannot be read from its folder fails with a sentence, unlike transformers' own."""

import os
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig

from spatial_llm.encoders.folder_files import CONFIG, exists, in_words, named, read_json
from spatial_llm.encoders.seal import renew
from spatial_llm.errors import SpatialLLMError


class CheckedConfig(PreTrainedConfig):
    """A `PreTrainedConfig` that refuses bad files and fields with a CheckpointError naming the file or the field."""

    @classmethod
    def get_config_dict(cls, pretrained_model_name_or_path: Any, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Checks the file, then does as `PreTrainedConfig.get_config_dict`."""
        if isinstance(pretrained_model_name_or_path, str | os.PathLike):
            folder = Path(pretrained_model_name_or_path, kwargs.get("subfolder") or "")
            if exists(folder / CONFIG):
                read_json(folder / CONFIG)
        with in_words(f"the config of {pretrained_model_name_or_path}"):
            return super().get_config_dict(pretrained_model_name_or_path, **kwargs)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        """Does as `PreTrainedConfig.from_pretrained`."""
        folder = Path(pretrained_model_name_or_path, kwargs.get("subfolder") or "")
        with named(folder / CONFIG if os.path.isdir(folder) else folder):
            return super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """Does as `PreTrainedConfig.from_dict`."""
        name = kwargs.get("name_or_path") or None
        with named(name), in_words(f"the config of a {cls.model_type}"):
            return super().from_dict(config_dict, **kwargs)

    def save_pretrained(self, save_directory: Any, *args: Any, **kwargs: Any) -> Any:
        """Does as `PreTrainedConfig.save_pretrained`, and renews the file in a seal that lists it."""
        saved = super().save_pretrained(save_directory, *args, **kwargs)
        renew(Path(save_directory), CONFIG)
        return saved


def check_counts(config: PreTrainedConfig, *names: str) -> None:
    """Raises SpatialLLMError naming the first of the fields that is no whole number of at least 1."""
    for name in names:
        value = getattr(config, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise SpatialLLMError(f"{name} is {value!r}; expected a whole number of at least 1.")


def check_numbers(config: PreTrainedConfig, low: float, high: float, *names: str) -> None:
    """Raises SpatialLLMError naming the first of the fields that is below `low`, or not below `high`."""
    for name in names:
        value = getattr(config, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value < high:
            raise SpatialLLMError(f"{name} is {value!r}; expected a number of at least {low:g} and below {high:g}.")
