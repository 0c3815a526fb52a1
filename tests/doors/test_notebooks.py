"""The notebooks of the tutorials hold the cells of their sources, were run to the end, and say nothing about the machine."""

import base64
import io
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat import NotebookNode
from PIL import Image

from spatial_llm.errors import SpatialLLMError
from tests.scripts import module_of

FOLDER = Path(__file__).parents[2] / "recipes" / "tutorials"
TUTORIALS = sorted(FOLDER.glob("*.py"))
ADVICE = "run `make notebooks`"
writer = module_of("recipes/write_notebooks.py")
each = pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)

# What differs from machine to machine, or from run to run: folders, addresses of objects, times, progress bars, warnings.
OF_A_MACHINE = re.compile(
    r"(?<![\w./])/\w[\w.-]*/|[A-Z]:\\|site-packages| at 0x|\d(?:it|s)/(?:s|it)\b|%\||\w+_per_second|runtime|Warning"
)


def read(tutorial: Path) -> NotebookNode:
    notebook = nbformat.read(tutorial.with_suffix(".ipynb"), as_version=4)
    nbformat.validate(notebook)
    return notebook


def code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def png(pixels: np.ndarray) -> str:
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, format="png")
    return base64.b64encode(written.getvalue()).decode()


def printed(text: str, name: str = "stdout") -> NotebookNode:
    return nbformat.v4.new_output("stream", name=name, text=text)


def test_every_tutorial_has_a_notebook_and_every_notebook_a_tutorial() -> None:
    assert TUTORIALS and sorted(FOLDER.glob("*.ipynb")) == [path.with_suffix(".ipynb") for path in TUTORIALS], ADVICE


@each
def test_the_cells_are_exactly_those_of_the_source(tutorial: Path) -> None:
    source, notebook = writer.read_cells(tutorial), read(tutorial)
    assert [(cell.cell_type, cell.source) for cell in notebook.cells] == [
        (cell.cell_type, cell.source) for cell in source.cells
    ], ADVICE
    assert [cell.metadata for cell in notebook.cells] == [cell.metadata for cell in source.cells]
    # The same without jupytext: nothing but marks and text is left of the source without the code.
    text = tutorial.read_text(encoding="utf-8")
    assert len(code(notebook)) == len(re.findall(r"(?m)^# %%(?! \[markdown\])", text))
    for cell in code(notebook):
        assert text.count(cell.source) == 1
        text = text.replace(cell.source, "")
    assert re.sub(r'"""(?s:.*?)"""', "", text, count=1).replace("\n\n", "\n").startswith("# %% [markdown]")
    assert all(line.startswith("#") for line in re.sub(r'"""(?s:.*?)"""', "", text, count=1).split("\n") if line)


@each
def test_every_code_cell_was_run_in_order_and_none_failed(tutorial: Path) -> None:
    cells = code(read(tutorial))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), ADVICE
    outputs = [output for cell in cells for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"stream", "execute_result", "display_data"}
    assert sum(output.output_type == "stream" for output in outputs) >= 3, "a tutorial that shows something"


@each
def test_outputs_say_nothing_about_the_machine_and_are_small(tutorial: Path) -> None:
    notebook = read(tutorial)
    assert notebook.metadata == writer.METADATA and tutorial.with_suffix(".ipynb").stat().st_size < 400_000
    for output in (output for cell in code(notebook) for output in cell.outputs):
        if output.output_type == "stream":
            assert output.name == "stdout" and OF_A_MACHINE.findall(output.text) == []
        else:
            assert set(output.data) == {"image/png"}, "no value that names an object"
            assert len(base64.b64decode(output.data["image/png"])) <= 200_000


def test_the_scan_for_the_machine_sees_what_it_should() -> None:
    for text in ("in /opt/x/y.py", "C:\\Users", "<A at 0x7f>", "1.2it/s", "3.4s/it", "10%|#", "UserWarning: so", "(/tmp/a)"):
        assert OF_A_MACHINE.search(text), text
    for text in ("runs/tutorials/x.png", "yes/no and/or", "3 m/s", "45% | 3", "warned: silent", "./a/b", "### Response:"):
        assert not OF_A_MACHINE.search(text), text


def test_progress_and_warnings_are_left_out_and_what_was_printed_is_one_piece() -> None:
    table = {"text/html": "[60/60 08:19]", "text/plain": "<IPython.core.display.HTML object>"}
    value = nbformat.v4.new_output("execute_result", {"text/plain": "3"})
    outputs = [
        printed("one\n"),
        printed("10%|#", "stderr"),
        nbformat.v4.new_output("display_data", table),
        printed("two\n"),
        value,
    ]
    assert writer.tidied(outputs, "mine.py") == [printed("one\ntwo\n"), value]


def test_a_picture_becomes_smaller_with_its_size_and_one_that_stays_large_is_refused() -> None:
    ramp = np.linspace(0, 255, 200 * 300 * 3).reshape(200, 300, 3).astype(np.uint8)
    outputs = [nbformat.v4.new_output("execute_result", {"image/png": png(ramp), "text/plain": "<Image at 0x1>"})]
    (output,) = writer.tidied(outputs, "mine.py")
    assert set(output.data) == {"image/png"}
    after = np.asarray(Image.open(io.BytesIO(base64.b64decode(output.data["image/png"]))).convert("RGB"))
    assert after.shape == ramp.shape and np.abs(after.astype(int) - ramp).mean() < 4
    noise = np.random.default_rng(0).integers(0, 256, (500, 600, 3), dtype=np.uint8)
    with pytest.raises(SpatialLLMError, match=r"mine\.py: a picture of \d+ bytes, 200000 at most"):
        writer.smaller(png(noise), "mine.py")


@pytest.mark.slow
def test_a_tutorial_is_run_in_an_empty_folder_to_the_same_bytes_and_one_that_fails_leaves_the_old_notebook(tmp_path) -> None:
    source = tmp_path / "mine.py"
    lines = ["import sys", "from pathlib import Path", "from spatial_llm.errors import AudioError",
             "print(list(Path().iterdir()))", "Path('left').touch()", "print('bar', file=sys.stderr)"]  # fmt: skip
    source.write_text(
        "# %% [markdown]\n# A text.\n\n# %%\n" + "\n".join(lines) + "\n\n# %%\nprint('end')\n", encoding="utf-8"
    )
    written = []
    for _ in range(2):
        writer.main(writer.Arguments(tutorials=[str(source)]))
        written.append(source.with_suffix(".ipynb").read_bytes())
    assert written[0] == written[1]
    cells = code(read(source))
    assert [[output.text for output in cell.outputs] for cell in cells] == [["[]\n"], ["end\n"]]
    assert [cell.execution_count for cell in cells] == [1, 2]
    source.write_text("# %%\nraise ValueError('too few rooms')\n", encoding="utf-8")
    with pytest.raises(SpatialLLMError, match=r"mine\.py: a cell ends in ValueError: too few rooms"):
        writer.main(writer.Arguments(tutorials=[str(source)]))
    assert source.with_suffix(".ipynb").read_bytes() == written[0]
    assert {path.name for path in tmp_path.iterdir()} == {"mine.py", "mine.ipynb"}
