"""Whole or absent, and JSONL errors that name the line."""

import copy
import errno
import multiprocessing
import os
import resource
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError

from spatial_llm import files, jsonl
from spatial_llm.cli import main
from spatial_llm.data.simulate.simulation import SimulationConfig, simulate
from spatial_llm.errors import ManifestError, OutputError, SpatialLLMError, write_errors_named


def test_a_folder_is_replaced_whole(tmp_path):
    target = tmp_path / "model"
    for name in ("old", "new"):
        with files.atomic_path(target) as temporary:
            temporary.mkdir()
            (temporary / name).write_text(name)
    assert [path.name for path in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]


def test_names_stay_below_their_folder(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "root-2"
    root.mkdir()
    outside.mkdir()
    (root / "out").symlink_to(outside)
    (root / "in").symlink_to(root / "elsewhere")
    assert files.below(root, "a/b.wav") == root / "a" / "b.wav"
    assert files.below(root, "in") == root / "in" and files.below(str(root), "a..b") == root / "a..b"
    bad = ["", ".", "/etc/passwd", "../root-2/a", "a/../b", "..", "out", "out/a", "C:/a", "file://a", "..\\a", "a\0b"]
    for name in bad:
        with pytest.raises(ManifestError, match="leads out of"):
            files.below(root, name)


def test_a_folder_that_became_a_link_leads_out_at_once(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root / "sounds", outside):
        folder.mkdir(parents=True)
    assert files.below(root, "sounds/a.wav") == root / "sounds" / "a.wav"
    (root / "sounds").rmdir()
    (root / "sounds").symlink_to(outside)
    with pytest.raises(ManifestError, match="leads out of"):
        files.below(root, "sounds/a.wav")
    (root / "sounds").unlink()
    (root / "sounds").mkdir()
    assert files.below(root, "sounds/a.wav") == root / "sounds" / "a.wav"
    # the root itself may be reached through a link, and move
    link = tmp_path / "link"
    link.symlink_to(root)
    assert files.below(link, "sounds/a.wav") == link / "sounds" / "a.wav"
    link.unlink()
    link.symlink_to(outside)
    assert files.below(link, "a.wav") == link / "a.wav"


def rewrite(path, content):
    """Other bytes, with the old time of modification."""
    before = os.stat(path)
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_what_a_file_is_now_has_a_stamp_of_its_own(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(1000))
    time.sleep(0.06)
    still = files.file_stamp(path)
    assert files.file_stamp(path) == still and files.content_hash(path) == files.sha256_of(path)
    stamps = {still}
    for number in range(20):  # in place, at once, of the same size and time
        rewrite(path, bytes([number + 1]) * 1000)
        stamps.add(files.file_stamp(path))
        assert files.content_hash(path) == files.sha256_of(path)
    assert len(stamps) == 21
    with pytest.raises(OSError):
        files.file_stamp(tmp_path / "none")


@pytest.mark.parametrize("size", [0, 10, 4 * 2**14, 4 * 2**14 + 1, 10**6])
def test_facts_of_a_file_tell_it_from_one_of_the_same_size_and_time(tmp_path, size):
    path = tmp_path / "a.bin"
    content = bytearray(os.urandom(size))
    path.write_bytes(content)
    facts = files.file_facts(path)
    assert facts == files.file_facts(path) and facts[0] == size
    if size:
        rewrite(path, os.urandom(size))
        assert files.file_facts(path)[:2] == facts[:2] and files.file_facts(path) != facts
        for position in (0, size - 1):  # the first and the last byte
            changed = bytearray(content)
            changed[position] ^= 1
            rewrite(path, changed)
            assert files.file_facts(path) != facts
        rewrite(path, content)
        assert files.file_facts(path) == facts


FULL = OSError(errno.ENOSPC, "No space left on device")
# How others say that a disk is full: the system, numpy, safetensors, torch.
FAILED_WRITES = [
    FULL,
    OSError(errno.EDQUOT, "Disk quota exceeded"),
    OSError(errno.EFBIG, "File too large"),
    OSError(errno.EROFS, "Read-only file system", "/elsewhere"),
    OSError("768 requested and 12 written"),
    SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    RuntimeError("[enforce fail at inline_container.cc:659] . unexpected pos 64 vs 0"),
    RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed"),
]


@pytest.mark.parametrize("error", FAILED_WRITES, ids=str)
def test_a_failed_write_names_the_file_and_what_to_do(tmp_path, error):
    target = tmp_path / "new" / "folder"
    with pytest.raises(OutputError) as refused, files.atomic_path(target) as temporary:
        temporary.mkdir()
        (temporary / "half").write_text("x")
        raise error
    said = str(refused.value)
    assert said.startswith(f"{target}: cannot be written (") and said.endswith("write to another place.")
    assert isinstance(refused.value, SpatialLLMError) and isinstance(refused.value, OSError)
    assert list(tmp_path.iterdir()) == [], "the folder that was made for it is gone too"


def test_an_error_about_another_file_passes_through(tmp_path):
    for error in (
        PermissionError(errno.EACCES, "Permission denied", "/another/sound.wav"),
        FileNotFoundError(errno.ENOENT, "No such file", str(tmp_path / "input")),
        OSError("cannot identify image file"),
        SafetensorError("No such file or directory (os error 2)"),
        RuntimeError("a bug"),
        ManifestError("m.jsonl:1: not JSON"),
    ):
        with pytest.raises(type(error)) as raised, files.atomic_path(tmp_path / "out"):
            raise error
        assert raised.value is error


def test_the_innermost_file_is_named_as_it_would_have_been(tmp_path):
    with pytest.raises(OutputError) as refused, files.atomic_path(tmp_path / "model") as temporary:
        temporary.mkdir()
        with files.atomic_path(temporary / "deep" / "weights") as inner:
            raise OSError(errno.ENOSPC, "No space left on device", str(inner))
    assert str(refused.value).startswith(f"{tmp_path / 'model' / 'deep' / 'weights'}: cannot be written (No space left")
    copied = copy.copy(refused.value)  # by way of what pickle does, as from a worker process
    assert str(copied) == str(refused.value) and copied.path == refused.value.path


def test_what_stands_in_the_way_is_named_and_stays(tmp_path):
    wall = tmp_path / "wall"
    wall.write_text("a file")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "old").write_text("old")
    with pytest.raises(OutputError, match=r"wall/below: cannot be written.*a file stands where a folder is needed"):
        files.write_text(wall / "below" / "file", "x")
    with pytest.raises(OutputError, match=r"full: cannot be written.*a folder stands where the file is to be"):
        files.write_text(tmp_path / "full", "x")
    with pytest.raises(OutputError, match="wall: cannot be written"), files.atomic_path(wall) as temporary:
        temporary.mkdir()
    for place, folder in ((wall / "below", False), (wall, True), (tmp_path / "full", False)):
        with pytest.raises(OutputError, match="cannot be written"):
            files.check_place(place, folder)
    for place, folder in ((wall, False), (tmp_path / "full", True), (tmp_path / "new" / "deep", True)):
        files.check_place(place, folder)
    assert wall.read_text() == "a file" and (tmp_path / "full" / "old").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "wall"]


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b"])
def test_a_name_that_no_file_can_have_is_refused(tmp_path, name):
    for write in (files.check_place, lambda path: files.write_text(path, "x")):
        with pytest.raises(OutputError, match="no file can have this name"):
            write(os.path.join(tmp_path, name))


