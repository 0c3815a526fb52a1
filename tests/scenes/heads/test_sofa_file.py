"""SOFA files of every shape that the standard allows give the same directions; what it does not allow is a sentence."""

import numpy as np
import pytest
import sofar

from spatial_llm.errors import SceneError
from spatial_llm.geometry import direction_to_vector, great_circle_deg
from spatial_llm.scenes.heads.hrtf import kemar, read_sofa
from spatial_llm.scenes.heads.sofa_file import read_measured_head
from tests.scenes.sofa_files import RATE, kemar_sofa, rewritten, write_kemar

HEAD = kemar(RATE)
COUNT = len(HEAD.directions)
SMALL = (HEAD.elevation_deg == 0) | (HEAD.elevation_deg == 90)
CARTESIAN = {"SourcePosition_Type": "cartesian", "SourcePosition_Units": "metre"}


def off_deg(path, chosen=None) -> float:
    """The largest angle between the direction of a response in the file and where KEMAR has it."""
    head = read_measured_head(path)
    chosen = slice(None) if chosen is None else chosen
    azimuth_deg, elevation_deg = HEAD.azimuth_deg[chosen], HEAD.elevation_deg[chosen]
    assert len(head.responses) == len(azimuth_deg)
    return float(great_circle_deg(head.azimuth_deg, head.elevation_deg, azimuth_deg, elevation_deg).max())


@pytest.mark.parametrize("listener", [[0.0, 0.0, 1.2], [0.0, 0.0, 0.05], [0.3, 0.0, 0.0], [-2.0, 5.0, 1.7]])
def test_directions_are_from_where_the_listener_stands(tmp_path, listener):
    sources = direction_to_vector(HEAD.azimuth_deg, HEAD.elevation_deg, 1.4) + listener
    path = write_kemar(tmp_path / "head.sofa", SourcePosition=sources, ListenerPosition=np.array([listener]), **CARTESIAN)
    assert off_deg(path) < 1e-6
    head = read_sofa(path, RATE)
    assert len(head.directions) == COUNT  # one shell, however the radii round
    np.testing.assert_allclose(head.responses[head.nearest(HEAD.directions)], HEAD.responses, atol=2e-3)


def test_positions_of_the_listener_in_any_shape_and_type(tmp_path):
    sources = direction_to_vector(HEAD.azimuth_deg, HEAD.elevation_deg, 1.4)
    rng = np.random.default_rng(0)
    moving = rng.uniform(-0.5, 0.5, (COUNT, 3))
    path = write_kemar(tmp_path / "moving.sofa", SourcePosition=sources + moving, ListenerPosition=moving, **CARTESIAN)
    assert off_deg(path) < 1e-6
    spherical = {"ListenerPosition_Type": "spherical", "ListenerPosition_Units": "degree, degree, metre"}
    path = write_kemar(
        tmp_path / "spherical.sofa", SourcePosition=sources + np.array([0.0, 2.0, 0.0]),
        ListenerPosition=np.array([[90.0, 0.0, 2.0]]), **spherical, **CARTESIAN,
    )  # fmt: skip
    assert off_deg(path) < 1e-6


@pytest.mark.parametrize("turn_deg", [30.0, 90.0, 180.0, -120.0])
@pytest.mark.parametrize("form", ["cartesian", "spherical", "each"])
def test_directions_are_turned_into_the_listeners_view(tmp_path, turn_deg, form):
    azimuth_deg = (HEAD.azimuth_deg + turn_deg) % 360
    fields = {"SourcePosition": np.column_stack([azimuth_deg, HEAD.elevation_deg, np.full(COUNT, 1.4)])}
    view = direction_to_vector(turn_deg, 0.0)
    if form == "spherical":
        fields |= {"ListenerView_Type": "spherical", "ListenerView_Units": "degree, degree, metre"}
        view = [turn_deg % 360, 0.0, 1.0]  # and ListenerUp stays at its default, [0, 0, 1]
    fields["ListenerView"] = np.tile(view, (COUNT if form == "each" else 1, 1))
    path = write_kemar(tmp_path / "turned.sofa", **fields)
    assert off_deg(path) < 1e-6
    if form == "cartesian":
        assert len(read_sofa(path, RATE).directions) == COUNT


