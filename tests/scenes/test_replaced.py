"""A file that was replaced is another one: in this process at once, and in parts on disk that another process left."""

import dataclasses
import os
import shutil
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest

from spatial_llm.audio.formats import parse_format
from spatial_llm.blocks import Shard
from spatial_llm.errors import SceneError, SpatialLLMError
from spatial_llm.scenes.bank import ResponseBank, open_bank
from spatial_llm.scenes.bank_simulation import BankConfig, bank_blocks, join_bank, simulate_parts
from spatial_llm.scenes.heads.hrtf import kemar, read_sofa
from spatial_llm.scenes.noise import diffuse_noise
from spatial_llm.scenes.render import render_scene, scene_responses
from spatial_llm.scenes.room.sampling import RoomConfig
from spatial_llm.scenes.scene import Scene, Source
from tests.scenes.small import ANECHOIC, RATE, bank, decaying, position, scene, source
from tests.scenes.sofa_files import write_kemar

HEAD = kemar(RATE)
SETTLED_S = 0.06  # after which a file that was just written counts as still
BINAURAL = parse_format("binaural")
ROOM = RoomConfig(positions_per_room=1, max_order=4, ray_tracing=False, absorption=(0.7, 0.8), duration_s=0.2)


def other(path, gain=0.5):
    """Another head, of the same size on disk: ear 1 weaker."""
    return write_kemar(path, Data_IR=HEAD.responses.astype(float) * np.array([1.0, gain])[:, None])


