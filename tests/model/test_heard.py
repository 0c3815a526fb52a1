"""What was heard once answers as often as one likes, with the words of `ask`; the encoder's own view stands beside it."""

import copy
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel

from spatial_llm.audio.io import prepare_waveform
from spatial_llm.encoders import DSpASTForLocalization, SpatialASTForLocalization
from spatial_llm.encoders.frame_head import FRAME_HEAD, FrameHead
from spatial_llm.encoders.readout import HEADS, EncoderHeads
from spatial_llm.errors import CheckpointError, SpatialLLMError
from spatial_llm.geometry import bat_azimuth_class, bat_distance_class, bat_elevation_class
from spatial_llm.model import SpatialLLM, SpatialLLMForConditionalGeneration
from spatial_llm.model.answer import Answer
from spatial_llm.model.fingerprint import fingerprint
from spatial_llm.model.parts import save_parts
from spatial_llm.shipped import find_model
from spatial_llm.shipped.render import read_shipped
from spatial_llm.testing import tiny_config, tiny_inputs, tiny_processor

QUESTIONS = (
    "What sound events can you hear in the audio clip?",
    "Where is the sound in this audio clip coming from?",
    "How many sound sources are there in the audio clip?",
)
CLIP = np.random.default_rng(0).standard_normal((2, 9920)).astype(np.float32) * 0.1


@pytest.fixture(scope="module")
def tiny() -> SpatialLLM:
    return SpatialLLM.from_pretrained("tiny")


def _of_random_weights(encoder: str = "dspast", fusion: str = "prefix") -> SpatialLLM:
    torch.manual_seed(0)
    model = SpatialLLMForConditionalGeneration(tiny_config("SpatialLLMForConditionalGeneration", encoder, fusion=fusion))
    return SpatialLLM(model, tiny_processor(encoder, fusion=fusion))


def _heads(model: SpatialLLM, scale: float = 1.0) -> EncoderHeads:
    config = copy.deepcopy(model.model.config.encoder_config)
    config.event_labels = [f"sound {number}" for number in range(config.num_event_classes)]
    model.model.config.encoder_config.event_labels = config.event_labels
    whole = {"dspast": DSpASTForLocalization, "spatial_ast": SpatialASTForLocalization}[config.model_type](config)
    whole.event_head.weight.data.mul_(scale)
    return EncoderHeads(whole)


def test_a_recording_is_encoded_once_and_the_answers_are_those_of_ask(tiny: SpatialLLM) -> None:
    _, recording = next(iter(read_shipped()))
    encoded, projected = [], []
    hooks = [
        tiny.model.encoder.register_forward_hook(lambda *_: encoded.append(1)),
        tiny.model.projector.register_forward_hook(lambda *_: projected.append(1)),
    ]
    heard = tiny.listen(recording)
    answers = [*heard.ask(QUESTIONS), heard.ask(QUESTIONS[0])]
    for hook in hooks:
        hook.remove()
    assert (len(encoded), len(projected)) == (1, 1)
    assert answers == [tiny.ask(recording, question) for question in (*QUESTIONS, QUESTIONS[0])]
    assert len(set(answers)) == 3


@pytest.mark.parametrize("fusion", ["delayed", "lal", "hybrid", "gated_cross_attention"])
def test_every_fusion_answers_from_what_was_heard(fusion: str) -> None:
    model = _of_random_weights("spatial_ast", fusion)
    waveform = model.processor.feature_extractor(CLIP, sampling_rate=32_000, return_tensors="pt", scale_known=True)
    batch = model.processor(text="Where is the bell?", return_tensors="pt")
    wanted = model.generate(**batch, **waveform, max_new_tokens=6, do_sample=False)
    assert wanted.shape[1] > batch["input_ids"].shape[1]
    heard = model.listen(CLIP, 32_000).ask("Where is the bell?", max_new_tokens=6)
    new = wanted[0, batch["input_ids"].shape[1] :]
    assert heard == model.processor.tokenizer.decode(new, skip_special_tokens=True).strip()


def test_all_questions_are_checked_before_the_first_is_answered(tiny: SpatialLLM) -> None:
    heard = tiny.listen(CLIP, 32_000)
    with pytest.raises(SpatialLLMError, match="the question is '  '"):
        heard.ask([QUESTIONS[0], "  "])


