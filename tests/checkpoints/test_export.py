"""A released file, converted, saved, loaded and exported, has the same keys, shapes, types and bits; what the official
layout cannot express is refused by the name of the field."""

import json

import pytest
import torch

from spatial_llm import SpatialLLM
from spatial_llm.audio.spectral import mel_filters
from spatial_llm.checkpoints import convert_bat, convert_spatial_ast, export_encoder, export_folder
from spatial_llm.checkpoints.bat import check_bat
from spatial_llm.checkpoints.official_names import constants, idle_tensors
from spatial_llm.cli import main
from spatial_llm.encoders import (
    DSpASTConfig,
    DSpASTForLocalization,
    DSpASTModel,
    SpatialASTConfig,
    SpatialASTForLocalization,
    SpatialASTModel,
)
from spatial_llm.encoders.readout import EncoderHeads
from spatial_llm.errors import CheckpointError
from spatial_llm.model import SpatialLLMConfig, SpatialLLMForConditionalGeneration, SpatialLLMProcessor
from spatial_llm.testing import tiny_config, tiny_processor
from tests.checkpoints.test_bat import _language_model
from tests.checkpoints.test_encoders import CONVERT, SMALL, small
from tests.golden import golden

WITH_HEADS = {"spatial_ast": SpatialASTForLocalization, "dspast": DSpASTForLocalization}


def released(name):
    """A small released file as the official code writes it: every key, with odd statistics and counts."""
    state, config = small(name)
    state |= constants(config) | idle_tensors(config)
    if name == "dspast":
        state |= {f"{head}_head.s": torch.tensor([7.5 + k]) for k, head in enumerate(("distance", "azimuth", "elevation"))}
    for key, shape, _ in json.loads((golden.HERE / f"{name}.keys.json").read_text()):
        if key.endswith("num_batches_tracked") and ".bn2." not in key:
            state[key] = torch.tensor(2**40 + (5 if key.startswith("bn") else len(key)))
            assert shape == []
    return state, config


def assert_same_bits(given, expected):
    assert given.keys() == expected.keys()
    for key, tensor in expected.items():
        assert (given[key].dtype, given[key].shape) == (tensor.dtype, tensor.shape), key
        assert given[key].numpy().tobytes() == tensor.numpy().tobytes(), key


@pytest.mark.parametrize("name", list(CONVERT))
def test_an_encoder_comes_back_bit_for_bit(name, tmp_path, capsys):
    state, config = released(name)
    CONVERT[name](state, config)[0].save_pretrained(tmp_path / "folder")
    assert main(["export", name, str(tmp_path / "folder"), str(tmp_path / "back.pth")]) == 0
    root = torch.load(tmp_path / "back.pth", weights_only=True)
    assert list(root) == ["model"]
    assert_same_bits(root["model"], state)
    printed = capsys.readouterr().out
    assert f"{len(state)} tensors" in printed and "num_attention_heads 4" in printed and "not in it" in printed
    assert (tmp_path / "back.pth").stat().st_size < 1.3 * sum(tensor.nbytes for tensor in state.values()) + 2**17


@pytest.mark.parametrize("name", list(CONVERT))
def test_full_size_has_the_names_and_shapes_of_the_official_code(name):
    with torch.device("meta"):
        model = WITH_HEADS[name](SpatialASTConfig() if name == "spatial_ast" else DSpASTConfig())
    state = export_encoder(model)
    wanted = {key: tuple(shape) for key, shape, _ in json.loads((golden.HERE / f"{name}.keys.json").read_text())}
    assert {key: tuple(tensor.shape) for key, tensor in state.items()} == wanted
    assert {tensor.dtype for key, tensor in state.items() if not key.endswith("num_batches_tracked")} == {torch.float32}


def test_half_precision_is_written_as_float32_and_float64_is_refused():
    state, config = released("spatial_ast")
    model = CONVERT["spatial_ast"](state, config)[0]
    assert torch.equal(export_encoder(model.bfloat16())["head.weight"], state["head.weight"].bfloat16().float())
    with pytest.raises(CheckpointError, match=r"float64, and released files hold float32"):
        export_encoder(model.double())


@pytest.mark.slow  # librosa takes seconds to import
def test_constants_are_those_of_torchlibrosa():
    stft = pytest.importorskip("torchlibrosa.stft")
    kernels = stft.STFT(n_fft=1024, hop_length=320, win_length=1024, window="hann")
    filters = stft.LogmelFilterBank(sr=32_000, n_fft=1024, n_mels=128, fmin=50, fmax=14_000)
    official = {
        "spectrogram_extractor.conv_real.weight": kernels.conv_real.weight.detach(),
        "spectrogram_extractor.conv_imag.weight": kernels.conv_imag.weight.detach(),
        "logmel_extractor.melW": filters.melW.detach(),
    }
    assert_same_bits(constants(SpatialASTConfig()), official)


def test_mel_matrix_is_that_of_the_front_end():
    ours = mel_filters(32_000, 1024, 128, 50, 14_000)
    assert (constants(SpatialASTConfig())["logmel_extractor.melW"] - ours).abs().max() < 2e-7