def same_time(path, replace):
    """Replaces a file and sets its time of modification back."""
    before = os.stat(path)
    replace(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_head_is_what_its_file_is_now(tmp_path):
    path = write_kemar(tmp_path / "head.sofa")
    time.sleep(SETTLED_S)
    first = read_sofa(path, RATE)
    assert read_sofa(path, RATE) is first, "kept"
    same_time(path, other)
    second = read_sofa(path, RATE)
    ratio = np.linalg.norm(second.responses[:, 1]) / np.linalg.norm(second.responses[:, 0])
    assert ratio == pytest.approx(
        0.5 * np.linalg.norm(first.responses[:, 1]) / np.linalg.norm(first.responses[:, 0]), rel=1e-3
    )
    path.unlink()
    with pytest.raises(SceneError, match="no such file"):
        read_sofa(path, RATE)


def test_noise_is_heard_with_the_head_of_now(tmp_path):
    path = write_kemar(tmp_path / "head.sofa")
    format = parse_format(f"binaural:{path}")
    levels = []
    for replace in (None, other):
        if replace:
            same_time(path, replace)
        noise = diffuse_noise("white", format, 4000, RATE, 0)
        levels.append(np.linalg.norm(noise[1]) / np.linalg.norm(noise[0]))
    assert levels[1] == pytest.approx(0.5 * levels[0], rel=0.02)


def test_a_bank_is_what_its_files_are_now(tmp_path):
    def made(seed):
        bank(tmp_path / "bank", [60.0], {BINAURAL: [decaying(2, 3000, seed)]})
        return render_scene(scene(source(60.0, response=0), bank="bank"), tmp_path)

    first = made(1)
    time.sleep(SETTLED_S)
    assert open_bank(tmp_path / "bank") is open_bank(tmp_path / "bank"), "kept"
    second = made(2)
    assert not np.allclose(first, second)
    assert np.array_equal(made(1), first)
    # one file rewritten in place, as long as before
    file = tmp_path / "bank" / "responses-binaural.npy"
    same_time(file, lambda path: np.save(path, decaying(2, 3000, 2)[None]))
    assert np.array_equal(render_scene(scene(source(60.0, response=0), bank="bank"), tmp_path), second)
    # a format that came later
    assert scene_responses(scene(source(60.0, response=0), bank="bank"), tmp_path)[0].shape == (2, 3000)
    (tmp_path / "bank" / "bank.json").write_text("{")
    with pytest.raises(SceneError, match=r"bank.json: cannot be read"):
        render_scene(scene(source(60.0, response=0), bank="bank"), tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [("bank.json", b"[]", "bank.json: cannot be read"), ("bank.json", b"\xff", "bank.json: cannot be read"),
     ("bank.json", b'{"formats": [{"kind": "array", "positions_m": [[1]]}], "sampling_rate": 1, "propagation_delay": 1, '
      b'"simulated": 1}', "bank.json: cannot be read"),
     ("responses-binaural.npy", b"", "no readable array"), ("responses-binaural.npy", b"\x93NUMPY", "no readable array")],
)  # fmt: skip
def test_a_damaged_bank_is_a_sentence(tmp_path, file, content, said):
    bank(tmp_path / "bank", [60.0], {BINAURAL: [decaying(2, 3000, 0)]})
    (tmp_path / "bank" / file).write_bytes(content)
    with pytest.raises(SceneError, match=said):
        ResponseBank.load(tmp_path / "bank")


def cut_bank(tmp_path):
    bank(tmp_path / "bank", [60.0], {BINAURAL: [decaying(2, 3000, 0)]})
    file = tmp_path / "bank" / "responses-binaural.npy"
    file.write_bytes(file.read_bytes()[:-100])
    return tmp_path / "bank"


def test_a_cut_bank_is_a_sentence(tmp_path):
    with pytest.raises(SceneError, match="no readable array"):
        ResponseBank.load(cut_bank(tmp_path))


@pytest.fixture(scope="module")
def with_head(tmp_path_factory):
    """A data folder with a bank simulated with a SOFA head, and a scene in it."""
    folder = tmp_path_factory.mktemp("heads")
    path = write_kemar(folder / "mine.sofa")
    config = BankConfig("train", 0, 1, ROOM, [f"binaural:{path}"])
    blocks = bank_blocks(config, folder / "parts")
    simulate_parts(config, blocks, Shard(), 1, progress=False)
    made = join_bank(config, blocks, folder / "train_bank")
    (folder / "hrtf").mkdir()
    shutil.copyfile(path, folder / "hrtf" / "mine.sofa")
    row = made.geometry(0)
    rain = Source("rain", "synth:rain/1", row.position_m, response=0)
    heard = Scene("s", "train", 0, 0.3, RATE, row.room, row.listener, (rain,), parse_format("binaural:hrtf/mine.sofa"),
                  bank="train_bank")  # fmt: skip
    return folder, config, heard


def test_parts_of_a_bank_are_not_joined_with_those_of_another_head(with_head, tmp_path):
    folder, config, _ = with_head
    moved = dataclasses.replace(config, formats=[f"binaural:{tmp_path / 'mine.sofa'}"])
    shutil.copyfile(folder / "mine.sofa", tmp_path / "mine.sofa")
    simulate_parts(moved, bank_blocks(moved, tmp_path / "parts"), Shard(), 1, progress=False)
    bank_blocks(moved, tmp_path / "parts").require_all()
    same_time(tmp_path / "mine.sofa", other)
    with pytest.raises(SpatialLLMError, match="another configuration"):
        bank_blocks(moved, tmp_path / "parts")
    (tmp_path / "mine.sofa").unlink()
    with pytest.raises(SceneError, match="no such file"):
        bank_blocks(moved, tmp_path / "parts")


def test_a_head_replaced_while_its_bank_is_simulated_is_found_when_it_is_joined(tmp_path):
    path = write_kemar(tmp_path / "mine.sofa")
    config = BankConfig("train", 0, 6, ROOM, [f"binaural:{path}"])  # two blocks
    blocks = bank_blocks(config, tmp_path / "parts")
    simulate_parts(config, blocks, Shard(1, 2), 1, progress=False)
    same_time(path, other)
    simulate_parts(config, blocks, Shard(2, 2), 1, progress=False)
    with pytest.raises(SceneError, match="bank 'train': a SOFA file was replaced while rooms were simulated"):
        join_bank(config, blocks, tmp_path / "bank")
    assert not (tmp_path / "bank").exists()


def test_a_bank_knows_the_head_that_it_was_made_with(with_head, tmp_path):
    folder, _, heard = with_head
    data = tmp_path / "data"
    shutil.copytree(folder, data)
    (stored,) = scene_responses(heard, data)
    # a head of the caller's that has the same name is another head
    (tmp_path / "elsewhere").mkdir()
    theirs = parse_format(f"binaural:{other(tmp_path / 'elsewhere' / 'mine.sofa')}")
    (simulated,) = scene_responses(heard, data, theirs)
    n = min(stored.shape[1], simulated.shape[1])
    ratios = [np.linalg.norm(each[1, :n]) / np.linalg.norm(each[0, :n]) for each in (stored, simulated)]
    assert ratios[1] == pytest.approx(0.5 * ratios[0], rel=0.01)
    same = parse_format(f"binaural:{folder / 'mine.sofa'}")
    assert np.array_equal(scene_responses(heard, data, same)[0], stored)
    # so it was in folders of older versions, which do not say
    old = data / "train_bank" / "bank.json"
    old.write_text(old.read_text().replace('"heads"', '"heads_not_kept"'))
    assert not np.allclose(scene_responses(heard, data, theirs)[0][:, :n], stored[:, :n], atol=1e-3)
    assert np.array_equal(scene_responses(heard, data)[0], stored)


def test_the_head_of_a_data_folder_may_not_change(with_head, tmp_path):
    folder, _, heard = with_head
    shutil.copytree(folder, tmp_path / "data")
    same_time(tmp_path / "data" / "hrtf" / "mine.sofa", other)
    with pytest.raises(
        SceneError, match=r"scene 's': hrtf/mine.sofa is another file than bank 'train_bank' was simulated with"
    ):
        render_scene(heard, tmp_path / "data")


@pytest.mark.slow
def test_two_processes_each_hear_the_head_of_their_time(tmp_path):
    path = write_kemar(tmp_path / "head.sofa")
    code = (
        "import sys, numpy as np; from spatial_llm.scenes.heads.hrtf import read_sofa; "
        "r = read_sofa(sys.argv[1]).responses; print(np.linalg.norm(r[:, 1]) / np.linalg.norm(r[:, 0]))"
    )
    ratios = []
    for replace in (None, other):
        if replace:
            same_time(path, replace)
        told = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
        ratios.append(float(told.stdout))
    assert ratios[1] == pytest.approx(0.5 * ratios[0], rel=1e-3)


def test_an_anechoic_scene_is_rendered_anew_when_its_head_is_replaced(tmp_path):
    path = write_kemar(tmp_path / "head.sofa")
    heard = scene(Source("rain", "synth:rain/1", position(60.0)), room=ANECHOIC)
    format = parse_format(f"binaural:{path}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first = render_scene(heard, tmp_path, format)
        same_time(path, other)
        second = render_scene(heard, tmp_path, format)
    assert np.linalg.norm(second[1]) / np.linalg.norm(second[0]) == pytest.approx(
        0.5 * np.linalg.norm(first[1]) / np.linalg.norm(first[0]), rel=0.01
    )
