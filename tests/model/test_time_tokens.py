"""Times as tokens: to ids and back as plain decimals, in prompts, answers and pieces of a stream."""

import pytest
import torch

from spatial_llm.errors import CheckpointError, SpatialLLMError
from spatial_llm.model import SpatialLLMConfig, SpatialLLMForConditionalGeneration, SpatialLLMProcessor
from spatial_llm.model.joining import check_joined
from spatial_llm.model.padding import IGNORED
from spatial_llm.model.time_tokens import TimeTokens, read_time_tokens
from spatial_llm.testing import tiny_config, tiny_processor
from spatial_llm.training.tiny.language_model import build_tokenizer

DIGITS, ABSOLUTE = TimeTokens("digits", 100), TimeTokens("absolute", 100, 10.0)
CHARACTERS = {character: number for number, character in enumerate("0123456789.,")}
ANSWER = "1.1 to 2.4 s dog, left, front; 3.0 s bell, right, 2.5m"


def processor_of(form: str | None, tokenizer: object = None) -> SpatialLLMProcessor:
    plain = tiny_processor()
    tokenizer = plain.tokenizer if tokenizer is None else tokenizer
    first_id = max(tokenizer.get_vocab().values()) + 1
    settings = None if form is None else read_time_tokens({"form": form}, first_id).settings
    return SpatialLLMProcessor(plain.feature_extractor, tokenizer, 4, audio_token_id=first_id + 2000, time_tokens=settings)


@pytest.mark.parametrize("number", ["0", "2", "2.0", "1.1", "12.4", "9.99", "123.456", "007"])
def test_digits_are_lossless(number: str) -> None:
    ids = DIGITS.ids(number)
    assert len(ids) == len(number.replace(".", "")) and all(one in DIGITS for one in ids)
    back = DIGITS.plain(ids, CHARACTERS)
    assert back == [CHARACTERS[character] for character in number]


def test_twenty_tokens_and_one_a_hundredth() -> None:
    assert DIGITS.count == 20 and ABSOLUTE.count == 1001
    assert DIGITS.ids("12.4") == [101, 102, 114]
    assert [ABSOLUTE.ids(number) for number in ("0", "1.1", "1.10", "10.00")] == [[100], [210], [210], [1100]]
    assert ABSOLUTE.ids("10.01") is None and ABSOLUTE.ids("1.125") is None
    assert [ABSOLUTE.spelled(100 + k) for k in (0, 110, 125, 1000)] == ["0.0", "1.1", "1.25", "10.0"]
    hundredths = [ABSOLUTE.ids(ABSOLUTE.spelled(100 + k)) for k in range(1001)]
    assert hundredths == [[100 + k] for k in range(1001)]


@pytest.mark.parametrize("times", [DIGITS, ABSOLUTE], ids=lambda times: times.form)
def test_two_numbers_in_a_row_are_never_read_as_one(times: TimeTokens) -> None:
    text = {number: character for character, number in CHARACTERS.items()}
    both = times.ids("1.1") + times.ids("2.5")
    assert "".join(text[one] for one in times.plain(both, CHARACTERS)) == "1.1,2.5"
    for stop in range(len(both)):
        beginning = times.plain(both[:stop], CHARACTERS)
        assert times.plain(both, CHARACTERS)[: len(beginning)] == beginning
    assert [text[one] for one in DIGITS.plain([114, 115], CHARACTERS)] == [".", "4", "5"]


@pytest.mark.parametrize("form", ["digits", "absolute"])
@pytest.mark.parametrize("phrase_tokenizer", [False, True])
@pytest.mark.parametrize(
    "answer", [ANSWER, "2.0 s", "It starts at 0.5 s and ends at 9.9 seconds.", "left; 2.5m", "0.3 to 0.6 s"]
)
def test_answers_come_back_as_they_were(form: str, phrase_tokenizer: bool, answer: str) -> None:
    # The second tokenizer puts a space before every text, as those of Llama-2 do.
    tokenizer = build_tokenizer([ANSWER, "Where is the dog at 1.5 seconds?"] * 3, 300) if phrase_tokenizer else None
    processor, plain = processor_of(form, tokenizer), processor_of(None, tokenizer)
    question = "Where is the dog at 1.5 seconds?"
    batch = processor(text=question, answers=answer, return_tensors="pt")
    ids, labels = batch["input_ids"][0], batch["labels"][0]
    own = labels[labels != IGNORED]
    assert processor.decode(own, skip_special_tokens=True).strip() == answer
    assert processor.batch_decode(own[None], skip_special_tokens=True)[0].strip() == answer
    written = sum(int(one) in processor.times for one in own)
    expected = [number for number in ("1.1", "2.4", "3.0", "2.0", "0.5", "9.9", "0.3", "0.6") if number in answer]
    assert written == (len(expected) * (2 if form == "digits" else 1))
    # The question's time is written in the same tokens.
    prompt = processor(text=question, return_tensors="pt")["input_ids"][0]
    assert processor.times.ids("1.5") == [int(one) for one in prompt if int(one) in processor.times]
    assert ids[: len(prompt)].equal(prompt), "a prompt is a beginning of its row in training"
    without = plain(text="Where is the dog?", answers="left; 2.5m", return_tensors="pt")
    assert without["input_ids"].equal(
        processor(text="Where is the dog?", answers="left; 2.5m", return_tensors="pt")["input_ids"].where(
            without["input_ids"] != plain.audio_token_id, plain.audio_token_id
        )
    ), "nothing but times is written in another way"


