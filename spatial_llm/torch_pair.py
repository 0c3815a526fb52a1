"""Checks that the installed torch and torchaudio can be loaded together.

The compiled part of torchaudio works with some releases of torch only, and its requirements do not state which: 2.11.1 asks
for torch 2.11 and needs 2.13. With another torch its loader stops at an undefined symbol, and so do the parts of
transformers that import torchaudio. `auto_classes` runs this check when transformers is imported, so that such a pair ends
in one sentence.
"""

from importlib import metadata

CPU_BUILDS = "https://download.pytorch.org/whl/cpu"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _ranges() -> list[str]:
    """Returns this package's requirements for torch and torchaudio, as pip takes them; bare names if it is not installed."""
    try:
        required = metadata.requires("spatial-llm") or []
    except metadata.PackageNotFoundError:
        required = []
    found = [line for line in required if line.startswith("torch") and "torchlibrosa" not in line and ";" not in line]
    return found or ["torch", "torchaudio"]


def check_torch_pair() -> None:
    """Loads torch and torchaudio.

    Raises:
        ImportError: one of them cannot be loaded; both versions and the command that installs a fitting pair are named.
    """
    try:
        import torch  # noqa: F401
        import torchaudio  # noqa: F401
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        command = "python -m pip install --upgrade " + " ".join(f"'{line}'" for line in _ranges())
        cause = error.__cause__ or error  # torch wraps the loader's own message, which names the symbol
        reason = (str(cause).strip() or type(cause).__name__).splitlines()[0]
        if "+cpu" in _version("torch"):  # torchaudio from PyPI is built for CUDA and looks for its libraries
            command += f" --index-url {CPU_BUILDS}"
        raise ImportError(
            f"torch {_version('torch')} and torchaudio {_version('torchaudio')} cannot be loaded together ({reason}); "
            f"install a pair that fits: {command}"
        ) from None
