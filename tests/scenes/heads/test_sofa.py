"""Heads from SOFA files: what is read is what was measured, left is left, and bad files say what is wrong."""

import numpy as np
import pytest
import sofar

from spatial_llm.audio.formats import parse_format
from spatial_llm.errors import SceneError
from spatial_llm.geometry import direction_to_vector
from spatial_llm.scenes.heads.hrtf import interaural_delay_s, kemar, read_sofa
from spatial_llm.scenes.microphones import microphone_of, receive
from spatial_llm.scenes.room.arrivals import simulate_arrivals
from tests.scenes.ears import anechoic

RATE = 32000
FILES = [
    "mit_kemar_normal_pinna.sofa",
    "FHK_HRIR_L2354.sofa",
    "LISTEN_1002_IRC_1002_C_HRIR.sofa",
    "HRIR_CIRC360_NF025.sofa",
    "HRIR_CIRC360_NF050.sofa",
    "HRIR_CIRC360_NF100.sofa",
]


def write_sofa(path, whole=False, **changes) -> str:
    """A small head: KEMAR at the horizon and straight up, or `whole`, with fields of the file exchanged for others."""
    head = kemar(RATE)
    chosen = (head.elevation_deg == 0) | (head.elevation_deg == 90) | whole
    sofa = sofar.Sofa("SimpleFreeFieldHRIR")
    sofa.Data_IR = head.responses[chosen].astype(float)
    sofa.Data_SamplingRate = float(RATE)
    azimuth_deg, elevation_deg = head.azimuth_deg[chosen] % 360, head.elevation_deg[chosen]
    sofa.SourcePosition = np.column_stack([azimuth_deg, elevation_deg, np.full(len(azimuth_deg), 1.4)])
    sofa.Data_Delay = np.zeros((1, 2))
    for name, change in changes.items():
        setattr(sofa, name, change(np.array(getattr(sofa, name))))
    sofar.write_sofa(str(path), sofa)
    return str(path)


def delay_of(head, azimuth_deg) -> float:
    return interaural_delay_s(head.responses[head.nearest(direction_to_vector(azimuth_deg, 0.0))], head.sampling_rate)


def test_what_is_read_is_what_was_written(tmp_path):
    head, known = read_sofa(write_sofa(tmp_path / "head.sofa"), RATE), kemar(RATE)
    assert head.responses.dtype == np.float32 and head.responses.shape == (73, 2, 240) and head.azimuth_deg.max() == 180
    front = head.responses[head.nearest(np.array([1.0, 0, 0]))]
    assert np.sqrt(np.mean(np.sum(front.astype(float) ** 2, axis=1))) == pytest.approx(1, abs=1e-5)
    for azimuth_deg in (0.0, 45.0, 90.0, -60.0):
        assert delay_of(head, azimuth_deg) == pytest.approx(delay_of(known, azimuth_deg), abs=3e-6)
    waves = microphone_of(parse_format(f"binaural:{tmp_path / 'head.sofa'}"), RATE).free_field(np.eye(3))
    np.testing.assert_array_equal(waves, head.responses[head.nearest(np.eye(3))])


def test_short_responses_are_kept_whole(tmp_path):
    head = read_sofa(write_sofa(tmp_path / "short.sofa", Data_IR=lambda h: h[..., :80]), RATE)
    known = kemar(RATE).responses[kemar(RATE).nearest(head.directions)][..., :80]
    assert 72 <= head.responses.shape[-1] <= 80
    lead = 80 - head.responses.shape[-1]
    scale = np.sum(head.responses * known[..., lead:]) / np.sum(known**2)
    np.testing.assert_allclose(head.responses, scale * known[..., lead:], atol=1e-3)