def test_absolute_writes_values_and_digits_the_text() -> None:
    """A whole second has one token, so that "2 s" comes back as "2.0 s", the same value."""
    for form, expected in (("digits", "2 s"), ("absolute", "2.0 s")):
        processor = processor_of(form)
        labels = processor(text="When?", answers="2 s", return_tensors="pt")["labels"][0]
        assert processor.decode(labels[labels != IGNORED], skip_special_tokens=True) == expected


def test_times_without_a_token() -> None:
    processor = processor_of("absolute")
    with pytest.raises(SpatialLLMError, match=r"the answer '12.0 s' holds the time 12.0 s.*up to 10 s"):
        processor(text="When?", answers="12.0 s")
    prompt = processor(text="What is heard at 12.0 s?", return_tensors="pt")["input_ids"][0]
    assert "12.0 s" in processor.decode(prompt), "a question keeps its text"


@pytest.mark.parametrize("form", [None, "digits", "absolute"])
def test_weights_lie_on_the_tokens_of_times(form: str | None) -> None:
    processor = processor_of(form)
    texts = {"text": ["Where is the dog at 1.5 seconds?"] * 2, "answers": [ANSWER, "left; 2.5m"]}
    batch = processor(**texts, return_tensors="pt", time_weight=5.0)
    weights, labels = batch["token_weights"], batch["labels"]
    assert weights.shape == labels.shape and weights.dtype == torch.float32
    assert (weights[labels == IGNORED] == 0).all() and set(weights[1].unique().tolist()) == {0.0, 1.0}
    timed = processor.decode(labels[0][weights[0] == 6.0])
    # None of the tokens holds anything else, apart from a space in front of a number.
    expected = {"digits": "1.1,2.4,3.0", "absolute": "1.1,2.4,3.0"}.get(form, "1.12.43.0")
    assert timed.replace(" ", "") == expected
    rest = processor.decode(labels[0][weights[0] == 1.0], skip_special_tokens=True)
    assert not any(number in rest for number in ("1.1", "2.4", "3.0")) and "2.5m" in rest
    assert "token_weights" not in processor(**texts, return_tensors="pt")


def test_settings_say_what_is_wrong() -> None:
    for settings, words in (
        ({"form": "words"}, "time_tokens is"),
        ({"form": "digits", "longest_s": 5.0}, "time_tokens is"),
        ("digits", "time_tokens is 'digits'"),
        ({"form": "absolute", "longest_s": 0.005}, "multiple of 0.01"),
        ({"form": "absolute", "longest_s": 601.0}, "0.01 to 600"),
        ({"form": "absolute", "longest_s": True}, "longest_s is True"),
    ):
        with pytest.raises(SpatialLLMError, match=words):
            read_time_tokens(settings, 5)
    with pytest.raises(SpatialLLMError, match="first_id is None"):
        read_time_tokens({"form": "digits"})
    config = tiny_config("SpatialLLMForConditionalGeneration").to_dict()
    size = config["text_config"]["vocab_size"]
    with pytest.raises(SpatialLLMError, match=f"audio_token_id is {size}, .* {size} to {size + 19}: give {size + 20}"):
        SpatialLLMConfig(**config | {"time_tokens": {"form": "digits"}, "audio_token_id": size})


def test_a_processor_of_another_form_is_refused() -> None:
    config = tiny_config("SpatialLLMForConditionalGeneration")
    config.time_tokens = {"form": "digits"}
    model = SpatialLLMForConditionalGeneration(config)
    tokenizer = tiny_processor().tokenizer
    check_joined(config, SpatialLLMProcessor.for_model(model, tokenizer), "model")
    with pytest.raises(CheckpointError, match="time_tokens is None"):
        check_joined(config, tiny_processor(), "model")


def test_a_tokenizer_that_does_not_fit_is_refused() -> None:
    plain = tiny_processor()
    settings = {"form": "digits", "first_id": len(plain.tokenizer) - 1}
    with pytest.raises(SpatialLLMError, match="lies behind the"):
        SpatialLLMProcessor(plain.feature_extractor, plain.tokenizer, 4, audio_token_id=5000, time_tokens=settings)
