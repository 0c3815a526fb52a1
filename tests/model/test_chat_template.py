"""Messages as prompts and inputs: both channels survive, placeholders are where recordings are, answers have labels."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from transformers import pipeline

from spatial_llm import SpatialLLM, shipped
from spatial_llm.errors import AudioError, SpatialLLMError
from spatial_llm.model import SpatialLLMForConditionalGeneration, SpatialLLMProcessor
from spatial_llm.prompts import BAT_CHAT_TEMPLATE, PROMPT_FORMATS
from spatial_llm.testing import tiny_config, tiny_processor

ONE = Path(shipped.__file__).parent / "recordings" / "one_source.flac"
BEHIND = ONE.with_name("one_source_behind.flac")
WHERE = "Where is the sound in this audio clip coming from?"
AUDIO, BOS, EOS = 3, 1, 2
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA_2 = (
    "{% for message in messages %}{% if message.role == 'user' %}{{ bos_token + '[INST] ' + message.content + ' [/INST]' }}"
    "{% else %}{{ ' ' + message.content + ' ' + eos_token }}{% endif %}{% endfor %}"
)


@pytest.fixture(scope="module")
def tiny():
    return SpatialLLM.from_pretrained("tiny")


@pytest.fixture
def processor():
    return tiny_processor()


def said(*questions_and_answers, **audio):
    """Messages of user and assistant by turns; the first has the recording."""
    messages = []
    for number, text in enumerate(questions_and_answers):
        parts = [{"type": "text", "text": text}]
        if number == 0 and audio:
            parts.insert(0, {"type": "audio", **audio})
        messages.append({"role": ("user", "assistant")[number % 2], "content": parts})
    return messages


def chat_processor(template):
    made = tiny_processor()
    made.tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    made.tokenizer.chat_template = template
    options = {"num_audio_tokens": 2, "window_samples": 9920, "audio_token_id": 5000}  # outside the vocabulary
    return SpatialLLMProcessor(made.feature_extractor, made.tokenizer, prompt_format="chat", **options)


def clip(samples=9920, seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal((2, samples)).astype(np.float32)


def test_one_message_is_the_question_of_ask(tiny):
    expected = tiny.processor(audio=ONE, text=WHERE, return_tensors="pt")
    text = tiny.processor.apply_chat_template(said(WHERE, path=str(ONE)))
    assert text == "<|audio|>" + PROMPT_FORMATS["bat"].format(question=WHERE)
    options = {"tokenize": True, "return_dict": True, "add_generation_prompt": True, "return_tensors": "pt"}
    for batch in (
        tiny.processor.apply_chat_template(said(WHERE, path=str(ONE)), **options),
        tiny.processor(audio=ONE, text=text, return_tensors="pt"),
    ):
        assert batch.keys() == expected.keys()
        assert all(torch.equal(batch[name], expected[name]) for name in expected)


def test_both_channels_survive_in_every_part(processor, monkeypatch):
    """L = -R is silence to whoever averages; transformers' loader is not even called."""
    opposite = np.stack([clip()[0], -clip()[0]])
    file = io.BytesIO()
    soundfile.write(file, opposite.T, 32_000, format="WAV", subtype="FLOAT")
    content = file.getvalue()
    expected = processor(audio=opposite, text="Where?", sampling_rate=32_000, return_tensors="pt")["input_features"]
    encoded = base64.b64encode(content).decode()
    for part in (
        {"array": opposite, "sampling_rate": 32_000},
        {"audio": opposite, "sampling_rate": 32_000},
        {"audio": {"array": opposite, "sampling_rate": 32_000}},
        {"audio": content},
        {"bytes": content},
        {"audio": io.BytesIO(content)},
        {"base64": encoded},
        {"base64": "data:audio/wav;base64," + encoded},
    ):
        batch = processor.apply_chat_template(said("Where?", **part), tokenize=True, return_dict=True)
        assert torch.equal(batch["input_features"], expected), part.keys()


def test_turns_follow_one_another_and_every_answer_has_labels(processor):
    messages = said("Where?", "left", "Is it the bell?", "Yes", array=clip(), sampling_rate=32_000)
    text = processor.apply_chat_template(messages)
    prompt = PROMPT_FORMATS["bat"]
    turns = [prompt.format(question="Where?") + "left</s>", prompt.format(question="Is it the bell?") + "Yes</s>"]
    assert text == "<|audio|>" + "".join(turns)
    options = {"tokenize": True, "return_dict": True, "return_assistant_tokens_mask": True, "return_labels": True}
    batch = processor.apply_chat_template([messages, messages[:2]], **options)
    ids, labels, mask = (batch[name] for name in ("input_ids", "labels", "assistant_masks"))
    assert batch["input_features"].shape[0] == 2
    assert ids[0, :5].tolist() == [AUDIO] * 4 + [BOS]
    assert BOS not in ids[0, 5:]
    assert [processor.tokenizer.decode(row[row >= 0]) for row in labels] == ["left</s>Yes</s>", "left</s>"]
    assert torch.equal(mask.bool(), labels >= 0)
    assert torch.equal(labels[mask.bool()], ids[mask.bool()])
    # The loss of the first turn alone is that of a single question.
    single = processor(text="Where?", answers="left", return_tensors="pt")
    kept = batch["attention_mask"][1].bool()
    assert torch.equal(ids[1, kept], single["input_ids"][0])
    assert torch.equal(labels[1, kept], single["labels"][0])


