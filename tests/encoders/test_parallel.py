"""Several encoders side by side: each gives what it gives alone, by its own feature extractor and from its own ears."""

import json
import math

import numpy as np
import pytest
import soxr
import torch
from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    ASTForAudioClassification,
    ASTModel,
    AutoFeatureExtractor,
    AutoModel,
    ClapAudioConfig,
    ClapAudioModel,
    ClapFeatureExtractor,
    HubertConfig,
    HubertModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from spatial_llm import (
    DSpASTConfig,
    DSpASTForLocalization,
    DSpASTModel,
    ParallelEncoder,
    ParallelEncoderConfig,
    ParallelFeatureExtractor,
    SpatialASTConfig,
    SpatialASTModel,
)
from spatial_llm.errors import AudioError, CheckpointError, SpatialLLMError

RATE, SECONDS = 32_000, 1.0
# 8 rows x 2 columns of 0.125 s.
OURS = {
    "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48, "duration_s": SECONDS,
    "num_mel_bins": 32, "num_frames": 128, "patch_size": (16, 16), "num_event_classes": 5,
}  # fmt: skip
TRUNK = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 24}
WAVEFORM = TRUNK | {
    "conv_dim": (8, 8), "conv_kernel": (10, 8), "conv_stride": (40, 8), "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2,
}  # fmt: skip
CLAP = {
    "window_size": 2, "num_mel_bins": 16, "spec_size": 64, "depths": (1, 1), "num_attention_heads": (2, 2),
    "patch_embeds_hidden_size": 8, "hidden_size": 16, "num_hidden_layers": 2,
}  # fmt: skip


def ast():
    # Patches of 16 frames every 16: 8 rows, of which 7 begin within a second; 4 columns, every 4 mel bins.
    config = ASTConfig(**TRUNK, frequency_stride=5, time_stride=16, max_length=128, num_mel_bins=32)
    return ASTModel(config), ASTFeatureExtractor(max_length=128, num_mel_bins=32)


def clap(fused=False):
    fusion = {"enable_fusion": True, "aff_block_r": 2} if fused else {}
    config = ClapAudioConfig(**CLAP, **fusion)
    truncation = "fusion" if fused else "rand_trunc"
    return ClapAudioModel(config), ClapFeatureExtractor(feature_size=16, max_length_s=1, truncation=truncation)


def whisper():
    # Its window of 2 s is longer than the recording: 100 rows, of which 50 are of the recording.
    config = WhisperConfig(
        d_model=16, encoder_layers=3, encoder_attention_heads=2, encoder_ffn_dim=24, num_mel_bins=20,
        max_source_positions=100, vocab_size=40, decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=8,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
    )  # fmt: skip
    return WhisperEncoder(config), WhisperFeatureExtractor(feature_size=20, chunk_length=2)


KINDS = {
    "ast": ast,
    "clap": clap,
    "clap fused": lambda: clap(fused=True),
    "whisper": whisper,
    "wav2vec2": lambda: (Wav2Vec2Model(Wav2Vec2Config(**WAVEFORM)), Wav2Vec2FeatureExtractor()),
    "hubert": lambda: (HubertModel(HubertConfig(**WAVEFORM)), Wav2Vec2FeatureExtractor()),
    "wavlm": lambda: (WavLMModel(WavLMConfig(**WAVEFORM)), Wav2Vec2FeatureExtractor()),
}
# Their own grid within the recording, and that to which it is averaged: rows and columns of 8 x 2, coarser or finer.
OWN = {"ast": (7, 4), "clap": (32, 2), "clap fused": (32, 2), "whisper": (50, 1)} | dict.fromkeys(
    ("wav2vec2", "hubert", "wavlm"), (50, 1)
)
ROWS = {"ast": 4, "clap": None, "clap fused": None, "whisper": 16, "wav2vec2": 8, "hubert": 2, "wavlm": 24}


def built(kind):
    torch.manual_seed(0)
    model, extractor = KINDS[kind]()
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_()
    return model.eval(), extractor