def test_a_folder_that_holds_something_else_is_not_replaced(tmp_path):
    out = tmp_path / "out"
    for replaces in ("", "summary.json"):
        files.check_place(out, folder=True, replaces=replaces)
    out.mkdir()
    (out / "stage.json.begun").touch()  # of the recipe that is going to write there
    files.check_place(out, folder=True, replaces="")
    (out / "thesis").mkdir()
    for replaces, said in (("", "holds files;"), ("summary.json", r"holds files and no summary\.json")):
        with pytest.raises(OutputError, match=f"{said}.* give a new folder, such as .*new"):
            files.check_place(out, folder=True, replaces=replaces)
    (out / "summary.json").write_text("{}")
    files.check_place(out, folder=True, replaces="summary.json")
    files.check_place(out, folder=True)  # others stay
    with pytest.raises(OutputError, match="holds files"):
        files.check_place(out, folder=True, replaces="")


@pytest.mark.parametrize(
    "command",
    [
        ["convert", "dspast", "file.pth", "OUT"],
        ["join-encoders", "OUT", "one", "two"],
        ["parts", "tiny", "OUT"],
        ["export", "merged", "tiny", "OUT"],
    ],
)
def test_commands_replace_no_folder_that_holds_something(tmp_path, command, capsys):
    (tmp_path / "thesis").write_text("mine")
    assert main([str(tmp_path) if word == "OUT" else word for word in command]) == 1
    assert f"{tmp_path}: holds files" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis"]