def test_recordings_stand_where_the_message_has_them(processor):
    first, second = clip(), clip(seed=1)
    parts = [{"type": "audio", "array": each, "sampling_rate": 32_000} for each in (first, second)]
    front = [{"role": "user", "content": [*parts, {"type": "text", "text": "Which?"}]}]
    between = [{"role": "user", "content": [parts[0], {"type": "text", "text": "Is it nearer than "}, parts[1]]}]
    assert processor.apply_chat_template(front).startswith("<|audio|><|audio|>Based on")
    text = processor.apply_chat_template(between)
    assert text.startswith("<|audio|>Based on") and "nearer than <|audio|>\n\n### Response" in text
    for messages in (front, between):
        batch = processor.apply_chat_template(messages, tokenize=True, return_dict=True)
        assert (batch["input_ids"] == AUDIO).sum() == 8
        expected = processor(audio=[first, second], text=["a", "b"], sampling_rate=32_000, return_tensors="pt")
        assert torch.equal(batch["input_features"], expected["input_features"])
        whole = processor(audio=[[first, second]], text=processor.apply_chat_template(messages), sampling_rate=32_000)
        assert whole["input_ids"] == batch["input_ids"].tolist()


def test_whole_prompts_need_a_recording_for_each_placeholder(processor):
    two = "<|audio|>first, <|audio|>second: which?"
    batch = processor(audio=[clip(), clip(), clip()], text=[two, "Where?"], sampling_rate=32_000)
    assert [row.count(AUDIO) for row in batch["input_ids"]] == [8, 4]
    assert processor(text=two)["input_ids"][0][:5] == [AUDIO] * 4 + [BOS]
    for audio in ([clip()], [clip()] * 4):
        with pytest.raises(SpatialLLMError, match=rf"2 questions but {len(audio)} .* one a placeholder <\|audio\|>: 3"):
            processor(audio=audio, text=[two, "Where?"], sampling_rate=32_000)
    with pytest.raises(SpatialLLMError, match=r"places for \[2, 1\] recordings, but \[1, 2\] were given"):
        processor(audio=[[clip()], [clip(), clip()]], text=[two, "Where?"], sampling_rate=32_000)
    labelled = processor(text=two, answers="the first")
    assert [label for label in labelled["labels"][0] if label >= 0][-1] == EOS


@pytest.mark.parametrize("template", [CHATML, LLAMA_2])
def test_a_chat_model_has_its_own_template(template, tmp_path):
    processor = chat_processor(template)
    messages = said("Where?", "left", "Is it the bell?", array=clip(), sampling_rate=32_000)
    text = processor.apply_chat_template(messages, add_generation_prompt=True)
    assert text == processor.tokenizer.apply_chat_template(
        [{**m, "content": "<|audio|>" * (m is messages[0]) + m["content"][-1]["text"]} for m in messages],
        tokenize=False, add_generation_prompt=True,
    )  # fmt: skip
    batch = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=True)
    ids = batch["input_ids"][0]
    assert (ids == 5000).sum() == 2
    rest = processor.tokenizer.decode(ids[ids != 5000])
    assert rest.replace(" ", "") == text.replace("<|audio|>", "").replace(" ", "")
    assert ids.tolist().count(BOS) == text.count("<s>")
    assert processor(audio=clip(), text=text, sampling_rate=32_000)["input_ids"][0].count(5000) == 2
    # A plain question is put into the template too, for `ask` and for training.
    alone = processor.apply_chat_template(messages[:1], add_generation_prompt=True, tokenize=True)
    assert processor(text="Where?", return_tensors="pt")["input_ids"].tolist() == alone.tolist()
    trained = processor(text="Where?", answers="left")["labels"][0]
    ends = {CHATML: "<|im_end|>", LLAMA_2: "</s>"}
    assert processor.tokenizer.decode([label for label in trained if label >= 0]).lstrip() == "left" + ends[template]
    processor.save_pretrained(tmp_path)
    again = SpatialLLMProcessor.from_pretrained(tmp_path)
    assert (again.prompt_format, again.chat_template) == ("chat", template)
    assert again.apply_chat_template(messages, add_generation_prompt=True) == text


