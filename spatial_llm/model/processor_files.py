"""How the processor of the composite is saved and loaded: with what the model was taught, a seal, and checks against the
model in the same folder."""

from pathlib import Path
from typing import Any, Self

from transformers import GenerationConfig, PreTrainedConfig
from transformers.processing_utils import ProcessorMixin

from spatial_llm.encoders.folder_files import (
    CONFIG,
    GENERATION,
    PROCESSOR_JSON,
    check_generation,
    exists,
    in_words,
    is_local_folder,
    named,
    read_all_json,
    read_json,
)
from spatial_llm.encoders.seal import PROCESSOR, check_seal, write_seal
from spatial_llm.errors import CheckpointError
from spatial_llm.model.configuration_spatial_llm import SpatialLLMConfig
from spatial_llm.model.joining import check_joined
from spatial_llm.model.taught_file import read_taught, write_taught
from spatial_llm.questions.taught import TaughtQuestions

# Options of `from_pretrained` that locate the files.
HUB_OPTIONS = ("subfolder", "revision", "cache_dir", "token", "force_download", "local_files_only", "proxies")


class ProcessorFiles(ProcessorMixin):
    """Saves and loads the processor.

    Attributes:
        taught: what the model was taught, saved beside the processor (`questions.taught`); None if it is not known.
        window_samples: window of the encoder; None if it is not known.
    """

    taught: TaughtQuestions | None
    window_samples: int | None

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Self:
        """Loads as `ProcessorMixin.from_pretrained`, checking the files before and the whole afterwards.

        Raises:
            CheckpointError: a file is missing or damaged, or is not the one that was saved with the folder; or the processor
                does not fit the model in the same folder (see `spatial_llm.model.joining`).
        """
        folder = Path(pretrained_model_name_or_path, kwargs.get("subfolder") or "")
        if local := is_local_folder(Path(pretrained_model_name_or_path)) and is_local_folder(folder):
            found = read_all_json(folder, PROCESSOR_JSON)
            if not {"processor_config.json", "preprocessor_config.json"} & set(found):
                raise CheckpointError(f"{folder}: no processor_config.json in this folder; save the processor there again.")
        with named(folder), in_words(f"the processor of {pretrained_model_name_or_path}"):
            processor = super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
            processor._read_window(pretrained_model_name_or_path, **kwargs)
            options = {name: kwargs[name] for name in HUB_OPTIONS if name in kwargs}
            processor.taught = read_taught(pretrained_model_name_or_path, **options)
        if local:
            model = read_json(folder / CONFIG).get("model_type") if exists(folder / CONFIG) else None
            if model == SpatialLLMConfig.model_type:
                ends = read_json(folder / GENERATION) if exists(folder / GENERATION) else {}
                check_generation(folder / GENERATION, ends)
                ends = GenerationConfig(eos_token_id=ends.get("eos_token_id"))
                check_joined(SpatialLLMConfig.from_pretrained(folder), processor, str(folder), ends)
            check_seal(folder, PROCESSOR)
        return processor

    def save_pretrained(self, save_directory: Any, *args: Any, **kwargs: Any) -> Any:
        """Saves as `ProcessorMixin.save_pretrained`, and seals the files (see `spatial_llm.encoders.seal`)."""
        written = super().save_pretrained(save_directory, *args, **kwargs)
        write_taught(save_directory, self.taught)
        write_seal(Path(save_directory), PROCESSOR)
        return written

    def _upload_modified_files(self, working_dir: Any, *args: Any, **kwargs: Any) -> Any:
        # save_pretrained(push_to_hub=True) sends the files from inside: the seal of an earlier push must not stay there.
        write_taught(working_dir, self.taught)
        write_seal(Path(working_dir), PROCESSOR)
        return super()._upload_modified_files(working_dir, *args, **kwargs)

    def _read_window(self, folder: Any, **kwargs: Any) -> None:
        """Reads the window from the model beside the processor, if there is one: folders of earlier versions do not contain
        it."""
        if self.window_samples is None:
            options = {name: kwargs[name] for name in HUB_OPTIONS if name in kwargs}
            settings, _ = PreTrainedConfig.get_config_dict(folder, _raise_exceptions_for_missing_entries=False, **options)
            if settings.get("model_type") == SpatialLLMConfig.model_type:
                self.window_samples = SpatialLLMConfig.from_dict(settings).encoder_config.window_samples
