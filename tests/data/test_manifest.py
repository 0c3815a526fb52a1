"""Manifests that stay on disk: the same records as read at once, in any process, in memory that does not grow with them."""

import operator
import os
import pickle
import shutil
import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import soundfile
from torch.utils.data import DataLoader

from spatial_llm.data.dataset import SpatialQADataset
from spatial_llm.data.manifest import open_manifest
from spatial_llm.data.paths import DataRoot
from spatial_llm.data.records import Record, iter_checked, read_manifest, write_manifest
from spatial_llm.errors import ManifestError

RATE = 8000


def record(number: int, question: str = "What sounds?", audio: str = "a.wav") -> Record:
    return Record(
        id=f"q{number}", recording_id="a", type="A", question_type="CLASSIFICATION", question=question,
        answer="bell", truth={"labels": ["bell"]}, split="train", sampling_rate=RATE, audio=audio,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """A folder whose name holds what a glob pattern would trip over; `datasets` passes over hidden ones."""
    folder = tmp_path / ".hid[den] *"
    folder.mkdir()
    soundfile.write(folder / "a.wav", np.ones((400, 2)) * 0.1, RATE, subtype="FLOAT")
    return folder


def test_equals_reading_at_once(folder):
    # Line ends of other systems, a mark, blank lines, no final end; characters at which other readers would end a line.
    write_manifest(folder / "m.jsonl", [record(i, f"What\u2028 sounds\x85 {i}, é?") for i in range(2500)])
    lines = (folder / "m.jsonl").read_bytes().rstrip(b"\n").split(b"\n")
    (folder / "m.jsonl").write_bytes(b"\xef\xbb\xbf" + b"\r\n\n \n".join(lines))
    records, manifest = read_manifest(folder / "m.jsonl"), open_manifest(folder / "m.jsonl")
    assert len(manifest) == 2500 and list(manifest) == records
    assert list(manifest.lines()) == [one.to_dict() for one in records]
    assert manifest[-1] == records[-1] and manifest[3:6] == records[3:6] and manifest[np.int64(7)] == records[7]
    assert records[1] in manifest and manifest.index(records[2]) == 2
    with pytest.raises(IndexError):
        manifest[2500]


def test_cache_dir_holds_one_file_of_each_content(folder, tmp_path):
    cache = tmp_path / "cache"
    for numbers in (range(3), range(3), range(4)):
        write_manifest(folder / "m.jsonl", [record(i) for i in numbers])
        assert len(open_manifest(folder / "m.jsonl", cache_dir=cache)) == len(numbers)
    assert len(list(cache.iterdir())) == 2 and all(path.suffix == ".arrow" for path in cache.iterdir())


def opened_again(path, **options):
    """The manifest opened where reading any line of it would fail."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spatial_llm.data.manifest.iter_checked", lambda *_: pytest.fail("the lines were read again"))
        return open_manifest(path, **options)


def test_opened_again_it_is_not_checked_again(folder, tmp_path):
    write_manifest(folder / "m.jsonl", [record(i) for i in range(600)])
    first = open_manifest(folder / "m.jsonl")
    assert list(opened_again(folder / "m.jsonl")) == list(first)
    # Found by its content, wherever it lies, and with the names of the place it is opened at.
    (tmp_path / "moved").mkdir()
    shutil.copy(folder / "m.jsonl", tmp_path / "moved" / "m.jsonl")
    with pytest.raises(ManifestError, match=r"moved/m\.jsonl:1: audio 'a\.wav': is not there") as again:
        opened_again(tmp_path / "moved" / "m.jsonl")
    with pytest.raises(ManifestError) as anew:
        open_manifest(tmp_path / "moved" / "m.jsonl", cache_dir=tmp_path / "cache")
    assert str(again.value) == str(anew.value)


def test_a_changed_manifest_is_never_read_from_what_was_kept(folder, tmp_path):
    path, cache = folder / "m.jsonl", tmp_path / "cache"
    write_manifest(path, [record(i) for i in range(3)])
    stands = os.stat(path)
    before = open_manifest(path, cache_dir=cache)
    with path.open("r+b") as file:  # of the same size and time, in place: only its bytes tell
        file.write(path.read_bytes().replace(b"What", b"Whom"))
    os.utime(path, ns=(stands.st_atime_ns, stands.st_mtime_ns))
    assert open_manifest(path, cache_dir=cache)[1].question == "Whom sounds?"
    assert before[1].question == "What sounds?"  # what is open stays as it was checked


def test_a_manifest_that_changes_while_it_is_read_is_refused(folder, tmp_path, monkeypatch):
    path = folder / "m.jsonl"
    write_manifest(path, [record(i) for i in range(3)])

    def changing(*arguments):
        yield from iter_checked(*arguments)
        write_manifest(path, [record(i) for i in range(4)])

    monkeypatch.setattr("spatial_llm.data.manifest.iter_checked", changing)
    with pytest.raises(ManifestError, match=r"m\.jsonl: was changed while it was read"):
        open_manifest(path, cache_dir=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_what_other_code_has_checked_is_checked_again(folder, tmp_path, monkeypatch):
    write_manifest(folder / "m.jsonl", [record(i) for i in range(3)])
    open_manifest(folder / "m.jsonl", cache_dir=tmp_path / "cache")
    monkeypatch.setattr("spatial_llm.data.manifest.code_hash", lambda: "another version")
    open_manifest(folder / "m.jsonl", cache_dir=tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2


def cut(content: bytes) -> bytes:
    return content[:-1000]


def changed(content: bytes) -> bytes:
    """One letter of one question, which Arrow reads as it reads any other."""
    assert content.count(b"sounds") > 1
    return content.replace(b"sounds", b"rounds", 1)


@pytest.mark.parametrize("damage", [lambda content: b"", lambda content: b"no Arrow file", cut, changed])
def test_a_damaged_arrow_file_is_written_anew(folder, tmp_path, damage):
    write_manifest(folder / "m.jsonl", [record(i) for i in range(600)])
    expected = list(open_manifest(folder / "m.jsonl", cache_dir=tmp_path / "cache"))
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_bytes(damage(kept.read_bytes()))
    assert list(open_manifest(folder / "m.jsonl", cache_dir=tmp_path / "cache")) == expected


def test_a_file_that_goes_between_two_openings_is_named(folder):
    write_manifest(folder / "m.jsonl", [record(i) for i in range(3)])
    open_manifest(folder / "m.jsonl")
    (folder / "a.wav").unlink()
    with pytest.raises(ManifestError, match=r"m\.jsonl:1: audio 'a\.wav': is not there"):
        opened_again(folder / "m.jsonl")


def test_nothing_is_opened_or_left_when_a_line_is_wrong(folder, tmp_path):
    write_manifest(folder / "m.jsonl", [record(0), record(1), record(1)])
    with pytest.raises(ManifestError, match=r"m\.jsonl:3: id stands twice"):
        open_manifest(folder / "m.jsonl", cache_dir=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
    with pytest.raises(ManifestError, match=r"none\.jsonl: no such file"):
        open_manifest(folder / "none.jsonl")


def test_goes_to_loader_workers(folder):
    write_manifest(folder / "m.jsonl", [record(i, f"{i}?") for i in range(20)])
    dataset = SpatialQADataset(folder / "m.jsonl", RATE, 400)
    loader = DataLoader(dataset, batch_size=5, num_workers=2, collate_fn=list)
    for _ in range(2):  # the first workers' end must not take the file away
        assert [sample["question"] for batch in loader for sample in batch] == [f"{i}?" for i in range(20)]
    assert dataset[3]["waveform"].any()


@pytest.mark.slow
def test_goes_to_processes_that_are_not_forked(folder):
    write_manifest(folder / "m.jsonl", [record(i, f"{i}?") for i in range(20)])
    manifest = open_manifest(folder / "m.jsonl")
    assert len(pickle.dumps(manifest)) < 4000
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(operator.getitem, manifest, 7).result() == manifest[7]
    assert len(manifest) == 20 and manifest[0].question == "0?"


def peak_bytes(opener, path):
    tracemalloc.start()
    opened = opener(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak, opened


def test_memory_does_not_grow_with_the_manifest(folder):
    """Ten times the rows: read at once, ten times the memory; opened, no more than a batch of rows at a time."""
    for name, rows in (("short", 500), ("long", 5000)):
        write_manifest(folder / f"{name}.jsonl", (record(i) for i in range(rows)))
    # The smaller of two measurements: in the first, modules are still being imported.
    short, long = (
        min(peak_bytes(open_manifest, folder / f"{name}.jsonl")[0] for _ in range(2)) for name in ("short", "long")
    )
    (at_once, _) = peak_bytes(read_manifest, folder / "long.jsonl")
    assert long < 2 * short and long < at_once / 5, (short, long, at_once)


def test_an_allowed_root_elsewhere(folder, tmp_path):
    (tmp_path / "disk").mkdir()
    (folder / "a.wav").rename(tmp_path / "disk" / "a.wav")
    write_manifest(folder / "m.jsonl", [record(0, audio="sounds/a.wav")])
    with pytest.raises(ManifestError, match=r"'sounds/a\.wav': is not there"):
        open_manifest(folder / "m.jsonl")
    root = DataRoot(folder, {"sounds": tmp_path / "disk"})
    assert SpatialQADataset(folder / "m.jsonl", RATE, 400, root=root)[0]["waveform"].any()
    write_manifest(folder / "m.jsonl", [record(0, audio="sounds/../disk/a.wav")])
    with pytest.raises(ManifestError, match=r"m\.jsonl:1: audio .* leads out of"):
        open_manifest(folder / "m.jsonl", root)
