"""The file of a saved model that says what it was taught."""

import os
from pathlib import Path
from typing import Any

from transformers.utils import cached_file

from spatial_llm.encoders.folder_files import PROCESSOR_JSON, read_json
from spatial_llm.files import write_text
from spatial_llm.questions.taught import TAUGHT, TaughtQuestions, taught_from_dict


def read_taught(folder: str | os.PathLike, **options: Any) -> TaughtQuestions | None:
    """Returns what the model in a folder, or on the hub, was taught; None if it is not recorded there.

    Args:
        folder: as of `from_pretrained`.
        options: of transformers, that locate the files.

    Raises:
        CheckpointError: the file is damaged, or of a later version.
    """
    path = cached_file(folder, TAUGHT, _raise_exceptions_for_missing_entries=False, **options)
    return None if path is None else taught_from_dict(read_json(Path(path), PROCESSOR_JSON[TAUGHT]), str(path))


def write_taught(folder: str | os.PathLike, taught: TaughtQuestions | None) -> None:
    """Writes the file; None removes that of the model that was saved in this folder before."""
    if taught is None:
        Path(folder, TAUGHT).unlink(missing_ok=True)
    else:
        write_text(Path(folder, TAUGHT), taught.to_text())