def test_arguments_of_generate_reach_it_and_unknown_ones_are_named(tiny: SpatialLLM) -> None:
    heard = tiny.listen(CLIP, 32_000)
    short = heard.ask(QUESTIONS[1], max_new_tokens=1)
    assert len(short) < len(heard.ask(QUESTIONS[1]))
    torch.manual_seed(0)
    drawn = {heard.ask(QUESTIONS[1], do_sample=True, temperature=3.0) for _ in range(6)}
    assert len(drawn) > 1
    with pytest.raises(SpatialLLMError, match="hotness"):
        heard.ask(QUESTIONS[1], hotness=2)
    with pytest.raises(SpatialLLMError, match="max_new_tokens is 0; expected a whole number of at least 1"):
        heard.ask(QUESTIONS[1], max_new_tokens=0)
    with pytest.raises(SpatialLLMError, match="the question is 3; give one question in words"):
        heard.ask(3)


def test_an_answer_is_a_text_that_knows_its_question() -> None:
    answer = Answer("left", "Where?", "On which side?")
    assert answer == "left" and answer.upper() == "LEFT"
    known = {"answer": "left", "question": "Where?", "asked": "On which side?"}
    unknown = {"taught": None, "question_type": "", "similarity": None, "derived": False, "notes": []}
    for twin in (copy.copy(answer), copy.deepcopy(answer)):  # as pickle makes them
        assert twin.to_dict() == known | unknown


@pytest.mark.parametrize("encoder", ["dspast", "spatial_ast"])
def test_heads_apart_from_the_encoder_read_what_the_whole_reads(encoder: str) -> None:
    config = tiny_config("DSpASTModel" if encoder == "dspast" else "SpatialASTModel")
    config.event_labels = [f"sound {number}" for number in range(config.num_event_classes)]
    torch.manual_seed(1)
    whole = {"dspast": DSpASTForLocalization, "spatial_ast": SpatialASTForLocalization}[encoder](config).eval()
    inputs = tiny_inputs(config, batch_size=1)
    with torch.no_grad():
        output = whole(**inputs)
    events, places = EncoderHeads(whole)(output.last_hidden_state)
    share = torch.sigmoid(output.event_logits)[0]
    assert list(events) == [config.event_labels[index] for index in share.argsort(descending=True, stable=True)]
    assert max(events.values()) == pytest.approx(share.max().item(), rel=1e-6)
    classes = {"azimuth": bat_azimuth_class, "elevation": bat_elevation_class, "distance": bat_distance_class}
    for name, class_of in classes.items():
        assert (np.diff(places[name].values) > 0).all()
        assert places[name].probabilities.sum() == pytest.approx(1)
        assert class_of(places[name].best) == output[f"{name}_logits"][0].argmax().item()
    again = EncoderHeads(whole).joined_with(whole.encoder)
    with torch.no_grad():
        assert torch.equal(again(**inputs).azimuth_logits, output.azimuth_logits)


def test_heads_are_saved_with_the_model_sealed_and_removed_with_it(tmp_path: Path) -> None:
    model = _of_random_weights()
    model.heads = _heads(model)
    model.save_pretrained(tmp_path)
    again = SpatialLLM.from_pretrained(tmp_path)
    heard, was = again.listen(CLIP, 32_000), model.listen(CLIP, 32_000)
    assert heard.events == was.events and heard.to_dict() == was.to_dict()
    save_parts(again, tmp_path / "parts")
    assert AutoModel.from_pretrained(tmp_path / "parts" / "encoder").config.architectures == ["DSpASTForLocalization"]
    other = _heads(model, scale=2.0)
    other.save_pretrained(tmp_path / "parts")
    (tmp_path / HEADS).write_bytes((tmp_path / "parts" / HEADS).read_bytes())
    with pytest.raises(CheckpointError, match=f"{HEADS} is not the file that was saved"):
        SpatialLLM.from_pretrained(tmp_path)
    model.heads = None
    model.save_pretrained(tmp_path)
    assert SpatialLLM.from_pretrained(tmp_path).heads is None


def test_heads_of_another_encoder_are_refused(tmp_path: Path) -> None:
    model = _of_random_weights()
    _heads(model).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="not the heads of this encoder"):
        EncoderHeads.from_pretrained(tmp_path, tiny_config("SpatialASTModel"))


def test_heads_that_an_earlier_save_left_beside_another_encoder_are_refused(tmp_path: Path) -> None:
    model = _of_random_weights()
    model.heads = _heads(model)
    model.save_pretrained(tmp_path)
    assert SpatialLLM.from_pretrained(tmp_path).heads is not None
    assert SpatialLLM.from_pretrained(tmp_path, dtype=torch.bfloat16).heads is not None
    next(model.model.encoder.parameters()).data.add_(0.3)
    model.model.save_pretrained(tmp_path)  # the model alone, whose heads have the same shapes
    with pytest.raises(CheckpointError, match="heads of another encoder"):
        SpatialLLM.from_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    assert SpatialLLM.from_pretrained(tmp_path).heads is not None


def _frame_head(model: SpatialLLM) -> FrameHead:
    config = model.model.config.encoder_config
    config.event_labels = [f"sound {number}" for number in range(config.num_event_classes)]
    return FrameHead(config, 8).eval()


