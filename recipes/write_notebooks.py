"""Write the tutorials as notebooks with their outputs, beside their sources (`make notebooks`).

    python recipes/write_notebooks.py                                        # all; about twenty minutes on 2 cores
    python recipes/write_notebooks.py --tutorials '[recipes/tutorials/1_ask.py]'

A tutorial is a Python file in the percent format ("# %%"), and the only source: change it, then write its notebook anew. It
runs from its first cell to its last in an empty folder, so that nothing of an earlier run is in its outputs. A cell that
fails ends in an error that names it, and the notebook that was there stays. Needs the extra `dev`.
"""

import base64
import io
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from PIL import Image

from spatial_llm.door import door
from spatial_llm.errors import SpatialLLMError
from spatial_llm.files import write_text
from spatial_llm.settings import parse_arguments

REPOSITORY = Path(__file__).resolve().parents[1]
# Said here, so that a notebook names neither the version nor the environment of whoever wrote it.
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
COLOURS = 64  # of a picture in a notebook; plots need no more, and are a third as large
PICTURE_BYTES = 200_000


@dataclass
class Arguments:
    """Sets which notebooks are written.

    Attributes:
        tutorials: Python files in the percent format; none given: all of recipes/tutorials. Each notebook lies beside its
            source and has its name.
    """

    tutorials: list[str] | None = None


def read_cells(path: Path) -> NotebookNode:
    """The notebook of a tutorial before it has run, with the same identities of cells at every call."""
    notebook = jupytext.read(path, fmt="py:percent")
    notebook.metadata = nbformat.from_dict(METADATA)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata = nbformat.from_dict({"tags": cell.metadata.tags} if "tags" in cell.metadata else {})
    return notebook


def run(notebook: NotebookNode, name: str) -> None:
    """Fills in the outputs; raises SpatialLLMError if a cell fails, with the last line of its error."""
    before = os.environ.get("PYTHONPATH", "")
    with tempfile.TemporaryDirectory() as folder:
        # The kernel is a process of its own, which must find this library from any folder.
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(REPOSITORY), before]))
        client = NotebookClient(notebook, timeout=None, record_timing=False, resources={"metadata": {"path": folder}})
        try:
            client.execute()
        except CellExecutionError as error:
            raise SpatialLLMError(f"{name}: a cell ends in {error.ename}: {error.evalue}") from None
        finally:
            os.environ["PYTHONPATH"] = before
    notebook.metadata = nbformat.from_dict(METADATA)  # the kernel has put its version there
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = tidied(cell.outputs, name)


def tidied(outputs: list[NotebookNode], name: str) -> list[NotebookNode]:
    """What a reader of the outputs needs: what was printed, in one piece, values and small pictures. Left out are progress
    bars and warnings (standard error) and the Trainer's table of progress (HTML), which hold times and paths."""
    kept: list[NotebookNode] = []
    for output in outputs:
        if output.output_type != "stream":
            if "image/png" in output.data:
                output.data = nbformat.from_dict({"image/png": smaller(output.data["image/png"], name)})
            if "text/html" not in output.data:
                kept.append(output)
        elif output.name == "stdout":
            if kept and kept[-1].output_type == "stream":
                kept[-1].text += output.text
            else:
                kept.append(output)
    return kept


def smaller(png: str, name: str) -> str:
    """A picture (PNG in base64) with fewer colours; raises SpatialLLMError if it is still too large for a repository."""
    written = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(png))) as picture:
        picture.convert("RGB").quantize(COLOURS).save(written, format="png", optimize=True)
    if written.tell() > PICTURE_BYTES:
        raise SpatialLLMError(f"{name}: a picture of {written.tell()} bytes, {PICTURE_BYTES} at most; draw it smaller.")
    return base64.b64encode(written.getvalue()).decode() + "\n"


def main(arguments: Arguments) -> None:
    for path in map(Path, arguments.tutorials or sorted((REPOSITORY / "recipes" / "tutorials").glob("*.py"))):
        notebook = read_cells(path)
        run(notebook, str(path))
        write_text(path.with_suffix(".ipynb"), nbformat.writes(notebook) + "\n")
        print(f"written: {path.with_suffix('.ipynb')}")


if __name__ == "__main__":
    with door():
        main(parse_arguments(Arguments, description=__doc__))
