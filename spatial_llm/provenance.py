"""The provenance of a result: seed, versions, git hash and manifest hash.

It holds no times and no absolute paths, so that two equal runs write equal bytes.
"""

import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from spatial_llm.files import sha256_of

PACKAGES = ("spatial-llm", "torch", "torchaudio", "transformers", "peft", "accelerate", "numpy", "sentence-transformers")


def provenance(seed: int | None = None, manifest: str | Path | None = None) -> dict[str, Any]:
    """Returns the provenance that every result file contains.

    Args:
        seed: the seed of the run; None if it draws no random numbers.
        manifest: path of the manifest that the result was made from; the record holds its SHA-256, not its path.
    """
    return {
        "seed": seed,
        "versions": {name: _version(name) for name in PACKAGES},
        "git_hash": git_hash(),
        "manifest_sha256": None if manifest is None else sha256_of(manifest),
    }


def git_hash() -> str | None:
    """Returns the commit of the checkout that this package is imported from, with "+changes" if files differ; None outside
    git."""
    here = Path(__file__).resolve().parent

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(here), *arguments], capture_output=True, text=True, check=False)
        except OSError:
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    head = git("rev-parse", "HEAD")
    # A package installed inside somebody else's repository must not report that repository's commit.
    if head is None or git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None
    return head + ("+changes" if git("status", "--porcelain", "--untracked-files=no") else "")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
