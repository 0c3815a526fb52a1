"""An encoder of the sound field: one set of weights for batches of different microphones, its extractor and its config."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pyroomacoustics.doa import fibonacci_spherical_sampling

from spatial_llm.audio.ambisonics import to_fuma
from spatial_llm.audio.cues import DSPAST_CUES, FIELD_CUES, INTENSITY_CUES
from spatial_llm.audio.formats import Ambisonics, Array
from spatial_llm.encoders.configuration_dspast import DSpASTConfig
from spatial_llm.encoders.feature_extraction_spatial import SpatialFeatureExtractor
from spatial_llm.encoders.modeling_dspast import DSpASTModel
from spatial_llm.errors import AudioError, SpatialLLMError
from tests.audio.cues.waves import MICROPHONES, RATE, array, band, waves
from tests.scenes.microphones.test_measured import OPEN, write_array

ROOM = np.array([[1.0, 0.5, 0.2], [-0.3, 1.0, -0.4]])
FRONT_END = {"n_fft": 512, "hop_length": 512, "num_mel_bins": 16, "f_min": 150.0, "f_max": 12_000.0}
FIELD = {"audio_format": "field", "cues": FIELD_CUES, "normalized_cues": FIELD_CUES}
SIZES = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "num_frames": 9,
         "patch_size": (9, 8), "duration_s": 0.128, "num_event_classes": 3}  # fmt: skip
CONFIG = DSpASTConfig(**SIZES, **FRONT_END, **FIELD)
MIXED = {name: MICROPHONES[name] for name in ("foa", "hoa3", "glasses", "rigid tetrahedron", "ring")}


def recordings() -> list[np.ndarray]:
    return [waves(format, ROOM) for format in MIXED.values()]


def test_a_batch_of_different_microphones_is_its_members():
    extractor = CONFIG.feature_extractor()
    batch = extractor(recordings(), RATE, "pt", formats=list(MIXED.values()))["input_features"]
    assert batch.shape == (5, *CONFIG.input_shape) == (5, 20, 9, 16)
    for row, (recording, format) in enumerate(zip(recordings(), MIXED.values(), strict=True)):
        alone = extractor(recording, RATE, "pt", formats=format.text)["input_features"]
        torch.testing.assert_close(alone[0], batch[row])
    torch.manual_seed(0)
    model = DSpASTModel(CONFIG).eval()
    with torch.no_grad():
        output = model(batch)
        assert output.feature_attention.shape == (5, 3, 20)
        torch.testing.assert_close(model(batch[2:3]).last_hidden_state[0], output.last_hidden_state[2], atol=1e-5, rtol=1e-4)


def test_what_recorded_is_never_guessed():
    extractor, four = CONFIG.feature_extractor(), waves(MICROPHONES["foa"], ROOM)
    with pytest.raises(AudioError, match=r"it is not said what the recording was made with; .*give its format"):
        extractor(four, RATE)
    with pytest.raises(AudioError, match="it is not said what the recording was made with"):
        extractor([], RATE)
    for format, words in (
        ("binaural", "recording 0 is binaural with 2 channels; the encoder takes field"),
        (Ambisonics(1, "fuma"), "recording 0 is ambisonics1-fuma"),
        (MICROPHONES["ring"], "8 channels needed, got 4"),
        (["foa", "foa"], "2 formats for 1 recordings"),
    ):
        with pytest.raises(AudioError, match=words):
            extractor(four, RATE, formats=format)
    converted = Ambisonics(1, "fuma").to_internal(to_fuma(four))
    found = extractor(converted, RATE, "pt", formats="foa")["input_features"]
    torch.testing.assert_close(found, extractor(four, RATE, "pt", formats="foa")["input_features"], atol=1e-4, rtol=1e-4)


def test_an_extractor_may_know_the_microphone_and_keeps_it(tmp_path):
    settings = {"feature_size": 16, "n_fft": 512, "hop_length": 512, "cues": FIELD_CUES, "audio_format": "field"}
    text = MICROPHONES["rigid tetrahedron"].text
    extractor, recording = SpatialFeatureExtractor(**settings, microphone=text), recordings()[3]
    extractor.save_pretrained(tmp_path)
    loaded = SpatialFeatureExtractor.from_pretrained(tmp_path)
    assert loaded.microphone == text and loaded.default_format == MICROPHONES["rigid tetrahedron"]
    given = SpatialFeatureExtractor(**settings)
    assert "microphone" not in given.to_dict()  # saved settings of before stay as they were
    found = loaded(recording, RATE, "pt")["input_features"]
    torch.testing.assert_close(found, given(recording, RATE, "pt", formats=text)["input_features"])
    with pytest.raises(AudioError, match="microphone is binaural with 2 channels; the feature extractor takes field"):
        SpatialFeatureExtractor(**settings, microphone="binaural")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"cues": FIELD_CUES, "normalized_cues": ()}, "audio_format is 'binaural', the cues .* are for 'field'"),
        ({"cues": DSPAST_CUES, "audio_format": "field"}, "audio_format is 'field', the cues .* are for 'binaural'"),
        ({"cues": INTENSITY_CUES, "audio_format": "field", "normalized_cues": ()}, "are for 'field:ambisonics'"),
        ({"cues": [*FIELD_CUES, "ild"], "audio_format": "field"}, "are not of one set"),
        (FIELD | {"normalized_cues": ["ild"]}, r"normalized_cues \['ild'\] are not among the cues"),
        ({"audio_format": "foa"}, "audio_format is 'foa'"),
    ],
)
def test_cues_and_format_of_a_config_belong_together(fields, words):
    with pytest.raises(SpatialLLMError, match=words):
        DSpASTConfig(**fields)


def test_intensity_encoders_take_ambisonics_of_every_order_and_no_array():
    config = DSpASTConfig(
        **SIZES, **FRONT_END, cues=INTENSITY_CUES, normalized_cues=INTENSITY_CUES, audio_format="field:ambisonics"
    )
    extractor = config.feature_extractor()
    first, third, tetrahedron = recordings()[0], recordings()[1], recordings()[3]
    both = extractor([first, third], RATE, "pt", formats=["foa", "ambisonics3"])["input_features"]
    assert both.shape == (2, 8, 9, 16)
    with pytest.raises(AudioError, match=r"recording 0 is array4-.* takes field:ambisonics"):
        extractor(tetrahedron, RATE, formats=MICROPHONES["rigid tetrahedron"])


def test_one_microphone_more_at_the_same_place_is_still_finite():
    pair = array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    features = CONFIG.feature_extractor()(waves(pair, ROOM), RATE, "pt", formats=pair)["input_features"]
    assert torch.isfinite(features).all()


@pytest.mark.slow
def test_a_measured_array_is_heard_as_the_array_itself(tmp_path):
    directions = fibonacci_spherical_sampling(1500).T
    path = write_array(tmp_path / "array.sofa", directions)
    own, measured = OPEN, replace(OPEN, sofa=path)
    extractor, recording = CONFIG.feature_extractor(), waves(OPEN, ROOM)
    one, other = (extractor(recording, RATE, "pt", formats=each)["input_features"][0] for each in (measured, own))
    below = band(300, 5000, extractor.front_end)
    assert torch.linalg.norm((one - other)[1:16, :, below]) < 0.15 * torch.linalg.norm(other[1:16, :, below])


@pytest.mark.slow
def test_above_half_the_rate_of_measured_responses_nothing_is_told(tmp_path):
    path = write_array(tmp_path / "slow.sofa", Data_SamplingRate=16_000.0)
    slow = Array(tuple(tuple(2 * value for value in position) for position in OPEN.positions_m), sofa=path)
    features = CONFIG.feature_extractor()(waves(OPEN, ROOM), RATE, "pt", formats=slow)["input_features"][0]
    above = band(8500, 12_000, CONFIG.feature_extractor().front_end)
    assert torch.isfinite(features).all() and features[1:16, :, above].abs().max() < 1e-3


@pytest.mark.slow
def test_a_file_of_measured_responses_that_is_replaced_is_read_again(tmp_path):
    path, extractor, recording = tmp_path / "array.sofa", CONFIG.feature_extractor(), waves(OPEN, ROOM)
    measured = replace(OPEN, sofa=write_array(path, fibonacci_spherical_sampling(400).T))
    before = extractor(recording, RATE, "pt", formats=measured)["input_features"]
    write_array(path)  # 150 directions in place of 400
    assert not torch.equal(extractor(recording, RATE, "pt", formats=measured)["input_features"], before)
