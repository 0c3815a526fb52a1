"""Tables of annotations: one scene in every convention becomes the same records; what is not declared or wrong is refused in
a sentence that shows what would be right."""

import math
from pathlib import Path

import numpy as np
import pytest

from spatial_llm.data.checks import check_files
from spatial_llm.data.importing.annotations import TableArguments, import_table
from spatial_llm.data.importing.convention import Convention
from spatial_llm.data.record import Record
from spatial_llm.data.records import read_manifest
from spatial_llm.data.rendering import render_record
from spatial_llm.errors import ManifestError, SpatialLLMError
from spatial_llm.questions.facts import HeardSource
from tests.data.importing.dcase_folder import write_wav

pytestmark = pytest.mark.slow  # a real simulation or model in every test

HEADER = "file,start,end,label,azimuth,elevation,distance"
OURS = Convention("counter-clockwise", "front", "degrees", "up", "m")
OFF_DEG = {"front": 0.0, "left": 90.0, "behind": 180.0, "right": -90.0}
BELL, DOG = (70.0, 20.0, 2.0), (-120.0, -10.0, 1.5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(0)
    for name, channels in (("a", 4), ("b", 4), ("stereo", 2)):
        write_wav(folder / f"{name}.wav", rng.normal(0, 1000, (3 * 24000, channels)))
    return folder


def table(folder: Path, *rows: str, header: str = HEADER) -> str:
    path = folder / "my.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return str(path)


def imported(folder: Path, out: Path, *rows: str, header: str = HEADER, **options: object) -> list[Record]:
    """The records of a table, all for training."""
    given = {"format": "foa", "convention": OURS, "eval_share": 0.0} | options
    import_table(TableArguments(table(folder, *rows, header=header), str(out), **given))
    check_files([out / "train.jsonl"])
    return read_manifest(out / "train.jsonl")


def in_convention(place: tuple[float, float, float], convention: Convention) -> str:
    azimuth, elevation, distance = place
    azimuth = (azimuth - OFF_DEG[convention.zero]) * (1 if convention.azimuth == "counter-clockwise" else -1)
    azimuth = (azimuth + 180) % 360 - 180
    elevation = 90 - elevation if convention.elevation == "zenith" else elevation
    unit = math.pi / 180 if convention.angles == "radians" else 1
    return f"{azimuth * unit:.6f},{elevation * unit:.6f},{distance * (100 if convention.distance == 'cm' else 1):g}"


@pytest.mark.parametrize(
    "convention",
    [
        OURS,
        Convention("clockwise", "front", "degrees", "up", "cm"),
        Convention("counter-clockwise", "right", "degrees", "zenith", "m"),
        Convention("clockwise", "behind", "radians", "up", "cm"),
        Convention("counter-clockwise", "left", "radians", "zenith", "m"),
    ],
    ids=lambda convention: "-".join(vars(convention).values()),
)
def test_one_scene_in_every_convention(convention: Convention, folder: Path, tmp_path: Path) -> None:
    rows = [f"a.wav,0.5,1.5,bell,{in_convention(BELL, convention)}", f"a.wav,1,3,dog,{in_convention(DOG, convention)}"]
    first, *_ = records = imported(folder, tmp_path / "out", *rows, convention=convention)
    assert first.known.sounds == (HeardSource("bell", *BELL, 0.5, 1.5), HeardSource("dog", *DOG, 1.0, 3.0))
    words = {r.truth["left_right"] for r in records if r.question_type == "MIXUP_SINGLE_DOA" and "bell" in r.question}
    assert words <= {"left"} and {r.question_type for r in records} >= {"MIXUP_DIRECTION"}
    assert {render_record(record, tmp_path / "out").shape for record in records} == {(4, 72000)}


def test_columns_may_be_missing_and_only_a_whole_table_counts_and_denies(folder: Path, tmp_path: Path) -> None:
    rows, header = ["a.wav,0,3,bell,70", "a.wav,0,3,dog,-120", "b.wav,0,3,cat,10"], "file,start,end,label,azimuth"
    few = Convention("counter-clockwise", "front", "degrees")
    some = imported(folder, tmp_path / "some", *rows, header=header, convention=few)
    every = imported(folder, tmp_path / "every", *rows, header=header, convention=few, all_listed=True)
    assert some[0].known.sounds[0] == HeardSource("bell", 70.0, None, None, 0.0, 3.0)
    of_some, of_every = ({record.question_type for record in records} for records in (some, every))
    assert "AZIMUTH_DEG" in of_some and not {"ELEVATION_DEG", "DISTANCE", "DOA"} & (of_some | of_every)
    assert {"COUNT_SOURCES", "PRESENT"} <= of_every and not {"COUNT_SOURCES", "PRESENT"} & of_some


def test_rows_of_one_source_are_one_sound_that_may_move(folder: Path, tmp_path: Path) -> None:
    rows = ["a.wav,0,1,bell,70,0,2,1", "a.wav,1,2,bell,30,0,2,1", "a.wav,1,2,dog,0,0,1,", "a.wav,2.1,3,dog,0,0,1,"]
    first, *_ = imported(folder, tmp_path / "out", *rows, header=f"{HEADER},source")
    bell, *dogs = first.known.sounds
    assert bell == HeardSource("bell", None, None, None, 0.0, 2.0) and len(dogs) == 2


def test_stereo_is_folded(folder: Path, tmp_path: Path) -> None:
    first, *_ = imported(folder, tmp_path / "out", "stereo.wav,0,3,bell,150,20,2", format="stereo_ms")
    assert first.known.sounds == (HeardSource("bell", 30.0, None, 2.0, 0.0, 3.0, folded=True),)


def test_split_room_and_recording(folder: Path, tmp_path: Path) -> None:
    header = f"{HEADER},split,room,recording"
    rows = ["a.wav,0,3,bell,70,0,2,eval,hall,monday", "b.wav,0,3,dog,70,0,2,train,cellar,tuesday"]
    out = tmp_path / "out"
    import_table(TableArguments(table(folder, *rows, header=header), str(out), "foa", OURS))
    (bell, *_), (dog, *_) = (read_manifest(out / f"{split}.jsonl") for split in ("eval", "train"))
    assert (bell.known.room, bell.known.recording, dog.known.room) == ("hall", "monday", "cellar")
    rows[1] = rows[1].replace("cellar", "hall")
    with pytest.raises(ManifestError, match=r"my\.csv:3: split is 'train', but the room 'hall' is in 'eval'"):
        import_table(TableArguments(table(folder, *rows, header=header), str(out), "foa", OURS))


def test_a_convention_is_declared_never_guessed(folder: Path, tmp_path: Path) -> None:
    path = table(folder, "a.wav,0,3,bell,70,0,200")
    with pytest.raises(ManifestError) as error:
        import_table(TableArguments(path, str(tmp_path / "out"), None, Convention("clockwise", distance="cm")))
    assert str(error.value).splitlines()[-1] == (
        "  --format foa --convention.azimuth clockwise --convention.zero front --convention.angles degrees "
        "--convention.elevation up --convention.distance cm"
    )
    assert "convention.zero, convention.angles, convention.elevation, format not declared" in str(error.value)
    with pytest.raises(ManifestError, match="format: format 'ambisonic' is not known"):
        import_table(TableArguments(path, str(tmp_path / "out"), "ambisonic", OURS))
    assert not (tmp_path / "out").exists()


WRONG = {
    "no file": ("c.wav,0,3,bell,70,0,2", r"my\.csv:2: file 'c\.wav': no such file"),
    "azimuth": ("a.wav,0,3,bell,400,0,2", r"my\.csv:2: azimuth is 400; expected degrees from -180 to 360"),
    "elevation": ("a.wav,0,3,bell,70,120,2", r"my\.csv:2: elevation is 120; expected degrees from -90 to 90"),
    "distance": ("a.wav,0,3,bell,70,0,0", r"my\.csv:2: distance is 0; expected metres above 0"),
    "end": ("a.wav,0,3.5,bell,70,0,2", r"my\.csv:2: end is 3\.5 s, and 'a\.wav' lasts 3 s"),
    "order": ("a.wav,2,1,bell,70,0,2", r"my\.csv:2: start is 2 s and end 1 s"),
    "no start": ("a.wav,,1,bell,70,0,2", r"my\.csv:2: start is empty; expected seconds"),
    "label": ("a.wav,0,1,bell; dog,70,0,2", r"my\.csv:2: label is 'bell; dog'; expected the name of one sound"),
    "number": ("a.wav,0,1,bell,left,0,2", r"my\.csv:2: azimuth is 'left'; expected degrees from -180 to 360, as a number"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_rows_show_what_would_be_right(kind: str, folder: Path, tmp_path: Path) -> None:
    row, message = WRONG[kind]
    out = tmp_path / "out"
    with pytest.raises(ManifestError, match=message) as error:
        imported(folder, out, row)
    right = str(error.value).splitlines()[-1].strip()
    assert not out.exists() and right != row
    assert imported(folder, out, right.replace("kitchen/scene1.wav", "a.wav"))


def test_wrong_channels_columns_and_ranges_of_radians(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ManifestError, match=r"my\.csv:2: .*stereo\.wav: 4 channels needed, got 2"):
        imported(folder, out, "stereo.wav,0,3,bell,70,0,2")
    with pytest.raises(ManifestError, match="no column is called 'azi'; did you mean 'azimuth'"):
        imported(folder, out, "a.wav,0,3,bell,70", header="file,start,end,label,azi")
    radians = Convention("clockwise", "front", "radians", "up", "m")
    with pytest.raises(ManifestError, match=r"azimuth is 70; expected radians from -3\.142 to 6\.283"):
        imported(folder, out, "a.wav,0,3,bell,70,0,2", convention=radians)
    with pytest.raises(ManifestError, match=r"room is 'cellar', and .*my\.csv:2 has the same file with 'hall'"):
        imported(folder, out, "a.wav,0,1,bell,7,0,2,hall", "a.wav,1,2,bell,7,0,2,cellar", header=f"{HEADER},room")
    with pytest.raises(SpatialLLMError, match="window_s"):
        imported(folder, out, "a.wav,0,3,bell,70,0,2", window_s=0.0)


def test_numbers_of_another_unit_are_doubted(folder: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning) as warned:
        imported(folder, tmp_path / "out", "a.wav,0,3,bell,1.25,0.1,180", "b.wav,0,3,dog,-2.5,-0.3,250")
    told = " ".join(str(each.message) for each in warned)
    assert (
        "azimuth: all 2 values lie within 2 pi" in told
        and "elevation: all 2" in told
        and "distance: the median is 2" in told
    )