def ours(config_class=SpatialASTConfig, model_class=SpatialASTModel, **changes):
    torch.manual_seed(1)
    return model_class(config_class(**OURS | changes)).eval()


def recording(seed=0, clips=None):
    random = np.random.default_rng(seed)
    shape = (2, RATE) if clips is None else (clips, 2, RATE)
    return (random.standard_normal(shape) * 0.1).astype(np.float32)


def encoded(parallel, waveforms):
    features = parallel.config.feature_extractor()(waveforms, sampling_rate=RATE, return_tensors="pt")["input_features"]
    assert features.shape[1:] == parallel.config.input_shape
    with torch.no_grad():
        return parallel(features).last_hidden_state


def alone(model, extractor, waveform, layer=None):
    """The documented way of a model of transformers, from one channel at 32 kHz: (tokens before the grid, grid)."""
    at_rate = soxr.resample(waveform, RATE, extractor.sampling_rate, quality="HQ")
    inputs = extractor(at_rate, sampling_rate=extractor.sampling_rate, return_tensors="pt")
    with torch.no_grad():
        output = model(**inputs, **({} if layer is None else {"output_hidden_states": True}))
    states = (output.last_hidden_state if layer is None else output.hidden_states[layer])[0]
    if isinstance(model, ASTModel):  # frequency by frequency, after CLS and distillation
        return states[:2], torch.stack([torch.stack([states[2 + f * 8 + t] for f in range(4)]) for t in range(7)])
    if isinstance(model, ClapAudioModel):  # (width, frequency, time)
        return states[:0, 0], torch.stack([states[:, :, t].T for t in range(states.shape[2])])
    return states[:0], states[:50, None]


