"""Wrong data sets end the import with a sentence that names file and line, and nothing is written."""

from collections.abc import Callable
from pathlib import Path

import pytest

from spatial_llm.data.importing.dcase import DcaseArguments, import_dcase
from spatial_llm.errors import ManifestError
from tests.data.importing.dcase_folder import frames, write_set, write_stereo

pytestmark = pytest.mark.slow  # a real simulation or model in every test

NAME = "dev-train-tau/fold3_room4_mix001"
CSV, WAV = f"metadata_dev/{NAME}.csv", f"foa_dev/{NAME}.wav"
LABELS = {NAME: frames(0, 15, 1, 1, 40, 10)}


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("right") / "set", LABELS, seconds=2.0)


def copied(right: Path, to: Path) -> Path:
    for name in (CSV, WAV):
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        (to / name).write_bytes((right / name).read_bytes())
    return to


def lines(text: str) -> Callable[[Path], None]:
    return lambda root: (root / CSV).write_text(text)


def renamed(name: str) -> Callable[[Path], None]:
    def rename(root: Path) -> None:
        for old in (CSV, WAV):
            (root / old.replace(NAME, name)).parent.mkdir(parents=True, exist_ok=True)
            (root / old).rename(root / old.replace(NAME, name))

    return rename


WRONG = {
    "no recording": (lambda root: (root / WAV).unlink(), r"mix001\.csv: no recording fold3_room4_mix001\.wav below .*foa"),
    "no distance": (lines("0,1,1,40,10\n"), r"\.csv:1: 5 columns; expected frame.*; 5 columns are those of starss22"),
    "other columns": (lines("0,1,1,40,10,150\n\n1,1,1\n"), r"\.csv:3: 3 columns; expected frame, class"),
    "azimuth": (lines("0,1,1,40,10,150\n1,1,1,181,10,150\n"), r"\.csv:2: azimuth is '181'; expected degrees from -180"),
    "elevation": (lines("0,1,1,40,-91,150\n"), r"\.csv:1: elevation is '-91'; expected degrees from -90 to 90"),
    "distance": (lines("0,1,1,40,10,0\n"), r"\.csv:1: distance is '0'; expected centimetres above 0"),
    "class": (lines("0,13,1,40,10,150\n"), r"\.csv:1: class is '13'; expected the number of a class: 0 fem.* 12 knock"),
    "no number": (lines("0,1,one,40,10,150\n"), r"\.csv:1: source is 'one'; expected the number of a source"),
    "not finite": (lines("0,1,1,nan,10,150\n"), r"\.csv:1: azimuth is 'nan'"),
    "broken frame": (lines("0.5,1,1,40,10,150\n"), r"\.csv:1: frame is '0\.5'; expected the number of a frame"),
    "beyond the end": (
        lines("19,1,1,40,10,150\n20,1,1,40,10,150\n"), r"\.csv:2: frame 20 begins at 2 s, and the recording lasts 2 s",
    ),
    "twice": (lines("3,1,1,40,10,150\n3,1,1,90,10,150\n"), r"\.csv:2: frame, class and source .* stand twice"),
    "text": (lambda root: (root / CSV).write_bytes("0,1,1,40,10,150\nü".encode("latin-1")), r"\.csv:2: not UTF-8"),
    "fold": (renamed("dev-train-tau/fold7_room4_mix001"), r"fold7_room4_mix001\.csv: the name does not begin with one"),
    "part": (renamed("dev-test-tau/fold3_room4_mix001"), r"fold3 is for train, and lies in dev-test-tau; expected it in"),
    "damaged": (lambda root: (root / WAV).write_bytes(b"RIFF"), r"fold3_room4_mix001\.wav"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_files(kind: str, right: Path, tmp_path: Path) -> None:
    spoil, message = WRONG[kind]
    root = copied(right, tmp_path / "set")
    spoil(root)
    with pytest.raises(ManifestError, match=message):
        import_dcase(DcaseArguments(str(root), "starss23-foa", str(tmp_path / "out")))
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob("out*"))


def test_recordings_of_the_other_format_are_told_by_their_power(tmp_path: Path) -> None:
    microphones = write_set(tmp_path / "mic", LABELS, "mic_dev", seconds=2.0)
    (microphones / "mic_dev").rename(microphones / "foa_dev")
    with pytest.raises(ManifestError, match=r"mix001\.wav: .* 2\.\d times its power; .* give --data_set starss23-mic"):
        import_dcase(DcaseArguments(str(microphones), "starss23-foa", str(tmp_path / "out")))
    foa = write_set(tmp_path / "foa", LABELS, seconds=2.0)
    (foa / "foa_dev").rename(foa / "mic_dev")
    with pytest.raises(ManifestError, match=r"1\.0 times its power; .* give --data_set starss23-foa"):
        import_dcase(DcaseArguments(str(foa), "starss23-mic", str(tmp_path / "out")))


def test_other_folders_sets_and_channels(right: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    with pytest.raises(ManifestError, match=r"no folder mic_dev inside; foa_dev is there, of another format"):
        import_dcase(DcaseArguments(str(right), "starss23-mic", out))
    with pytest.raises(ManifestError, match=r"no folder metadata_dev inside; give the folder that holds metadata_dev"):
        import_dcase(DcaseArguments(str(tmp_path), "starss23-foa", out))
    with pytest.raises(ManifestError, match="data_set is 'starss24'; expected one of starss23-foa"):
        import_dcase(DcaseArguments(str(right), "starss24", out))
    stereo = write_stereo(tmp_path / "stereo", LABELS)
    (stereo / "stereo_dev").rename(stereo / "foa_dev")
    with pytest.raises(ManifestError, match=r"mix001\.csv: .*mix001\.wav: 4 channels needed, got 2"):
        import_dcase(DcaseArguments(str(stereo), "starss23-foa", out))


def test_stereo_labels_need_their_header_and_folded_azimuths(tmp_path: Path) -> None:
    stereo = write_stereo(tmp_path / "stereo", LABELS)
    arguments = DcaseArguments(str(stereo), "dcase2025-stereo", str(tmp_path / "out"))
    (stereo / CSV).write_text("0,1,1,40,150,1\n")
    with pytest.raises(
        ManifestError, match=r"\.csv:1: begins with 0, 1, 1, .* expected the header frame, class, source, azim"
    ):
        import_dcase(arguments)
    (stereo / CSV).write_text("frame,class,source,azimuth,distance,onscreen\n0,1,1,-91,150,1\n")
    with pytest.raises(ManifestError, match=r"\.csv:2: azimuth is '-91'; expected degrees from -90 to 90"):
        import_dcase(arguments)


def test_one_room_in_training_and_evaluation_is_refused(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", LABELS | {"dev-test-tau/fold4_room4_mix002": LABELS[NAME]}, seconds=2.0)
    with pytest.raises(ManifestError, match=r"fold4_room4_mix002\.csv: room 'starss room4' is in 'eval', and in 'train'"):
        import_dcase(DcaseArguments(str(root), "starss23-foa", str(tmp_path / "out")))


def test_labels_without_any_sound_are_told(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", LABELS, seconds=2.0)
    (root / CSV).write_text("")
    with pytest.raises(
        ManifestError, match=r"nothing could be asked of any recording .*windows without an annotated sound: 1"
    ):
        import_dcase(DcaseArguments(str(root), "starss23-foa", str(tmp_path / "out")))