def test_cartesian_positions_delays_and_several_distances(tmp_path):
    plain = read_sofa(write_sofa(tmp_path / "plain.sofa"), RATE)
    spherical_to_xyz = {
        "SourcePosition": lambda p: direction_to_vector(p[:, 0], p[:, 1], p[:, 2]),
        "SourcePosition_Type": lambda _: "cartesian",
        "SourcePosition_Units": lambda _: "metre",
    }
    cartesian = read_sofa(write_sofa(tmp_path / "cartesian.sofa", **spherical_to_xyz), RATE)
    np.testing.assert_allclose(cartesian.directions, plain.directions, atol=1e-9)
    np.testing.assert_array_equal(cartesian.responses, plain.responses)
    # the delay of the right ear told apart from its responses, which are cut to begin earlier by as much
    delayed = read_sofa(
        write_sofa(
            tmp_path / "delayed.sofa",
            Data_IR=lambda h: np.stack([h[:, 0], np.roll(h[:, 1], -6, axis=-1)], axis=1),
            Data_Delay=lambda _: np.array([[100.0, 106.0]]),
        ),
        RATE,
    )
    for azimuth_deg in (90.0, -30.0):
        assert delay_of(delayed, azimuth_deg) == pytest.approx(delay_of(plain, azimuth_deg), abs=3e-6)
    twice = read_sofa(
        write_sofa(
            tmp_path / "twice.sofa",
            Data_IR=lambda h: np.concatenate([0.1 * h, h]),
            SourcePosition=lambda p: np.concatenate([p * [1, 1, 0.5], p]),
        ),
        RATE,
    )
    np.testing.assert_allclose(twice.responses, plain.responses, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"Data_IR": lambda h: h[:, ::-1]}, "ears exchanged"),
        ({"SourcePosition": lambda p: p * [-1, 1, 1] % 360}, "counted clockwise"),
        ({"Data_IR": lambda h: h * np.nan}, "not finite"),
        ({"Data_IR": lambda h: h * 0}, "silent"),
        ({"ListenerView": lambda _: np.array([[0.0, 1.0, 0.0]])}, "ListenerView"),
    ],
)
def test_heads_that_cannot_be_right_are_refused(tmp_path, changes, said):
    with pytest.raises(SceneError, match=f"bad.sofa.*{said}"):
        read_sofa(write_sofa(tmp_path / "bad.sofa", **changes), RATE)


def test_files_that_are_not_heads_are_refused(tmp_path):
    with pytest.raises(SceneError, match="no such file"):
        read_sofa(tmp_path / "missing.sofa")
    (tmp_path / "text.sofa").write_text("no head")
    with pytest.raises(SceneError, match=r"text.sofa: cannot be read as SOFA"):
        read_sofa(tmp_path / "text.sofa")
    sofar.write_sofa(str(tmp_path / "filter.sofa"), sofar.Sofa("GeneralFIR"))
    with pytest.raises(SceneError, match=r"filter.sofa: GeneralFIR .* expected SimpleFreeFieldHRIR"):
        read_sofa(tmp_path / "filter.sofa")
    half = write_sofa(tmp_path / "half.sofa", Data_IR=lambda h: h[:, :1], Data_Delay=lambda _: np.zeros((1, 1)),
                      ReceiverPosition=lambda p: p[:1])  # fmt: skip
    with pytest.raises(SceneError, match=r"half.sofa: .*\(73, 1, 240\)"):
        read_sofa(half)


@pytest.mark.parametrize("name", FILES)
def test_measured_heads_hear_left_as_left(shared_audio, name):
    """Earlier and louder at the ear turned to the source, by what heads measure, also at 0.25 m; and so in a scene."""
    path = shared_audio / "hrtf" / name
    head = read_sofa(path, RATE)
    room, listener, (left_m,) = anechoic(90.0, 0.0, 1.5)
    (arrivals,) = simulate_arrivals(room, listener.position_m, [left_m])
    heard = receive(arrivals, parse_format(f"binaural:{path}"), listener.heading_deg, RATE, 1600)
    assert interaural_delay_s(heard, RATE) == pytest.approx(delay_of(head, 90.0), rel=0.1)
    for azimuth_deg, low_ms, high_ms in ((90.0, 0.5, 0.85), (45.0, 0.3, 0.6), (-45.0, -0.6, -0.3), (-90.0, -0.85, -0.5)):
        response = head.responses[head.nearest(direction_to_vector(azimuth_deg, 0.0))]
        assert low_ms < 1e3 * interaural_delay_s(response, RATE) < high_ms
        louder_db = 10 * np.log10(np.sum(response[0] ** 2) / np.sum(response[1] ** 2))
        assert np.sign(azimuth_deg) * louder_db > 5
    # the first sound of a near ear comes as soon after the start as KEMAR's
    onset = np.argmax(np.abs(response[1]) > 0.1 * np.abs(response[1]).max())
    assert 2 <= onset <= 16


def test_measured_kemar_is_the_packaged_one(shared_audio):
    """The file of the measurement, read as any other head: the same but for the symmetry, which the package enforces."""
    head, known = read_sofa(shared_audio / "hrtf" / "mit_kemar_normal_pinna.sofa", RATE), kemar(RATE)
    index = head.nearest(known.directions)
    assert np.max(np.linalg.norm(head.directions[index] - known.directions, axis=1)) < 1e-6
    assert np.sum((head.responses[index] - known.responses) ** 2) < 0.01 * np.sum(known.responses**2)
