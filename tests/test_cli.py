"""The commands, through their front door."""

import numpy as np
import pytest
import soundfile
import torch
from transformers import AutoFeatureExtractor, AutoModel

from spatial_llm import DSpASTForLocalization, SpatialFeatureExtractor, SpatialLLM, SpatialLLMForConditionalGeneration
from spatial_llm.cli import main
from spatial_llm.encoders import DSpASTModel, SpatialASTModel
from spatial_llm.testing import tiny_config, tiny_processor
from tests.golden import golden


def test_env_names_what_a_bug_report_needs(capsys):
    assert main(["env"]) == 0
    printed = capsys.readouterr().out
    assert f"torch {torch.__version__.split('+')[0]}" in printed and "transformers 5." in printed and "git " in printed


def test_ask_answers_and_refuses_mono(tmp_path, capsys):
    torch.manual_seed(0)
    model = SpatialLLMForConditionalGeneration(tiny_config("spatial_llm"))
    SpatialLLM(model, tiny_processor()).save_pretrained(tmp_path / "model")
    noise = 0.1 * np.random.default_rng(0).standard_normal((8_000, 2))
    soundfile.write(tmp_path / "two.wav", noise, 32_000)
    soundfile.write(tmp_path / "one.wav", noise[:, :1], 32_000)
    assert main(["ask", str(tmp_path / "model"), str(tmp_path / "two.wav"), "Where is it?"]) == 0
    assert len(capsys.readouterr().out) > 0
    assert main(["ask", str(tmp_path / "model"), str(tmp_path / "one.wav"), "Where is it?"]) == 1
    assert "one.wav: 2 channels needed, got 1" in capsys.readouterr().err


def test_ask_takes_limits_of_the_recording(tmp_path, capsys):
    torch.manual_seed(0)
    SpatialLLM(SpatialLLMForConditionalGeneration(tiny_config("spatial_llm")), tiny_processor()).save_pretrained(
        tmp_path / "m"
    )
    soundfile.write(tmp_path / "a.wav", 0.1 * np.random.default_rng(0).standard_normal((8_000, 2)), 32_000)
    content = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(content[:20_000])

    def ask(name, *options):
        status = main(["ask", str(tmp_path / "m"), str(tmp_path / name), "Where is it?", *options])
        return status, capsys.readouterr().err

    assert ask("a.wav")[0] == 0
    status, said = ask("a.wav", "--audio_limits.max_seconds", "0.1")
    assert status == 1 and "lasts 0.25 s, and max_seconds is 0.1 s" in said
    status, said = ask("a.wav", "--audio_limits.max_bytes", "1000")
    assert status == 1 and "max_bytes is 1000" in said
    status, said = ask("a.wav", "--audio_limits.max_seconds", "-1")
    assert status == 1 and "expected a number above 0" in said
    status, said = ask("cut.wav")
    assert status == 1 and "cut.wav: cut or damaged WAV" in said and "--audio_limits.allow_truncated true" in said
    with pytest.warns(UserWarning, match="What is there is taken"):
        assert ask("cut.wav", "--audio_limits.allow_truncated", "true")[0] == 0


@pytest.mark.slow
def test_convert_writes_a_folder_that_loads(tmp_path, capsys):
    """The released file in full size: official names, the root key "model", a pickle on disk."""
    state = {key: torch.from_numpy(value) for key, value in golden.encoder_state_dict("dspast").items()}
    torch.save({"model": state}, tmp_path / "dspast.pth")
    assert main(["convert", "dspast", str(tmp_path / "dspast.pth"), str(tmp_path / "folder")]) == 0
    assert "CC BY-NC 4.0" in capsys.readouterr().out
    model = DSpASTForLocalization.from_pretrained(tmp_path / "folder")
    assert torch.equal(model.event_head.weight, state["head.weight"])
    assert SpatialFeatureExtractor.from_pretrained(tmp_path / "folder").cues == model.config.cues
    del state["head.bias"]
    torch.save({"model": state}, tmp_path / "gap.pth")
    assert main(["convert", "dspast", str(tmp_path / "gap.pth"), str(tmp_path / "gap")]) == 1
    assert "missing: head.bias" in capsys.readouterr().err
    assert not (tmp_path / "gap").exists()


def test_join_encoders_writes_a_folder_that_hears_with_all(tmp_path, capsys):
    encoders = []
    for number, kind in enumerate((DSpASTModel, SpatialASTModel)):
        torch.manual_seed(number)
        encoders.append(kind(tiny_config(kind.__name__)).eval())
        encoders[-1].save_pretrained(tmp_path / str(number))
    folders = [str(tmp_path / "0"), str(tmp_path / "1")]
    assert main(["join-encoders", str(tmp_path / "both"), *folders]) == 0
    printed = capsys.readouterr().out
    assert "encoders[0] (dspast)" in printed and "encoders[1] (spatial_ast)" in printed
    both = AutoModel.from_pretrained(tmp_path / "both")
    extractor = AutoFeatureExtractor.from_pretrained(tmp_path / "both")
    waveform = 0.1 * np.random.default_rng(0).standard_normal((2, both.config.window_samples)).astype(np.float32)
    options = {"sampling_rate": 32_000, "return_tensors": "pt"}
    with torch.no_grad():
        heard = both(extractor(waveform, **options)["input_features"]).last_hidden_state
        alone = [each(each.config.feature_extractor()(waveform, **options)["input_features"]) for each in encoders]
    torch.testing.assert_close(heard, torch.cat([each.last_hidden_state for each in alone], dim=-1))
    assert main(["join-encoders", str(tmp_path / "one"), folders[0]]) == 1
    assert "give two or more" in capsys.readouterr().err
    assert main(["join-encoders", str(tmp_path / "one"), folders[0], str(tmp_path / "none")]) == 1
    assert "encoders[1]" in capsys.readouterr().err and not (tmp_path / "one").exists()
