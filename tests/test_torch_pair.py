"""A torch and a torchaudio that do not load together end in one sentence, before transformers is reached."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from spatial_llm.torch_pair import check_torch_pair

REPOSITORY = Path(__file__).resolve().parents[1]
SYMBOL = "libtorchaudio.so: undefined symbol: torch_exception_get_what_without_backtrace"


# Any name that somebody takes from it says so; importing it is what starts the check.
REACHED = "def __getattr__(name):\n    raise SystemExit('transformers was reached')\n"


def import_beside(folder: Path) -> subprocess.CompletedProcess:
    """Imports the package in a process that finds the stand-ins in `folder` before the real packages."""
    path = f"import sys; sys.path[:0] = [{str(folder)!r}, {str(REPOSITORY)!r}]; "
    return subprocess.run(
        [sys.executable, "-c", path + "import spatial_llm; spatial_llm.SpatialLLM"],
        capture_output=True,
        text=True,
        cwd=folder,
    )


def stand_in(folder: Path, package: str, version: str, body: str) -> None:
    (folder / package).mkdir()
    (folder / package / "__init__.py").write_text(body)
    (folder / f"{package}-{version}.dist-info").mkdir()
    (folder / f"{package}-{version}.dist-info" / "METADATA").write_text(f"Name: {package}\nVersion: {version}\n")


@pytest.mark.parametrize(
    "error", [f"OSError({SYMBOL!r})", f"ImportError({SYMBOL!r})", f"OSError('Could not load it') from OSError({SYMBOL!r})"]
)
def test_a_pair_that_does_not_load_ends_in_one_sentence(tmp_path, error):
    stand_in(tmp_path, "torchaudio", "2.11.0", f"raise {error}\n")
    stand_in(tmp_path, "transformers", "0", REACHED)
    stand_in(tmp_path, "torch", "2.14.1", "")
    ran = import_beside(tmp_path)
    last = ran.stderr.strip().splitlines()[-1]
    assert ran.returncode == 1 and "reached" not in ran.stderr + ran.stdout
    assert last.startswith(f"ImportError: torch 2.14.1 and torchaudio 2.11.0 cannot be loaded together ({SYMBOL}); install")
    assert "python -m pip install --upgrade 'torch" in last and "'torchaudio" in last and "torchlibrosa" not in last
    assert SYMBOL not in "".join(ran.stderr.splitlines()[:-1]), "the loader's own traceback is left out"


def test_a_cpu_build_is_sent_to_the_index_of_cpu_builds(tmp_path):
    """torchaudio from PyPI looks for CUDA's libraries, which a CPU build of torch does not bring."""
    stand_in(tmp_path, "torchaudio", "2.11.1", "raise OSError('libc10_cuda.so: cannot open shared object file')\n")
    stand_in(tmp_path, "torch", "2.13.0+cpu", "")
    assert import_beside(tmp_path).stderr.strip().endswith("--index-url https://download.pytorch.org/whl/cpu")


def test_the_pair_of_this_environment_loads():
    check_torch_pair()
    assert sys.modules["torch"].__version__.split("+")[0] == metadata.version("torch").split("+")[0]
