"""Prompts: placeholders before BOS, padding left and right, labels on answer and EOS alone."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from spatial_llm.errors import AudioError, SpatialLLMError
from spatial_llm.model import SpatialLLMForConditionalGeneration, SpatialLLMProcessor
from spatial_llm.model.padding import IGNORED, Row, pad_rows
from spatial_llm.testing import tiny_config, tiny_processor

GOLDEN = Path(__file__).parents[1] / "golden"
AUDIO, BOS, EOS, PAD = 3, 1, 2, 0
PROMPT = (
    "Based on the audio you've heard, refer to the instruction and provide a response.\n\n"
    "### Instruction:\nWhere is the bell?\n\n### Response:"
)


@pytest.fixture
def processor():
    return tiny_processor()


def _clips(count):
    return np.random.default_rng(0).standard_normal((count, 2, 9920)).astype(np.float32) * 0.1


def test_rows_are_those_of_the_official_data_set():
    spec = json.loads((GOLDEN / "bat_tiny.json").read_text())
    golden = np.load(GOLDEN / "bat_tiny.npz")
    pairs = [([-1] * 8 + prompt, answer) for prompt, answer in zip(spec["prompts"], spec["answers"], strict=True)]
    rows = [Row(prompt + answer, [IGNORED] * len(prompt) + answer, len(prompt)) for prompt, answer in pairs]
    batch = pad_rows(rows, pad_id=2, with_labels=True)
    for name, value in batch.items():
        np.testing.assert_array_equal(value, golden[name].astype(int), err_msg=name)


def test_prompt_is_bats(processor):
    assert processor.prompt("Where is the bell?") == PROMPT
    # A question is text, not a template.
    assert "{x}" in processor.prompt("Is {x} left?")


def test_placeholders_stand_before_bos(processor):
    batch = processor(audio=_clips(1)[0], text="Where is the bell?", sampling_rate=32_000, return_tensors="pt")
    ids = batch["input_ids"][0].tolist()
    assert ids[:5] == [AUDIO] * 4 + [BOS]
    assert BOS not in ids[5:]
    assert EOS not in ids
    assert processor.tokenizer.decode(ids[5:]) == PROMPT
    assert set(batch) == {"input_ids", "attention_mask", "input_features"} == set(processor.model_input_names)
    assert batch["input_features"].shape == (1, 4, 32, 32)


def test_prompts_are_padded_on_the_left_to_generate(processor):
    batch = processor(audio=_clips(2), text=["Where is the bell?", "Where?"], sampling_rate=32_000, return_tensors="pt")
    ids, mask = batch["input_ids"], batch["attention_mask"]
    pads = int((mask[1] == 0).sum())
    assert pads > 0
    assert ids[1, : pads + 5].tolist() == [PAD] * pads + [AUDIO] * 4 + [BOS]
    assert mask[1].tolist() == [0] * pads + [1] * (len(mask[1]) - pads)
    assert torch.equal(ids[0, -3:], ids[1, -3:])  # both end in "Response:"


def test_labels_are_on_answer_and_eos_alone(processor):
    answers = ["left, front; 2.5m", "Yes"]
    batch = processor(text=["Where is the bell?", "Where?"], answers=answers, return_tensors="pt")
    assert "input_features" not in batch
    for ids, labels, mask, answer in zip(batch["input_ids"], batch["labels"], batch["attention_mask"], answers, strict=True):
        supervised = labels != -100
        assert torch.equal(labels[supervised], ids[supervised])
        assert processor.tokenizer.decode(labels[supervised]) == answer + "</s>"
        assert mask[supervised].all()
    # Answers begin in one column: audio and prompt are padded left, answers right.
    starts = (batch["labels"] != -100).int().argmax(1)
    assert starts[0] == starts[1]
    assert batch["attention_mask"][1, 0] == 0
    assert batch["attention_mask"][1, -1] == 0


def test_prompt_and_answer_are_joined_without_a_space(processor):
    ids = processor(text="Where?", answers="Yes", return_tensors="pt")["input_ids"][0]
    assert processor.tokenizer.decode(ids).endswith("### Response:Yes</s>")


def test_a_merge_across_the_border_swallows_one_label_as_in_the_official_data_set():
    """The token ":a" spans prompt and answer; it counts as the last one of the prompt, so nothing teaches it."""
    tokenizer = Tokenizer(models.BPE(vocab=_character_vocab(), merges=[(":", "a")]))
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", pad_token="</s>")
    processor = SpatialLLMProcessor(tiny_processor().feature_extractor, fast, num_audio_tokens=1)
    batch = processor(text="b?", answers="abb")
    supervised = [label for label in batch["labels"][0] if label != -100]
    # Tokens of the row: ... "e" ":a" "b" "b"; the prompt alone ends in "e" ":", so ":a" counts as prompt.
    assert fast.convert_ids_to_tokens(supervised) == ["b", "b", "</s>"]


def _character_vocab():
    characters = sorted(set(tiny_processor().prompt("ab?")))
    return {token: i for i, token in enumerate(["</s>", *characters, ":a"])}


def test_placeholder_without_a_spare_token_is_the_first_id_outside(processor):
    model = Tokenizer(models.WordLevel({"<unk>": 0, "a": 1, "</s>": 2}, unk_token="<unk>"))
    model.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=model, unk_token="<unk>", eos_token="</s>")
    processor = SpatialLLMProcessor(processor.feature_extractor, tokenizer, num_audio_tokens=2)
    assert processor.audio_token_id == 3
    # Unknown words are no special tokens; pad = EOS where there is no padding token.
    batch = processor(text=["unheard of", "a"], answers=["a", "a a"])
    assert batch["input_ids"][0][-1] == 2


def test_special_tokens_in_texts_are_refused(processor):
    with pytest.raises(SpatialLLMError, match=r"answer '<\|audio\|> left' holds the special token '<\|audio\|>'"):
        processor(text="Is it left?", answers="<|audio|> left")
    with pytest.raises(SpatialLLMError, match=r"question .* holds the special token '</s>'"):
        processor(text="Where?</s>")
    with pytest.raises(SpatialLLMError, match=r"answer .* holds the special token '<s>'"):
        processor(text="Where?", answers="<s>left")


def test_numbers_of_texts_and_recordings_must_agree(processor):
    with pytest.raises(SpatialLLMError, match="2 questions but 1 recordings"):
        processor(audio=_clips(1), text=["a", "b"], sampling_rate=32_000)
    with pytest.raises(SpatialLLMError, match="2 questions but 1 answers"):
        processor(text=["a", "b"], answers=["c"])
    with pytest.raises(SpatialLLMError, match="no question"):
        processor(audio=_clips(1), sampling_rate=32_000)
    with pytest.raises(SpatialLLMError, match="string or a list of strings"):
        processor(text=[424])


def test_audio_is_checked_by_the_extractor(processor):
    with pytest.raises(AudioError):
        processor(audio=_clips(1)[0, 0], text="Where?", sampling_rate=32_000)
    with pytest.raises(AudioError, match=r"bell\.wav: cannot be opened"):
        processor(audio="bell.wav", text="Where?")
    with pytest.warns(UserWarning, match="no sampling_rate"):
        processor(audio=_clips(1), text="Where?")


def test_padding_to_a_length_and_no_truncation(processor):
    batch = processor(text="Where?", padding="max_length", max_length=90, return_tensors="pt")
    assert batch["input_ids"].shape == (1, 90)
    with pytest.raises(SpatialLLMError, match="truncation"):
        processor(text="Where?", truncation=True, max_length=9)
    with pytest.raises(SpatialLLMError, match="needs max_length"):
        processor(text="Where?", padding="max_length")


def test_arguments_are_checked(processor):
    with pytest.raises(SpatialLLMError, match=r"prompt_format is 'vicuna'; expected one of \['bat', 'chat'\]"):
        SpatialLLMProcessor(processor.feature_extractor, processor.tokenizer, prompt_format="vicuna")
    with pytest.raises(SpatialLLMError, match="tokenizer has no chat template"):
        SpatialLLMProcessor(processor.feature_extractor, processor.tokenizer, prompt_format="chat")
    with pytest.raises(SpatialLLMError, match="num_audio_tokens is 0"):
        SpatialLLMProcessor(processor.feature_extractor, processor.tokenizer, num_audio_tokens=0)


def test_round_trip(processor, tmp_path):
    processor.save_pretrained(tmp_path)
    loaded = SpatialLLMProcessor.from_pretrained(tmp_path)
    assert loaded.to_dict() == processor.to_dict()
    batches = [p(text=["Where?"], answers=["left"], return_tensors="pt") for p in (processor, loaded)]
    assert all(torch.equal(batches[0][name], batches[1][name]) for name in ("input_ids", "attention_mask", "labels"))
    clips = _clips(1)
    features = [p.feature_extractor(clips, sampling_rate=32_000)["input_features"] for p in (processor, loaded)]
    np.testing.assert_array_equal(*features)


def test_for_model_promises_what_the_projector_delivers(processor):
    """Tokens promised = tokens delivered; and a processor for another model is found out, with both numbers."""
    model = SpatialLLMForConditionalGeneration(tiny_config("SpatialLLMForConditionalGeneration"))
    made = SpatialLLMProcessor.for_model(model, processor.tokenizer)
    assert made.to_dict() == processor.to_dict()
    wrong = SpatialLLMProcessor(processor.feature_extractor, processor.tokenizer, num_audio_tokens=5)
    batch = wrong(audio=_clips(1), text="Where?", sampling_rate=32_000, return_tensors="pt")
    with pytest.raises(SpatialLLMError, match=r"5 audio placeholders.* 4 audio embeddings"):
        model(**batch)
