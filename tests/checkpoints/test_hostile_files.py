"""Damaged and odd released files: one CheckpointError each, in bounded time and memory; right ones are converted as ever."""

import subprocess
import sys
import time

import pytest
import torch

from spatial_llm.checkpoints import convert_bat, convert_spatial_ast, read_official
from spatial_llm.cli import main
from spatial_llm.errors import CheckpointError
from tests.checkpoints.hostile_files import ADAPTERS, ENCODER
from tests.checkpoints.test_bat import _encoder, _language_model
from tests.checkpoints.test_encoders import small
from tests.golden import golden

# One of every kind, for every run of the tests.
QUICK = {
    "empty",
    "text",
    "cut",
    "one bit",
    "root list",
    "model None",
    "key 5",
    "None",
    "1e300",
    "int8",
    "complex64",
    "quantized",
}
QUICK |= {"sparse", "meta", "terabytes of one value", "negative variance", "older form", "without checksums", "as released"}
QUICK |= {"another rank", "another target", "query of none", "projector int8"}


def all_of(cases):
    """Their names; those that are not QUICK are slow."""
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in cases]


@pytest.fixture(scope="module")
def good():
    state, config = small("spatial_ast")
    state = {**state, "conv_downsample.1.num_batches_tracked": torch.tensor(3)}
    return state, config, convert_spatial_ast(state, config)[0].state_dict()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", all_of(ENCODER))
def test_encoder_files(name, good, tmp_path):
    state, config, expected = good
    case, path = ENCODER[name], tmp_path / "file.pth"
    case.write(path, state)
    started = time.process_time()
    if case.words is None:
        converted = convert_spatial_ast(read_official(path), config)[0].state_dict()
        assert all(torch.equal(converted[key], tensor) for key, tensor in expected.items())
    else:
        with pytest.raises(CheckpointError) as error:
            convert_spatial_ast(read_official(path), config)
        assert case.words in str(error.value) and "\n" not in str(error.value)
    assert time.process_time() - started < 5


@pytest.fixture(scope="module")
def bat():
    return {key: torch.from_numpy(value) for key, value in golden.bat_state_dict().items()}


@pytest.mark.parametrize("name", all_of(ADAPTERS))
def test_adapters(name, bat):
    change, words = ADAPTERS[name]
    language_model = _language_model()
    before = set(language_model.state_dict())
    with pytest.raises(CheckpointError) as error:
        convert_bat(change(dict(bat)), encoder=_encoder(), language_model=language_model)
    assert words in str(error.value)
    assert set(language_model.state_dict()) == before, "a wrong file leaves the language model as it was"


def test_there_are_enough_cases():
    assert len(ENCODER) + len(ADAPTERS) >= 40 and set(ENCODER) | set(ADAPTERS) >= QUICK


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ["empty", "text", "root list", "cut", "link to itself"])
def test_the_command_shows_one_sentence_and_leaves_nothing(name, good, tmp_path, capsys):
    path = tmp_path / "file.pth"
    ENCODER[name].write(path, good[0])
    assert main(["convert", "spatial_ast", str(path), str(tmp_path / "folder")]) == 1
    assert capsys.readouterr().err.startswith("spatial-llm: ") and not (tmp_path / "folder").exists()


def test_a_folder_that_cannot_be_written_is_a_sentence(good, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("spatial_llm.checkpoints.convert_spatial_ast", lambda root: convert_spatial_ast(root, good[1]))
    torch.save(good[0], tmp_path / "file.pth")
    (tmp_path / "file").write_text("no folder")
    assert main(["convert", "spatial_ast", str(tmp_path / "file.pth"), str(tmp_path / "file" / "folder")]) == 1
    assert "spatial-llm: " in capsys.readouterr().err


# VmHWM, the peak of this program: ru_maxrss begins with that of the process which started it.
MEASURE = """
import sys
def peak_kb():
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
from spatial_llm.checkpoints import convert_spatial_ast, read_official
from spatial_llm.errors import CheckpointError
before = peak_kb()
for path in sys.argv[1:]:
    try:
        convert_spatial_ast(read_official(path))
        sys.exit(path + " was converted")
    except CheckpointError:
        pass
print(peak_kb() - before)
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_memory_is_bounded(good, tmp_path):
    """256 MB over the base; the file of the full size would take 350 MB, and the bomb 100 MB more than it has."""
    paths = []
    for number, name in enumerate(["unpacks to far more", "terabytes of one value", "cut", "meta", "sparse rows", "int8"]):
        paths.append(tmp_path / f"{number}.pth")
        ENCODER[name].write(paths[-1], good[0])
    done = subprocess.run([sys.executable, "-c", MEASURE, *paths], capture_output=True, text=True, timeout=300, check=True)
    assert 0 <= int(done.stdout) < 256 * 1024
