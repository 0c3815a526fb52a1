"""A merged language model answers from prompt embeddings as the whole model does from a recording."""

import base64
import io

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from spatial_llm import SpatialLLM, SpatialLLMForConditionalGeneration
from spatial_llm.audio.formats import Ambisonics, Array
from spatial_llm.cli import main
from spatial_llm.errors import SpatialLLMError
from spatial_llm.shipped import RECORDINGS
from spatial_llm.testing import tiny_config, tiny_processor
from tests.field_model import RATE, scene_of, tiny_field
from tests.mono_bases import tiny_plugged

QUESTIONS = ("Where is the sound in this audio clip coming from?", "What sound events can you hear in the audio clip?")


@pytest.mark.slow
def test_a_plain_language_model_answers_as_the_whole_one(tmp_path, capsys):
    assert main(["export", "merged", "tiny", str(tmp_path / "merged")]) == 0
    assert "LoRA is in its weights" in capsys.readouterr().out
    plain, whole = AutoModelForCausalLM.from_pretrained(tmp_path / "merged"), SpatialLLM.from_pretrained("tiny")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "merged")
    assert "lora" not in (tmp_path / "merged" / "config.json").read_text()
    for file in ("one_source.flac", "one_source_behind.flac"):
        heard = whole.listen(RECORDINGS / file)
        for question in QUESTIONS:
            embeds = heard.prompt_embeds(question)
            ids = whole.processor(text=question, return_tensors="pt")["input_ids"]
            assert embeds.shape == (ids.shape[1], plain.config.hidden_size)
            with torch.inference_mode():
                right = whole.model(input_ids=ids, **heard.audio).logits
                torch.testing.assert_close(plain(inputs_embeds=embeds[None]).logits, right, atol=2e-4, rtol=1e-4)
                written = plain.generate(inputs_embeds=embeds[None], do_sample=False, max_new_tokens=30)
            assert tokenizer.decode(written[0], skip_special_tokens=True).strip() == str(heard.ask(question))


def test_an_engine_that_is_sent_the_prompt_writes_the_tokens_of_the_whole_model(tmp_path):
    """The embeddings as docs/serving.md sends them, of recordings of ambisonics and of an array."""
    tiny_field(telling=True).save_pretrained(tmp_path / "field")
    assert main(["export", "merged", str(tmp_path / "field"), str(tmp_path / "merged")]) == 0
    plain, whole = AutoModelForCausalLM.from_pretrained(tmp_path / "merged"), SpatialLLM.from_pretrained(tmp_path / "field")
    answers = set()
    for format in (Ambisonics(1), Array(((0.1, 0.0, 0.0), (0.0, 0.1, 0.0), (0.0, -0.1, 0.05)))):
        for azimuth_deg in (0, -60):
            heard = whole.listen(scene_of(azimuth_deg, format, 0.31), RATE, format=format)
            torch.save(heard.prompt_embeds(QUESTIONS[0]).cpu(), file := io.BytesIO())
            embeds = torch.load(io.BytesIO(base64.b64decode(base64.b64encode(file.getvalue()))), weights_only=True)
            batch = whole.processor(text=QUESTIONS[0], return_tensors="pt")
            how = {"do_sample": False, "max_new_tokens": 12}
            with torch.inference_mode():
                tokens = plain.generate(inputs_embeds=embeds[None], **how)[0].tolist()
            assert tokens == whole.generate(**batch, **heard.audio, **how)[0, batch["input_ids"].shape[1] :].tolist()
            text = whole.processor.decode(tokens, skip_special_tokens=True).strip()
            assert text == str(heard.ask(QUESTIONS[0], max_new_tokens=12))
            answers.add(text)
    assert len(answers) > 1, "the model heard nothing"


@pytest.mark.parametrize("kind", ["lal", "qwen2_audio"])
def test_a_model_that_hears_inside_its_language_model_is_not_exported(kind, tmp_path, capsys):
    if kind == "lal":
        net = SpatialLLMForConditionalGeneration(tiny_config("SpatialLLMForConditionalGeneration", fusion="lal"))
        model = SpatialLLM(net, tiny_processor(fusion="lal"))
    else:
        model = tiny_plugged(kind)
    model.save_pretrained(tmp_path / "model")
    assert main(["export", "merged", str(tmp_path / "model"), str(tmp_path / "out")]) == 1
    assert "no plain language model with prompt embeddings" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    config = model.model.config.encoder_config
    heard = model.listen(0.1 * torch.randn(2, config.window_samples), config.sampling_rate)
    with pytest.raises(SpatialLLMError, match="not part of its prompt alone"):
        heard.prompt_embeds("What is it?")
