"""Files that describe a microphone: what is written is what is read, and a wrong one says what is wrong."""

import json

import numpy as np
import pytest

from spatial_llm.audio.formats import Ambisonics, Array, Binaural, as_format
from spatial_llm.audio.formats.microphone_file import read_microphone
from spatial_llm.errors import AudioError

PAIR = "positions_m: [[0.04, 0, 0], [-0.04, 0, 0]]"


def written(tmp_path, text, name="microphone.yaml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_yaml_and_json_describe_every_kind(tmp_path):
    (tmp_path / "head.sofa").touch()
    assert read_microphone(written(tmp_path, "kind: ambisonics\norder: 2\nconvention: n3d")) == Ambisonics(2, "n3d")
    sphere = read_microphone(written(tmp_path, f"kind: array\n{PAIR}\nsphere_radius_m: 4e-2"))
    assert sphere == Array(((0.04, 0.0, 0.0), (-0.04, 0.0, 0.0)), 0.04)
    head = written(tmp_path, json.dumps({"kind": "binaural", "sofa": "head.sofa"}), "head.json")
    assert as_format(str(head)) == Binaural(str(tmp_path / "head.sofa"))
    assert as_format(head) == as_format(str(head))


def test_positions_come_from_the_sofa_file_where_the_description_has_none(tmp_path):
    sofar = pytest.importorskip("sofar")
    sofa = sofar.Sofa("GeneralFIR")
    places_m = np.array([[0.05, 0.0, 0.0], [0.0, 0.05, 0.0], [0.0, -0.05, 0.02]])
    sofa.Data_IR, sofa.Data_SamplingRate, sofa.Data_Delay = np.ones((4, 3, 8)), 48000.0, np.zeros((1, 3))
    sofa.SourcePosition = np.eye(4, 3) + 1
    sofa.ReceiverPosition, sofa.ReceiverPosition_Type, sofa.ReceiverPosition_Units = places_m, "cartesian", "metre"
    sofar.write_sofa(str(tmp_path / "array.sofa"), sofa)
    found = read_microphone(written(tmp_path, "kind: array\nsofa: array.sofa"))
    np.testing.assert_allclose(found.positions_m, places_m)
    assert found.sofa == str(tmp_path / "array.sofa")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: array\npositions_cm: [[4, 0, 0]]", r"format 'array' with \['positions_cm'\]; expected \['positions_m'"),
        ("kind: array", "expected"),
        ("order: 1", "kind is None; give one of binaural, ambisonics, array, mono, stereo_ms"),
        ("kind: eigenmike", "kind is 'eigenmike'"),
        ("kind: ambisonics\norder: 9", "ambisonics of order 9; give 1 to 3"),
        ("kind: array\npositions_m: [[0.04, .nan, 0], [0, 0, 0]]", "microphone 0 of the array is at .*finite numbers"),
        ("kind: array\npositions_m: [[0.04, 0, 0], [0, 0]]", "microphone 1 of the array"),
        ("kind: array\npositions_m: [[0.04, 0, 0], [0, 0, 0], [0.04, 0, 0]]", "microphones 0 and 2 are both at"),
        ("kind: array\npositions_m: [[8, 0, 0], [-8, 0, 0]]", "16 m apart; are the coordinates in centimetres.*refused"),
        ("kind: array\nsofa: none.sofa", "sofa is 'none.sofa'; there is no such file relative to this one"),
        ("kind: array\nkind: mono", "key kind stands twice"),
        ("kind: [", "not YAML"),
        ("", "expected keys with values"),
    ],
)
def test_a_wrong_file_is_refused_in_words_that_name_it(tmp_path, text, said):
    path = written(tmp_path, text)
    with pytest.raises(AudioError, match=said) as raised:
        read_microphone(path)
    assert str(raised.value).startswith(f"{path}: ")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(AudioError, match=r"none.yaml: no such file; give a YAML or JSON file that describes a microphone"):
        as_format(f"{tmp_path}/none.yaml")


def test_a_wide_array_is_asked_about(tmp_path):
    with pytest.warns(UserWarning, match="4 m apart; are the coordinates in centimetres"):
        read_microphone(written(tmp_path, "kind: array\npositions_m: [[2, 0, 0], [-2, 0, 0]]"))