@pytest.mark.parametrize(("name", "field", "value"), [
    ("spatial_ast", "num_mel_bins", 64), ("spatial_ast", "hop_length", 160), ("spatial_ast", "duration_s", 2.0),
    ("spatial_ast", "layer_norm_eps", 1e-5), ("spatial_ast", "num_azimuth_classes", 72),
    ("spatial_ast", "fusion_channels", 4), ("spatial_ast", "patch_size", [8, 8]),
    ("dspast", "cues", ["logmel_left", "logmel_right", "ild"]), ("dspast", "feature_attention", False),
])  # fmt: skip
def test_what_the_official_code_cannot_build_is_refused_by_field(name, field, value):
    config = (SpatialASTConfig if name == "spatial_ast" else DSpASTConfig)(**SMALL, **{field: value})
    with torch.device("meta"):
        model = WITH_HEADS[name](config)
    with pytest.raises(CheckpointError, match=rf"official {name} cannot express it: .*{field} is"):
        export_encoder(model)


def refused(capsys, file, *arguments):
    assert main(["export", *map(str, arguments), str(file)]) == 1
    assert not file.exists()
    return capsys.readouterr().err


def test_folders_of_another_kind_are_refused(tmp_path, capsys):
    DSpASTModel(DSpASTConfig(**SMALL)).save_pretrained(tmp_path / "bare")
    file = tmp_path / "x.pth"
    assert "its encoder has no heads with it" in refused(capsys, file, "dspast", tmp_path / "bare")
    assert "its encoder is of type dspast, not spatial_ast" in refused(capsys, file, "spatial_ast", tmp_path / "bare")
    assert "a dspast, expected a spatial_llm" in refused(capsys, file, "bat", tmp_path / "bare")
    assert "no config.json in this folder" in refused(capsys, file, "dspast", tmp_path / "none")
    said = refused(capsys, file, "dspast", "tiny")
    assert "num_mel_bins is 64, not 128" in said and "cues is" in said
    assert "cues is" in refused(capsys, file, "bat", "tiny")
    assert "x.pth" in refused(capsys, tmp_path / "bare" / "config.json" / "x.pth", "dspast", tmp_path / "bare")


@pytest.fixture(scope="module")
def bat():
    """What the released file of a BAT of toy size holds, and the composite made of it."""
    state = {key: one for key, one in golden.bat_state_dict().items() if "lora_" in key or key.startswith("encoder_")}
    encoder = SpatialASTModel(SpatialASTConfig(num_hidden_layers=1, num_event_classes=5))
    return state, convert_bat(state, encoder=encoder, language_model=_language_model())[0]


def test_bat_comes_back_bit_for_bit(bat, tmp_path, capsys):
    state, model = bat
    model.save_pretrained(tmp_path / "bat")
    assert main(["export", "bat", str(tmp_path / "bat"), str(tmp_path / "model.pt")]) == 0
    back = torch.load(tmp_path / "model.pt", weights_only=True)
    assert_same_bits(back, {key: torch.from_numpy(value) for key, value in state.items()})
    assert "alpha (32)" in capsys.readouterr().out
    # The same folder holds an encoder, without heads until they are saved beside it.
    assert "no heads with it" in refused(capsys, tmp_path / "x.pth", "spatial_ast", tmp_path / "bat")


def test_the_encoder_of_a_composite_is_exported_with_its_heads(tmp_path):
    state, config = released("spatial_ast")
    config.event_labels = list("abcde")
    whole = convert_spatial_ast(state, config)[0]
    tiny = tiny_config("SpatialLLMForConditionalGeneration")
    projector = {"hidden_size": 48, "num_attention_heads": 4, "num_hidden_layers": 1, "intermediate_size": 64}
    fields = {"projector_config": projector, "text_config": tiny.text_config, "audio_token_id": tiny.audio_token_id}
    model = SpatialLLMForConditionalGeneration(SpatialLLMConfig(encoder_config=config, **fields))
    model.encoder.load_state_dict(whole.encoder.state_dict())
    processor = SpatialLLMProcessor.for_model(model, tiny_processor().tokenizer)
    SpatialLLM(model, processor, EncoderHeads(whole)).save_pretrained(tmp_path / "whole")
    export_folder("spatial_ast", tmp_path / "whole", tmp_path / "x.pth")
    assert_same_bits(torch.load(tmp_path / "x.pth", weights_only=True)["model"], state)


@pytest.mark.parametrize(("fields", "words"), [
    ({"fusion": {"type": "delayed"}}, r'its fusion is "delayed"'),
    ({"lora": None}, "it has no LoRA"),
    ({"projector_config": {"model_type": "spatial_mlp_projector"}}, "its projector is a spatial_mlp_projector"),
    ({"projector_config": {"standardize_inputs": True}}, "standardize_inputs is True, not False"),
    ({"projector_config": {"hidden_size": 128, "num_attention_heads": 4}}, "num_attention_heads of its projector is 4"),
    ({"encoder_config": {"num_mel_bins": 64}}, "num_mel_bins is 64, not 128"),
    ({"encoder_config": {"model_type": "parallel"}}, "its encoder is of type parallel"),
])  # fmt: skip
def test_what_is_no_bat_is_refused(bat, fields, words):
    config = bat[1].config
    given = {"encoder_config": config.encoder_config, "text_config": config.text_config, "lora": config.lora, **fields}
    if given["encoder_config"] == {"model_type": "parallel"}:
        given["encoder_config"] = tiny_config("ParallelEncoder")
    with pytest.raises(CheckpointError, match=words):
        check_bat(SpatialLLMConfig(**given), "FOLDER")