def on_grid(grid, rows, high, wide):
    """(own rows, own columns, width) -> (high, wide, width), by the definition of each step."""
    if rows is not None:
        own = len(grid)
        bounds = [(i * own // rows, math.ceil((i + 1) * own / rows)) for i in range(rows)]
        grid = torch.stack([grid[start:stop].mean(dim=0) for start, stop in bounds])

    def cell(place, cells, tokens):
        if tokens <= cells:
            return slice(place * tokens // cells, place * tokens // cells + 1)
        return slice(place * tokens // cells, (place + 1) * tokens // cells)

    return torch.stack([
        torch.stack([grid[cell(t, high, len(grid)), cell(f, wide, grid.shape[1])].mean(dim=(0, 1)) for f in range(wide)])
        for t in range(high)
    ])  # fmt: skip


@pytest.mark.parametrize("channels", ["left", "right", "mean", "each"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_an_encoder_of_one_channel_gives_what_it_gives_alone(kind, channels):
    reference, (model, extractor) = ours(), built(kind)
    entry = {"encoder": model, "feature_extractor": extractor, "channels": channels, "rows": ROWS[kind]}
    parallel = ParallelEncoder.from_encoders([reference, entry])
    waveforms = recording(clips=2)
    output = encoded(parallel, waveforms)
    layout = parallel.config.token_layout
    passes, width = (2 if channels == "each" else 1), 16
    assert output.shape == (2, 3 + 8 * 2, 24 + passes * width) == (2, layout.num_tokens, parallel.config.hidden_size)
    assert layout.grid == (8, 2) and layout.seconds_per_row == 0.125
    assert layout.channel_slices == ((0, 24), *((24 + 16 * k, 40 + 16 * k) for k in range(passes)))
    rows, columns = ROWS[kind] or OWN[kind][0], OWN[kind][1]
    repeats = (max(1, 8 // rows), max(1, 2 // columns))
    assert layout.slice_cells == (None if repeats == (1, 1) else ((1, 1), *([repeats] * passes)))
    for clip, waveform in enumerate(waveforms):
        cues = reference.config.feature_extractor()(waveform, sampling_rate=RATE, return_tensors="pt")["input_features"]
        with torch.no_grad():
            torch.testing.assert_close(output[clip, :, :24], reference(cues).last_hidden_state[0], atol=2e-6, rtol=1e-5)
        heard = {"left": [waveform[0]], "right": [waveform[1]], "mean": [(waveform[0] + waveform[1]) / 2], "each": waveform}
        for (start, stop), channel in zip(layout.channel_slices[1:], heard[channels], strict=True):
            cls_tokens, grid = alone(model, extractor, channel)
            assert grid.shape == (*OWN[kind], width)
            wanted = on_grid(grid, ROWS[kind], 8, 2).flatten(0, 1)
            torch.testing.assert_close(output[clip, 3:, start:stop], wanted, atol=2e-5, rtol=1e-4)
            mean = cls_tokens.mean(dim=0) if len(cls_tokens) else grid_mean(grid, ROWS[kind])
            torch.testing.assert_close(output[clip, :3, start:stop], mean.expand(3, -1), atol=2e-5, rtol=1e-4)


def grid_mean(grid, rows):
    return on_grid(grid, rows, rows or len(grid), grid.shape[1]).mean(dim=(0, 1))


def test_ears_and_their_order_matter_as_stated():
    model, extractor = built("wav2vec2")
    left, right = recording()
    other = recording(seed=5)[0]

    def heard(channels, waveform):
        entry = {"encoder": model, "feature_extractor": extractor, "channels": channels, "rows": 8}
        return encoded(ParallelEncoder.from_encoders([ours(), entry]), np.stack(waveform))[0, :, 24:]

    for channels, same, changed in (("left", (left, other), (other, right)), ("right", (other, right), (left, other))):
        assert torch.equal(heard(channels, (left, right)), heard(channels, same))
        assert (heard(channels, (left, right)) - heard(channels, changed)).abs().max() > 1e-3
    assert torch.equal(heard("mean", (left, right)), heard("mean", (right, left)))
    both, swapped = heard("each", (left, right)), heard("each", (right, left))
    torch.testing.assert_close(both, torch.cat([swapped[:, 16:], swapped[:, :16]], dim=1))


@pytest.mark.parametrize("first", ["spatial_ast", "dspast"])
def test_both_encoders_of_ours_hear_both_ears_and_keep_their_slices(first):
    pair = [ours(), ours(DSpASTConfig, DSpASTModel)]
    models = pair if first == "spatial_ast" else pair[::-1]
    parallel = ParallelEncoder.from_encoders(models)
    waveform = recording()
    output = encoded(parallel, waveform)
    slices = {"spatial_ast": ((0, 24), (24, 32), (32, 40), (40, 48)), "dspast": ((0, 8), (8, 16), (16, 24), (24, 48))}
    assert parallel.config.token_layout.channel_slices == slices[first]
    assert parallel.config.token_layout.slice_cells is None
    for part, model in zip(output.split(24, dim=-1), models, strict=True):
        cues = model.config.feature_extractor()(waveform, sampling_rate=RATE, return_tensors="pt")["input_features"]
        with torch.no_grad():
            assert torch.equal(part, model(cues).last_hidden_state)


def test_another_rate_and_a_longer_window_of_ours_are_fed_as_alone():
    """A member at 16 kHz with a window of 2 s hears the recording and then silence, and what follows it is cut off."""
    reference = ours(DSpASTConfig, DSpASTModel)
    longer = ours(sampling_rate=16_000, f_max=8000.0, hop_length=160, duration_s=2.0, num_frames=256)
    parallel = ParallelEncoder.from_encoders([reference, longer])
    waveform = recording()
    padded = np.pad(soxr.resample(waveform.T, RATE, 16_000, quality="HQ").T, ((0, 0), (0, 16_000)))
    cues = longer.config.feature_extractor()(padded, sampling_rate=16_000, return_tensors="pt")["input_features"]
    with torch.no_grad():
        wanted = longer(cues).last_hidden_state[0, : 3 + 8 * 2]
    torch.testing.assert_close(encoded(parallel, waveform)[0, :, 24:], wanted, atol=2e-6, rtol=1e-5)


def test_an_encoder_of_one_channel_may_be_the_reference():
    model, extractor = built("whisper")
    entry = {"encoder": model, "feature_extractor": extractor, "channels": "mean", "rows": 25}
    clap_model, clap_extractor = built("clap")
    second = {"encoder": clap_model, "feature_extractor": clap_extractor, "channels": "left", "rows": 5, "columns": 1}
    parallel = ParallelEncoder.from_encoders([entry, second], duration_s=1.0)
    layout = parallel.config.token_layout
    assert (layout.num_cls_tokens, layout.grid, layout.slice_cells) == (0, (25, 1), ((1, 1), (5, 1)))
    assert (layout.seconds_per_row, parallel.config.sampling_rate, parallel.config.window_samples) == (0.04, 16_000, 16_000)
    at_rate = soxr.resample(recording().T, RATE, 16_000, quality="HQ").T
    features = parallel.config.feature_extractor()(at_rate, sampling_rate=16_000, return_tensors="pt")["input_features"]
    with torch.no_grad():
        output = parallel(features).last_hidden_state
        alone_ = model(**extractor(at_rate.mean(axis=0), sampling_rate=16_000, return_tensors="pt")).last_hidden_state
    wanted = alone_[0, :50].unflatten(0, (25, 2)).mean(dim=1)
    torch.testing.assert_close(output[0, :, :16], wanted, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", ["ast", "whisper", "wav2vec2"])
def test_output_layers_precede_the_last_one(kind):
    model, extractor = built(kind)
    entry = {"encoder": model, "feature_extractor": extractor, "channels": "each", "rows": 4, "output_layers": [1, 2]}
    parallel = ParallelEncoder.from_encoders([ours(), entry])
    waveform = recording()
    output = encoded(parallel, waveform)[0]
    slices = parallel.config.token_layout.channel_slices[1:]
    assert slices == tuple((24 + 16 * k, 40 + 16 * k) for k in range(6))
    for (start, stop), (ear, layer) in zip(slices, ((e, n) for e in (0, 1) for n in (1, 2, None)), strict=True):
        wanted = on_grid(alone(model, extractor, waveform[ear], layer)[1], 4, 8, 2).flatten(0, 1)
        torch.testing.assert_close(output[3:, start:stop], wanted, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(("config_class", "model_class", "branches"), [
    (SpatialASTConfig, SpatialASTModel, 1), (DSpASTConfig, DSpASTModel, 3),
])  # fmt: skip
def test_output_layers_of_one_encoder_of_ours(config_class, model_class, branches):
    model = ours(config_class, model_class)
    parallel = ParallelEncoder.from_encoders([{"encoder": model, "output_layers": [2]}])
    waveform = recording(clips=2)
    output = encoded(parallel, waveform)
    cues = model.config.feature_extractor()(waveform, sampling_rate=RATE, return_tensors="pt")["input_features"]
    with torch.no_grad():
        wanted = model(cues, output_hidden_states=True)
    assert torch.equal(output[..., branches * 24 :], wanted.last_hidden_state)
    layer = wanted.hidden_states[2]  # branches stacked along the batch, sample by sample
    for branch in range(branches):
        assert torch.equal(output[..., branch * 24 : (branch + 1) * 24], layer[branch::branches])
    assert len(parallel.config.token_layout.channel_slices) == 2 * branches


def three():
    ast_model, ast_extractor = built("ast")
    wave_model, wave_extractor = built("wav2vec2")
    return [
        ours(DSpASTConfig, DSpASTForLocalization),
        {"encoder": ast_model, "feature_extractor": ast_extractor, "channels": "each", "rows": 4},
        {"encoder": wave_model, "feature_extractor": wave_extractor, "channels": "left", "rows": 8},
    ]


def test_one_folder_holds_all_and_gives_the_same(tmp_path):
    parallel = ParallelEncoder.from_encoders(three())
    waveform = recording()
    expected = encoded(parallel, waveform)
    parallel.save_pretrained(tmp_path)
    parallel.config.feature_extractor().save_pretrained(tmp_path)
    loaded, extractor = AutoModel.from_pretrained(tmp_path), AutoFeatureExtractor.from_pretrained(tmp_path)
    assert isinstance(loaded, ParallelEncoder) and isinstance(extractor, ParallelFeatureExtractor)
    assert extractor.to_dict() == parallel.config.feature_extractor().to_dict()
    assert loaded.config.encoders == parallel.config.encoders
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    features = extractor(waveform, sampling_rate=RATE, return_tensors="pt")["input_features"]
    assert torch.equal(loaded(features).last_hidden_state, expected)
    config = json.loads((tmp_path / "config.json").read_text())
    config["encoders"][2]["channels"] = "right"
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"config\.json is not the file that was saved"):
        AutoModel.from_pretrained(tmp_path)


@pytest.mark.parametrize(("place", "field", "value", "message"), [
    (0, "hidden_size", 48, r"encoders\.0: .*|mismatched"),
    (0, "num_hidden_layers", 10**9, r"encoders\.0: num_hidden_layers is 1,000,000,000"),
    (2, "num_hidden_layers", 10**9, r"encoders\.2: num_hidden_layers is 1,000,000,000"),
    (1, "hidden_size", 32, r"mismatched: .*encoders\.1\."),
    (1, "model_type", "bert", r"encoders\[1\]: encoder is of type 'bert'; expected one of spatial_ast"),
])  # fmt: skip
def test_a_damaged_config_is_refused(place, field, value, message, tmp_path):
    ParallelEncoder.from_encoders(three()).save_pretrained(tmp_path)
    (tmp_path / "seal.json").unlink()
    config = json.loads((tmp_path / "config.json").read_text())
    config["encoders"][place]["encoder"][field] = value
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=message):
        AutoModel.from_pretrained(tmp_path)


def test_parts_are_taken_from_folders_and_from_whole_models_without_copies(tmp_path):
    torch.manual_seed(0)
    whole = {
        "whisper": WhisperForConditionalGeneration(whisper()[0].config),
        "ast": ASTForAudioClassification(ast()[0].config),
    }
    heads = ours(DSpASTConfig, DSpASTForLocalization)
    heads.save_pretrained(tmp_path / "dspast")
    for name, model in whole.items():
        model.save_pretrained(tmp_path / name)
        KINDS[name]()[1].save_pretrained(tmp_path / name)
    others = [{"channels": "left", "rows": 8}, {"channels": "right", "rows": 4}]
    folders = [tmp_path / "dspast", *({"encoder": str(tmp_path / n)} | o for n, o in zip(whole, others, strict=True))]
    parallel = ParallelEncoder.from_encoders(folders)
    given = [{"encoder": m, "feature_extractor": KINDS[n]()[1]} | o for (n, m), o in zip(whole.items(), others, strict=True)]
    direct = ParallelEncoder.from_encoders([heads, *given])
    assert torch.equal(encoded(parallel, recording()), encoded(direct, recording()))
    assert direct.encoders[0] is heads.encoder and direct.encoders[1] is whole["whisper"].model.encoder
    assert direct.encoders[2] is whole["ast"].audio_spectrogram_transformer
    assert parallel.config.to_dict()["encoders"] == direct.config.to_dict()["encoders"]


def test_a_folder_whose_weights_have_other_names_is_refused_not_filled_at_random(tmp_path):
    """An encoder of Whisper saved by itself lacks the prefix of the whole model that its config names."""
    model, extractor = built("whisper")
    model.save_pretrained(tmp_path)
    extractor.save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"encoders\[1\] .*missing: encoder\.conv1\.bias"):
        ParallelEncoder.from_encoders([ours(), {"encoder": tmp_path, "channels": "left", "rows": 8}])
    with torch.no_grad():
        model.conv1.bias[0] = math.nan
    with pytest.raises(CheckpointError, match=r"encoders\[1\].*not finite: conv1\.bias"):
        ParallelEncoder.from_encoders([ours(), entry_of("whisper", rows=8) | {"encoder": model}])


def test_encoders_stay_frozen_and_in_eval_mode():
    parallel = ParallelEncoder.from_encoders([ours(DSpASTConfig, DSpASTModel), entry_of("clap")])
    norms = [module for module in parallel.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]
    assert len(norms) >= 3
    before = {name: tensor.clone() for name, tensor in parallel.state_dict().items()}
    waveform = recording()
    expected = encoded(parallel, waveform)
    parallel.train()
    assert parallel.training and not any(module.training for module in parallel.encoders.modules())
    assert torch.equal(encoded(parallel, waveform), expected)
    assert all(torch.equal(tensor, before[name]) for name, tensor in parallel.state_dict().items())
    assert not any(parameter.requires_grad for parameter in parallel.parameters())


def test_half_precision_keeps_what_must_stay_in_float32(tmp_path):
    parallel = ParallelEncoder.from_encoders([ours(DSpASTConfig, DSpASTModel), entry_of("whisper", rows=8)])
    parallel.save_pretrained(tmp_path)
    expected = encoded(parallel, recording())
    loaded = AutoModel.from_pretrained(tmp_path, dtype=torch.bfloat16)
    for model in (loaded, parallel.bfloat16()):
        assert model.encoders[0].cue_norm.norm.running_mean.dtype == torch.float32
        assert model.encoders[0].branches[0].gate.fc1.weight.dtype == torch.float32
        assert {parameter.dtype for parameter in model.encoders[1].parameters()} == {torch.bfloat16}
        output = encoded(model, recording())
        assert output.dtype == torch.bfloat16
        torch.testing.assert_close(output.float(), expected, atol=0.1, rtol=0.1)


def entry_of(kind, **changes):
    model, extractor = built(kind)
    return {"encoder": model, "feature_extractor": extractor, "channels": "left"} | changes


@pytest.mark.parametrize(("changes", "message"), [
    ({"kind": "whisper"}, r"\[1\] \(whisper\) has a grid of 50 rows x 1 columns, the reference one of 8 x 2; .*`rows` to 8"),
    ({"kind": "ast", "rows": 4, "columns": 3}, r"4 rows x 3 columns.* 8 x 2; .*`columns` to 2"),
    ({"kind": "whisper", "rows": 51}, r"encoders\[1\] \(whisper\): rows is 51; expected a whole number from 1 to 50"),
    ({"kind": "whisper", "rows": 8, "channels": None}, r'channels is None, but .* one channel: give "left" \(the left ear'),
    ({"kind": "whisper", "rows": 8, "channels": "both"}, "channels is 'both'"),
    ({"kind": "whisper", "rows": 8, "channels": ["left"]}, r"channels is \['left'\], but this encoder takes one channel"),
    ({"kind": "whisper", "rows": 8, "output_layers": 2}, "output_layers is 2; expected a list of numbers"),
    ({"kind": "whisper", "rows": 8, "feature_extractor": None}, "no feature_extractor; give the settings of its own"),
    ({"kind": "whisper", "rows": 8, "feature_extractor": Wav2Vec2FeatureExtractor()}, "expected WhisperFeatureExtractor"),
    ({"kind": "whisper", "rows": 8, "feature_extractor": {"feature_extractor_type": "Gold"}}, "'Gold'; expected one of AST"),
    ({"kind": "whisper", "rows": 8, "feature_extractor": WhisperFeatureExtractor(20)}, "3000 frames; expected 200"),
    ({"kind": "ast", "feature_extractor": ASTFeatureExtractor(max_length=128)}, "num_mel_bins is 128; expected 32"),
    ({"kind": "clap", "feature_extractor": ClapFeatureExtractor(16, max_length_s=1)}, "truncation 'fusion', and "),
    ({"kind": "clap", "output_layers": [1]}, "stages of CLAP have other grids"),
    ({"kind": "whisper", "rows": 8, "output_layers": [3]}, r"output_layers is \[3\]; expected numbers from 1 to 2"),
    ({"kind": "whisper", "rows": 8, "output_layers": [2, 1]}, "each layer once, in rising order"),
    ({"kind": "whisper", "rows": 8, "weight": 2}, r"\['weight'\]; expected an object with `encoder` and some of"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_in_words(changes, message):
    kind = changes["kind"]
    entry = entry_of(kind, **{name: value for name, value in changes.items() if name != "kind"})
    entry["encoder"] = entry["encoder"].config
    with pytest.raises(SpatialLLMError, match=message):
        ParallelEncoderConfig(encoders=[{"encoder": ours().config}, entry])


def test_recordings_windows_and_models_that_do_not_fit_are_refused():
    with pytest.raises(SpatialLLMError, match=r"encoders is empty; give at least one"):
        ParallelEncoderConfig(encoders=[])
    with pytest.raises(SpatialLLMError, match="duration_s is -1; expected seconds above 0"):
        ParallelEncoderConfig(encoders=[{"encoder": ours().config}], duration_s=-1)
    longer = ours(duration_s=1.2)
    with pytest.raises(
        SpatialLLMError, match=r"encoders\[1\] \(clap_audio_model\): its window is 1 s and a recording 1\.2 s"
    ):
        ParallelEncoder.from_encoders([longer, entry_of("clap")])
    with pytest.raises(SpatialLLMError, match=r"encoders\[0\] \(wav2vec2\): it has no window of its own: give duration_s"):
        ParallelEncoder.from_encoders([entry_of("wav2vec2")])
    with pytest.raises(SpatialLLMError, match=r"encoders\[0\] \(spatial_ast\): channels is 'left', but .* takes both ears"):
        ParallelEncoder.from_encoders([{"encoder": ours(), "channels": "left"}])
    with pytest.raises(SpatialLLMError, match=r"encoders\[1\] \(wav2vec2\): no feature_extractor, and the model was not"):
        ParallelEncoder.from_encoders([ours(), {"encoder": built("wav2vec2")[0], "channels": "left"}])
    with pytest.raises(
        SpatialLLMError, match=r"encoders\[0\]: the model is of type 'parallel'; expected one of spatial_ast"
    ):
        ParallelEncoder.from_encoders([ParallelEncoder.from_encoders([ours()])])
    with pytest.raises(SpatialLLMError, match=r"encoders\[0\]: encoder is 3; expected a model, a folder"):
        ParallelEncoder.from_encoders([3])
    parallel = ParallelEncoder.from_encoders([ours()])
    changed = ParallelEncoder.from_encoders([ours()]).config
    changed.encoders[0]["rows"] = 4
    with pytest.raises(SpatialLLMError, match="was changed in place; make a new config"):
        changed.to_dict()
    with pytest.raises(SpatialLLMError, match=r"input_features of shape \(1, 4, 101, 32\), expected \(B, 12928\)"):
        parallel(torch.zeros(1, 4, 101, 32))
    extractor = parallel.config.feature_extractor()
    with pytest.raises(AudioError, match="sampling_rate is 16000, expected 32000 Hz"):
        extractor(recording(), sampling_rate=16_000)
    with pytest.raises(AudioError, match="2 channels needed"):
        extractor(recording()[:1], sampling_rate=RATE)
    with pytest.raises(SpatialLLMError, match=r"a member has the keys \['channels'\]; expected"):
        ParallelFeatureExtractor([{"channels": "left"}])


def test_the_printed_config_says_what_each_encoder_hears():
    config = ParallelEncoder.from_encoders(three()).config
    printed = repr(config)
    assert "encoders[0] (dspast) hears both ears, at 32,000 Hz; 8 x 2 tokens, each in 1 x 1 cells" in printed
    assert (
        "encoders[1] (audio-spectrogram-transformer) hears each ear alone, the tokens of the left and of the right"
        in printed
    )
    assert (
        "4 x 4 tokens, each in 2 x 1 cells of the grid of 8 x 2, after the mean over 1 x 2 of them; 32 channels" in printed
    )
    assert "encoders[2] (wav2vec2) hears the left ear alone, at 16,000 Hz; 8 x 1 tokens, each in 1 x 2 cells" in printed
