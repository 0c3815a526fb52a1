"""The command line shows what this library says, and not the progress bars and advice of the libraries below it."""

import os
import warnings

# Read when transformers, huggingface_hub and datasets are imported; what a user has set stays.
_SETTINGS = {
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "HF_HUB_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",  # the bar "Loading weights" of transformers too
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",  # otherwise a warning at every fork
}


def quiet_libraries() -> None:
    """Sets the environment of this process and its children, and drops what other libraries say to their programmers; called
    before transformers is imported."""
    warnings.simplefilter("ignore", FutureWarning)
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