def test_a_turntable_and_a_listener_who_lies_on_one_side(tmp_path):
    """One loudspeaker that stands still, the listener turned; and a head with its crown along y."""
    horizon = HEAD.elevation_deg == 0
    azimuth_deg = HEAD.azimuth_deg[horizon]
    view = np.column_stack([-azimuth_deg % 360, np.zeros(len(azimuth_deg)), np.ones(len(azimuth_deg))])
    path = write_kemar(
        tmp_path / "turntable.sofa", horizon, SourcePosition=np.tile([0.0, 0.0, 1.4], (len(azimuth_deg), 1)),
        ListenerView=view, ListenerView_Type="spherical", ListenerView_Units="degree, degree, metre",
    )  # fmt: skip
    assert off_deg(path, horizon) < 1e-6
    once = rewritten(path, tmp_path / "once.sofa", SourcePosition=np.array([[0.0, 0.0, 1.4]]))
    assert off_deg(once, horizon) < 1e-6
    forward, left, up = HEAD.directions.T
    lying = 1.4 * np.column_stack([forward, up, -left])  # up is y, so left is -z
    path = write_kemar(tmp_path / "lying.sofa", SourcePosition=lying, ListenerUp=np.array([[0.0, 1.0, 0.0]]), **CARTESIAN)
    assert off_deg(path) < 1e-6


def test_units_and_emitters(tmp_path):
    path = write_kemar(tmp_path / "plain.sofa", SMALL)
    source = kemar_sofa(SMALL).SourcePosition
    radians = rewritten(
        path, tmp_path / "radian.sofa", SourcePosition=np.column_stack([np.deg2rad(source[:, :2]), source[:, 2]])
    )
    with pytest.raises(SceneError, match="expected a direction to the side"):
        read_sofa(radians, RATE)  # said to be degrees
    attributes = {"SourcePosition": {"Units": "radian, radian, meter"}}
    assert off_deg(rewritten(radians, tmp_path / "right.sofa", **attributes), SMALL) < 1e-6
    xyz = direction_to_vector(source[:, 0], source[:, 1], 1.4)
    moved = write_kemar(
        tmp_path / "emitter.sofa", SMALL, SourcePosition=xyz - [0.2, 0.0, 0.1], EmitterPosition=np.array([[0.2, 0.0, 0.1]]),
        **CARTESIAN,
    )  # fmt: skip
    assert off_deg(moved, SMALL) < 1e-6


def test_delays_of_any_valid_shape(tmp_path):
    each = np.zeros((SMALL.sum(), 2))
    each[3] = 7.0
    head = read_measured_head(write_kemar(tmp_path / "each.sofa", SMALL, Data_Delay=each))
    known = read_measured_head(write_kemar(tmp_path / "none.sofa", SMALL))
    np.testing.assert_allclose(head.responses[3, :, 7:], known.responses[3], atol=1e-12)
    np.testing.assert_allclose(head.responses[4, :, :-7], known.responses[4], atol=1e-12)