@pytest.mark.parametrize("name", ["", ".", "..", "/"])
def test_a_folder_that_is_in_use_is_not_replaced(tmp_path, monkeypatch, name):
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    with pytest.raises(OutputError, match="in use cannot be replaced"):
        files.write_text(name, "x")
    with pytest.raises(OutputError, match="in use cannot be replaced"):
        files.check_place(name, folder=True, replaces="")
    with pytest.raises(OutputError, match="in use cannot be replaced"):
        simulate(SimulationConfig(), name, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    with files.atomic_files(".") as temporary:
        (temporary / "a").write_text("a")
    assert [path.name for path in Path().iterdir()] == ["a"], "but files may be written into it"


@pytest.mark.parametrize("name", ["[a]*?.json", "-rf", "ü.json", " "])
def test_an_odd_name_is_written_and_leftovers_of_a_dead_process_beside_it_are_cleared(tmp_path, name):
    left = tmp_path / f".{name}.{2**22 + 1}.tmp"
    left.write_text("x")
    files.write_text(tmp_path / name, "text")
    assert (tmp_path / name).read_text() == "text" and not left.exists()


def test_several_files_come_together_or_not_at_all(tmp_path):
    folder = tmp_path / "new" / "out"

    def write(fail=None):
        with files.atomic_files(folder) as temporary:
            files.write_text(temporary / "a", f"a{fail}")
            if fail is not None:
                raise fail
            files.write_text(temporary / "b", "b")

    with pytest.raises(OutputError, match=f"{folder}: cannot be written"):
        write(OSError(errno.ENOSPC, "No space left on device"))
    assert not (tmp_path / "new").exists()
    write()
    (folder / "other").write_text("other")
    with pytest.raises(OutputError, match=f"{folder / 'a'}: cannot be written"):
        write(OSError(errno.ENOSPC, "No space left", str(next(iter([folder / f".files.{os.getpid()}.tmp" / "a"])))))
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"a": "aNone", "b": "b", "other": "other"}
    (folder / "b").unlink()
    (folder / "b").mkdir()
    with pytest.raises(OutputError, match=r"b: cannot be written.*a folder stands"):
        write()
    assert (folder / "a").read_text() == "aNone" and sorted(path.name for path in folder.iterdir()) == ["a", "b", "other"]


def test_a_folder_that_cannot_take_its_place_leaves_the_old_one(tmp_path, monkeypatch):
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").write_text("old")
    replace, calls = os.replace, []

    def second_fails(source, goal):
        calls.append(goal)
        if len(calls) == 2:
            raise OSError(errno.EIO, "Input/output error", str(source), None, str(goal))
        replace(source, goal)

    monkeypatch.setattr(os, "replace", second_fails)
    with pytest.raises(OutputError, match="model: cannot be written"), files.atomic_path(target) as temporary:
        temporary.mkdir()
    assert [path.name for path in target.iterdir()] == ["old"] and list(tmp_path.iterdir()) == [target]


def test_a_new_array_takes_its_room_at_once(tmp_path):
    array = files.new_array(tmp_path / "a.npy", np.float32, (3, 5))
    array[1] = 2.0
    array.flush()
    assert np.load(tmp_path / "a.npy").tolist() == [[0.0] * 5, [2.0] * 5, [0.0] * 5]

    def limited(path: Path, results: multiprocessing.Queue) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            with files.atomic_path(path) as temporary:
                files.new_array(temporary, np.float32, (1000, 1000))
        except OutputError as error:
            results.put(str(error))

    context = multiprocessing.get_context("fork")
    results = context.Queue()
    process = context.Process(target=limited, args=(tmp_path / "large.npy", results))
    process.start()
    assert "large.npy: cannot be written (File too large)" in results.get(timeout=30)
    process.join()
    assert process.exitcode == 0, "no signal killed it"


def test_errors_of_a_stream_are_named():
    said = r"log\.jsonl: cannot be written \(No space left on device\); free some space"
    with pytest.raises(OutputError, match=said), write_errors_named("log.jsonl"):
        raise FULL


NO_NAMES = ("a\0b", "half \ud800", "not utf-8 \udce9", "new\nline", "x" * 300, "a/" + "\u00e9" * 200)


@pytest.mark.parametrize("name", NO_NAMES)
def test_names_that_no_file_of_a_manifest_can_have_are_refused_in_words_that_print(tmp_path, name):
    with pytest.raises(ManifestError) as error:
        files.below(tmp_path, name)
    str(error.value).encode("utf-8")
    assert "\0" not in str(error.value)
    with pytest.raises(ManifestError, match="no such file"):
        jsonl.read_jsonl(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_outputs_that_no_file_system_can_name(tmp_path):
    for name in ("a\0b", "half \ud800"):
        with pytest.raises(SpatialLLMError, match="no file can have this name") as error:
            files.write_text(tmp_path / name, "x")
        str(error.value).encode("utf-8")
    files.write_text(tmp_path / "not utf-8 \udce9", "x")  # a name that Linux has, if no manifest
    assert [path.name for path in tmp_path.iterdir()] == ["not utf-8 \udce9"]


def test_every_message_prints():
    for kind in (SpatialLLMError, ManifestError):
        assert str(kind("caf\udce9.wav and \ud800 and a\0b")) == "caf\\udce9.wav and \\ud800 and a\\x00b"
    assert str(ManifestError("caf\u00e9 \U0001f3a7\n  two lines")) == "caf\u00e9 \U0001f3a7\n  two lines"
