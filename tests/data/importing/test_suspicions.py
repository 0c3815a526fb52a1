"""Tables whose rows are all right, and which together are probably wrong."""

from pathlib import Path

import pytest

from spatial_llm.data.importing.suspicions import doubts, refuse_exchanged
from spatial_llm.data.importing.table import Row, read_table
from spatial_llm.errors import ManifestError


def table(folder: Path, lines: str) -> list[Row]:
    path = folder / "mine.csv"
    path.write_text(f"audio,question,answer,azimuth\n{lines}\n", encoding="utf-8")
    return read_table(path)


def test_exchanged_questions_and_answers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="exchange the two columns") as caught:
        refuse_exchanged(table(tmp_path, "a.wav,kettle,What is this?,\nb.wav,bell,What is this?,"))
    assert str(caught.value).endswith("a.wav,What is this?,kettle,")
    refuse_exchanged(table(tmp_path, "a.wav,Say something.,What?,\nb.wav,What is this?,bell,"))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("a.wav,Which way?,there,-2.35\nb.wav,Which way?,here,0.78", "as radians do"),
        ("a.wav,Which way?,there,-2\nb.wav,Which way?,here,1", None),
        ("a.wav,Which side?,on the right,90\nb.wav,Which side?,Left,-40", "2 of 2 answers that name a side"),
        ("a.wav,Which side?,on the right,-90\nb.wav,Which side?,Left,40", None),
        ("a.wav,Which side?,left or right,-90\nb.wav,Which side?,left,-2", None),
    ],
)
def test_angles_of_another_unit_or_sense_are_doubted(tmp_path: Path, lines: str, said: str | None) -> None:
    found = list(doubts(table(tmp_path, lines)))
    assert len(found) == (said is not None) and (said or "") in "".join(found)


def test_an_underscore_in_a_number_is_refused(tmp_path: Path) -> None:
    (row,) = table(tmp_path, "a.wav,Which way?,there,-1_35")
    with pytest.raises(ManifestError, match="as a number alone"):
        row.number("azimuth")