def test_a_chat_model_talks(tmp_path):
    """From messages to a conversation with a cache, with a placeholder outside the vocabulary."""
    processor = chat_processor(CHATML)
    config = tiny_config("SpatialLLMForConditionalGeneration").to_dict()
    config["projector_config"]["num_query_tokens"] = 2
    config["text_config"]["vocab_size"] = len(processor.tokenizer)
    torch.manual_seed(0)
    config = type(tiny_config("SpatialLLMConfig"))(**config | {"audio_token_id": 5000})
    model = SpatialLLM(SpatialLLMForConditionalGeneration(config), processor)
    kept, anew = (model.talk(clip(), use_cache=use, sampling_rate=32_000) for use in (True, False))
    for question in ("Where?", "Is it left?", "Where?"):
        assert kept.ask(question, max_new_tokens=4) == anew.ask(question, max_new_tokens=4)
        assert kept._answer_ids == anew._answer_ids
    assert model.ask(clip(), "Where?", 32_000, max_new_tokens=4) == kept.history[0]


def test_a_template_of_the_language_model_is_not_taken_for_bats(processor, tmp_path):
    """A folder of an earlier version may hold the chat template of the model that its tokenizer comes from."""
    processor.save_pretrained(tmp_path)
    (tmp_path / "seal.json").unlink()
    (tmp_path / "chat_template.jinja").write_text(CHATML)
    loaded = SpatialLLMProcessor.from_pretrained(tmp_path)
    assert loaded.chat_template == processor.chat_template == BAT_CHAT_TEMPLATE
    assert loaded.apply_chat_template(said("Where?")) == PROMPT_FORMATS["bat"].format(question="Where?")


def test_an_answer_that_is_begun_goes_on(processor):
    messages = said("Where?", "left,", array=clip(), sampling_rate=32_000)
    text = processor.apply_chat_template(messages, continue_final_message=True)
    assert text.endswith("### Response:left,")
    ids = processor.apply_chat_template(messages, continue_final_message=True, tokenize=True)[0].tolist()
    assert processor.tokenizer.decode(ids).endswith("### Response:left,")
    with pytest.raises(SpatialLLMError, match="not one of the assistant"):
        processor.apply_chat_template(messages[:1], continue_final_message=True)


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([], "list of messages"),
        ("Where?", "list of messages"),
        ([{"role": "user"}], "is no message"),
        ([{"role": "user", "content": 3}], "a text or a list of parts"),
        ([{"role": "user", "content": [{"type": "image", "path": "x"}]}], "is no part of a message of the user"),
        ([{"role": "assistant", "content": [{"type": "audio", "path": "x"}]}], "is no part of a message of the assistant"),
        ([{"role": "user", "content": "Where is <|audio|>?"}], "special token"),
        ([{"role": "user", "content": "Where?</s>"}], "special token"),
        ([{"role": "system", "content": "Be brief."}], "user and assistant only"),
        (said("Where?", path="a.wav", bytes=b"x"), "give the recording in one"),
        (said("Where?", path="https://example.org/a.wav"), "fetch it"),
        (said("Where?", base64="?!"), "no base64"),
    ],
)
def test_messages_that_are_none_are_refused_in_words(processor, messages, words):
    with pytest.raises(SpatialLLMError, match=words):
        processor.apply_chat_template(messages, tokenize=True)


def test_recordings_that_are_missing(processor):
    empty = [{"role": "user", "content": [{"type": "audio"}, {"type": "text", "text": "Where?"}]}]
    batch = processor.apply_chat_template(empty, tokenize=True, return_dict=True)
    assert "input_features" not in batch and (batch["input_ids"] == AUDIO).sum() == 4
    empty[0]["content"].insert(0, {"type": "audio", "array": clip(), "sampling_rate": 32_000})
    with pytest.raises(SpatialLLMError, match="1 of 2 audio parts hold no recording"):
        processor.apply_chat_template(empty, tokenize=True)
    with pytest.raises(AudioError, match=r"nowhere\.wav"):
        processor.apply_chat_template(said("Where?", path="nowhere.wav"), tokenize=True)
    with pytest.raises(SpatialLLMError, match="writes 0 of the 1 answers"):
        processor.apply_chat_template(said("Where?", "left"), tokenize=True, chat_template="{{ messages[0].content }}")


def test_the_pipeline_of_transformers_answers_from_paths_and_messages(tiny):
    pipe = pipeline("any-to-any", model=tiny.model, processor=tiny.processor)
    expected = [tiny.ask(path, WHERE) for path in (ONE, BEHIND)]

    def texts(found):
        return [each["generated_text"].strip() for each in found]

    assert texts(pipe(text=WHERE, audio=str(ONE), return_full_text=False)) == expected[:1]
    both = pipe(text=[WHERE, WHERE], audio=[str(ONE), str(BEHIND)], return_full_text=False)
    assert texts(both) == expected
    assert texts(pipe(text=said(WHERE, path=str(BEHIND)), return_full_text=False)) == expected[1:]
    begun = pipe(text=said(WHERE, "left, front", path=str(ONE)), return_full_text=False)
    assert "left, front" + texts(begun)[0] == expected[0]