WHOLE = {"SourcePosition": kemar_sofa(SMALL).SourcePosition, "Data__IR": kemar_sofa(SMALL).Data_IR}
UNWRITTEN = np.ma.masked_array(WHOLE["Data__IR"], mask=np.arange(240) > 200 + 0 * WHOLE["Data__IR"])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"SourcePosition": WHOLE["SourcePosition"][:, :2]}, r"SourcePosition is \(73, 2\); expected \(1, 3\) or \(73, 3\)"),
        ({"SourcePosition": WHOLE["SourcePosition"][:-1]}, r"SourcePosition is \(72, 3\)"),
        ({"SourcePosition": WHOLE["SourcePosition"].T}, r"SourcePosition is \(3, 73\)"),
        ({"SourcePosition": WHOLE["SourcePosition"] * [1, np.nan, 1]}, "SourcePosition holds values that are not finite"),
        ({"SourcePosition": WHOLE["SourcePosition"] * [1, -1, 1] + [0, 90, 0] + [0, 90.5, 0]}, "colatitude"),
        ({"SourcePosition": WHOLE["SourcePosition"][:1]}, "73 responses from one position"),
        ({"SourcePosition": None}, "SourcePosition is missing"),
        ({"SourcePosition": {"Type": "polar"}}, "SourcePosition:Type is 'polar'"),
        ({"SourcePosition": {"Units": "gon, gon, metre"}}, "SourcePosition:Units is 'gon, gon, metre'"),
        ({"Data__SamplingRate": np.array([32.0])}, "not kilohertz"),
        ({"Data__SamplingRate": np.array([np.nan])}, "one rate in hertz"),
        ({"Data__SamplingRate": np.array([32000.0, 44100.0])}, "one rate in hertz"),
        ({"Data__SamplingRate": None}, "Data_SamplingRate is missing"),
        ({"Data__IR": UNWRITTEN}, "not finite"),
        ({"Data__IR": WHOLE["Data__IR"][:, 0]}, r"with data \(73, 240\)"),
        ({"Data__Delay": np.array([[0.0, np.nan]])}, "Data.Delay runs from"),
        ({"Data__Delay": np.array([[0.0, 1e9]])}, "differ by at most 0.1 s"),
        ({"Data__Delay": np.zeros((5, 2))}, r"Data.Delay is \(5, 2\)"),
        ({"ListenerPosition": np.zeros((4, 3))}, r"ListenerPosition is \(4, 3\)"),
        ({"ListenerPosition": np.full((1, 3), np.inf)}, "ListenerPosition holds values that are not finite"),
        ({"ListenerView": np.zeros((1, 3))}, "ListenerView has no length"),
        ({"ListenerUp": np.array([[2.0, 0.0, 0.0]])}, "along ListenerView"),
        ({"EmitterPosition": np.zeros((4, 3, 1))}, r"EmitterPosition is \(4, 3, 1\)"),
        ({"GLOBAL_SOFAConventions": "FreeFieldHRIR"}, "FreeFieldHRIR with data"),
        ({"GLOBAL_SOFAConventions": "SingleRoomSRIR"}, "SingleRoomSRIR with data"),
    ],
)
def test_what_cannot_be_is_a_sentence(tmp_path, changed, said):
    path = rewritten(write_kemar(tmp_path / "good.sofa", SMALL), tmp_path / "bad.sofa", **changed)
    with pytest.raises(SceneError, match=f"bad.sofa: .*{said}"):
        read_sofa(path, RATE)


@pytest.mark.parametrize("convention", ["GeneralFIR", "GeneralTF", "SimpleFreeFieldHRTF", "SimpleFreeFieldHRSOS"])
def test_other_conventions_are_named(tmp_path, convention):
    sofar.write_sofa(str(tmp_path / "other.sofa"), sofar.Sofa(convention))
    with pytest.raises(SceneError, match=f"other.sofa: {convention} .* expected SimpleFreeFieldHRIR"):
        read_sofa(tmp_path / "other.sofa")


def test_cut_and_damaged_files(tmp_path):
    sofar.write_sofa(str(tmp_path / "good.sofa"), kemar_sofa(SMALL))  # compressed, as files are as a rule
    good = (tmp_path / "good.sofa").read_bytes()
    bad, rng, refused = tmp_path / "bad.sofa", np.random.default_rng(0), 0
    cuts = [good[:length] for length in (0, 1, 8, 100, 2000, len(good) // 2, len(good) - 1)]
    flipped = []
    for _ in range(60):
        each = bytearray(good)
        for position in rng.integers(len(good), size=4):
            each[position] ^= 1 << int(rng.integers(8))
        flipped.append(bytes(each))
    known = read_sofa(tmp_path / "good.sofa", RATE)
    for number, content in enumerate([*cuts, *flipped, b"text", b"\x89HDF\r\n\x1a\n" + bytes(200)]):
        bad.write_bytes(content)
        try:
            head = read_sofa(bad, RATE)
        except SceneError as error:
            assert str(error).startswith(str(bad))
            refused += 1
        else:
            assert number >= len(cuts), "a cut file is none"
            np.testing.assert_array_equal(head.responses, known.responses)  # the bits of no consequence
    assert refused > 30
    for absent in (tmp_path / "none.sofa", tmp_path):
        with pytest.raises(SceneError, match="no such file"):
            read_sofa(absent)