def test_a_frame_head_is_saved_with_the_model_read_from_it_and_removed_with_it(tmp_path: Path) -> None:
    model = _of_random_weights()
    model.frame_head = _frame_head(model)
    model.save_pretrained(tmp_path / "model")
    again = SpatialLLM.from_pretrained(tmp_path / "model")
    assert again.heads is None and again.frame_head is not None
    was, now = model.listen(CLIP, 32_000), again.listen(CLIP, 32_000)
    rows = model.model.config.encoder_config.token_layout.grid[0]
    assert now.frames.activity.shape == (rows, len(now.frames.labels))
    np.testing.assert_array_equal(now.frames.activity, was.frames.activity)
    loudest = float(now.frames.activity.max())
    assert now.frame_events(loudest) and now.frame_events(loudest) == was.frame_events(loudest)
    event = now.frame_events(loudest)[0]
    assert event.onset_s % now.frames.row_s == pytest.approx(0, abs=1e-5) and len(event.places) >= 1
    with pytest.raises(SpatialLLMError, match="expected a probability above 0"):
        now.frame_events(0.0)
    again.save_pretrained(tmp_path / "again")
    assert (tmp_path / "again" / FRAME_HEAD).read_bytes() == (tmp_path / "model" / FRAME_HEAD).read_bytes()
    save_parts(again, tmp_path / "parts")
    encoder = AutoModel.from_pretrained(tmp_path / "parts" / "encoder")
    FrameHead.from_pretrained(tmp_path / "parts" / "encoder", encoder.config, fingerprint(encoder))
    next(again.model.encoder.parameters()).data.add_(0.3)
    again.model.save_pretrained(tmp_path / "again")  # the model alone, beside a head of the encoder before
    with pytest.raises(CheckpointError, match="heads of another encoder"):
        SpatialLLM.from_pretrained(tmp_path / "again")
    again.frame_head = None
    again.save_pretrained(tmp_path / "again")
    assert SpatialLLM.from_pretrained(tmp_path / "again").frame_head is None


def test_a_model_without_a_frame_head_loads_as_before_and_says_so(tiny: SpatialLLM) -> None:
    assert tiny.heads is not None and tiny.frame_head is None
    with pytest.raises(SpatialLLMError, match="saved without a frame head"):
        _ = _of_random_weights().listen(CLIP, 32_000).frames


def test_a_model_without_heads_says_so_and_tells_the_rest() -> None:
    heard = _of_random_weights().listen(CLIP, 32_000)
    with pytest.raises(SpatialLLMError, match="saved without the heads"):
        _ = heard.azimuth
    told = heard.to_dict()
    assert told["azimuth"] is None and set(told["feature_attention"]) == {"distance", "direction", "event"}
    assert _of_random_weights("spatial_ast").listen(CLIP, 32_000).feature_attention is None


def test_the_shipped_model_hears_the_shipped_recordings(tiny: SpatialLLM, tmp_path: Path) -> None:
    for scene, recording in read_shipped():
        if len(scene.sources) == 1:
            heard, (truth,) = tiny.listen(recording), scene.truth.sources
            assert scene.sources[0].label in list(heard.events)[:2]
            assert abs((heard.azimuth.best - truth.azimuth_deg + 180) % 360 - 180) <= 20
            swapped = tiny.listen_to_window(_window(tiny, recording)[::-1].copy())
            assert np.sign(swapped.azimuth.best) == -np.sign(heard.azimuth.best)
            heard.plot(tmp_path / "heard.png")
            assert (tmp_path / "heard.png").read_bytes()[:4] == b"\x89PNG"


def _window(model: SpatialLLM, recording: Path) -> np.ndarray:
    config = model.model.config.encoder_config
    return prepare_waveform(recording, None, config.sampling_rate, config.window_samples)


def test_a_model_moves_and_says_where_it_is(tiny: SpatialLLM) -> None:
    model = _of_random_weights()
    assert model.to(torch.float64) is model and model.model.dtype == torch.float64
    assert model.device == torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_heads_of_the_shipped_model_know_their_encoder(dtype: torch.dtype, tmp_path: Path) -> None:
    shutil.copytree(find_model("tiny"), tmp_path / "tiny")
    model = SpatialLLM.from_pretrained(tmp_path / "tiny", dtype=dtype)
    assert model.heads is not None
    model.model.encoder.cls_tokens.data.add_(0.5)
    model.model.save_pretrained(tmp_path / "tiny")  # the model alone, with another encoder than that of the heads
    with pytest.raises(CheckpointError, match="the heads of another encoder"):
        SpatialLLM.from_pretrained(tmp_path / "tiny", dtype=dtype)
