"""Messages of conversations as prompts and as inputs of the model, by the chat template of a processor."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spatial_llm.audio.formats import AudioFormat
from spatial_llm.audio.limits import DEFAULT_LIMITS, AudioLimits
from spatial_llm.errors import SpatialLLMError
from spatial_llm.model.audio_inputs import AudioOptions
from spatial_llm.model.chat import Chat, Message, Turn, read_chat, render, turns_of
from spatial_llm.model.padding import IGNORED
from spatial_llm.model.prompt_rows import checked_texts
from spatial_llm.prompts import AUDIO_TOKEN

if TYPE_CHECKING:
    from spatial_llm.model.processing_spatial_llm import SpatialLLMProcessor


def apply_chat_template(
    processor: "SpatialLLMProcessor",
    conversation: Sequence[Message] | Sequence[Sequence[Message]],
    chat_template: str | None = None,
    *,
    add_generation_prompt: bool = False,
    continue_final_message: bool = False,
    tokenize: bool = False,
    return_dict: bool = False,
    return_tensors: str | None = "pt",
    return_assistant_tokens_mask: bool = False,
    return_labels: bool = False,
    sampling_rate: float | None = None,
    audio_limits: AudioLimits = DEFAULT_LIMITS,
    format: str | AudioFormat | None = None,
    head: str | None = None,
    heading_deg: float = 0.0,
    processor_kwargs: Mapping[str, Any] | None = None,
    **variables: Any,
) -> Any:
    """Converts messages to prompts or to inputs of the model. Unlike in transformers, all channels of recordings are kept.

    Args:
        processor: of the model.
        conversation: messages, or a list of conversations; see `spatial_llm.model.chat`.
        chat_template: Jinja template; default: the processor's.
        add_generation_prompt: end where an answer begins.
        continue_final_message: the last message is the beginning of an answer, which the model goes on with.
        tokenize: return inputs of the model instead of text.
        return_dict: with `tokenize`, return all inputs instead of `input_ids` alone.
        return_tensors: "pt", "np" or None (lists).
        return_assistant_tokens_mask: add `assistant_masks` (B, length): 1 on every answer and what ends it.
        return_labels: add `labels` (B, length): token ids there, -100 elsewhere.
        sampling_rate, audio_limits, format, head, heading_deg: of the recordings, as in `SpatialLLM.ask`.
        processor_kwargs: any of the five above, `padding` and `max_length`; the form in which transformers gives them.
        **variables: of the template.

    Returns:
        A prompt (a list of them for several conversations), with `audio_token` for each recording; or with `tokenize` and
        `return_dict` `input_ids`, `attention_mask` (B, length) and, if the messages hold recordings, `input_features`
        (recordings, *input_shape of the encoder).

    Raises:
        SpatialLLMError: see `spatial_llm.model.chat`; or some recordings of a conversation are missing.
        AudioError: a recording cannot be read; see `spatial_llm.audio.io.prepare_waveform`.
    """
    if not isinstance(conversation, list | tuple) or not conversation:
        raise SpatialLLMError(f"conversation is {conversation!r}; give a list of messages.")
    several = isinstance(conversation[0], list | tuple)
    chats = [read_chat(each, processor.rows.refuse_special) for each in (conversation if several else [conversation])]
    template = processor.chat_template if chat_template is None else chat_template
    if not tokenize:
        texts = [
            _text(processor, template, chat, add_generation_prompt, continue_final_message, variables) for chat in chats
        ]
        return texts if several else texts[0]
    conversations = [
        chat_turns(
            processor,
            chat.messages,
            template=template,
            add_generation_prompt=add_generation_prompt,
            continue_final_message=continue_final_message,
            variables=variables,
        )
        for chat in chats
    ]
    given = {"sampling_rate": sampling_rate, "audio_limits": audio_limits, "format": format, "head": head}
    given |= {"heading_deg": heading_deg, **(processor_kwargs or {})}
    options = AudioOptions(
        given.pop("sampling_rate"),
        given.pop("audio_limits"),
        given.pop("format"),
        head=given.pop("head"),
        heading_deg=given.pop("heading_deg"),
    )
    with_labels = return_labels or return_assistant_tokens_mask
    given.setdefault("return_tensors", return_tensors)
    batch = processor.batch(conversations, _recordings(chats), options, with_labels, **given)
    if with_labels:
        labels = batch["labels"] if return_labels else batch.pop("labels")
        if return_assistant_tokens_mask:
            batch["assistant_masks"] = _trained(labels)
    return batch if return_dict else batch["input_ids"]


def chat_turns(
    processor: "SpatialLLMProcessor",
    messages: Sequence[Message],
    answers: Sequence[str | list[int]] | None = None,
    template: str | None = None,
    add_generation_prompt: bool = False,
    continue_final_message: bool = False,
    variables: Mapping[str, Any] | None = None,
) -> list[Turn]:
    """Returns the turns of messages whose contents are texts, by the processor's template; see `chat.turns_of`."""
    rows = processor.rows
    return turns_of(
        processor.chat_template if template is None else template,
        messages,
        answers,
        rows.special_tokens(),
        rows.tokenizer.eos_token,
        {**rows.tokenizer.special_tokens_map, **(variables or {})},
        add_generation_prompt,
        continue_final_message,
    )


def asked_turns(processor: "SpatialLLMProcessor", asked: Sequence[tuple[str, str]], recordings: int) -> list[Turn]:
    """Returns questions and answers as turns, after checking them.

    Args:
        processor: of the model.
        asked: questions with their answers.
        recordings: number of recordings in front of the first question.

    Raises:
        SpatialLLMError: a text is too long, not valid Unicode, or holds a special token.
    """
    messages: list[dict[str, str]] = []
    for number, (question, answer) in enumerate(asked):
        for text, role, name in ((question, "user", "question"), (answer, "assistant", "answer")):
            checked_texts(text, name, processor.max_question_characters)
            processor.rows.refuse_special(text, name)
            places = AUDIO_TOKEN * recordings if role == "user" and number == 0 else ""
            messages.append({"role": role, "content": places + text})
    return chat_turns(processor, messages)


def check_counts(conversations: Sequence[Sequence[Turn]], recordings: int, by_text: Sequence[int] | None) -> None:
    """Raises SpatialLLMError unless there is one recording a placeholder, in each conversation where that is known.

    Args:
        conversations: turns of each.
        recordings: number of all recordings.
        by_text: number of recordings of each conversation, None where they come in one list.
    """
    wanted = [sum(turn.prompt.count(AUDIO_TOKEN) for turn in turns) for turns in conversations]
    if by_text is not None and list(by_text) != wanted:
        raise SpatialLLMError(
            f"the texts have places for {wanted} recordings, but {list(by_text)} were given; give one a placeholder "
            f"{AUDIO_TOKEN}, and one a question without."
        )
    if sum(wanted) != recordings:
        raise SpatialLLMError(
            f"{len(conversations)} questions but {recordings} recordings; expected one a question"
            + ("." if max(wanted) < 2 else f", and one a placeholder {AUDIO_TOKEN}: {sum(wanted)}.")
        )


def _text(
    processor: "SpatialLLMProcessor", template: str, chat: Chat, prompt: bool, goes_on: bool, variables: Mapping[str, Any]
) -> str:
    variables = {**processor.tokenizer.special_tokens_map, **variables}
    if not goes_on:
        return render(template, chat.messages, prompt, variables)
    turns = chat_turns(processor, chat.messages, None, template, continue_final_message=True, variables=variables)
    return "".join(f"{turn.prompt}{turn.answer}{turn.end or ''}" for turn in turns)


def _recordings(chats: Sequence[Chat]) -> list[list[Any]] | None:
    """Returns the recordings of each conversation; None where the messages hold none, but places for them."""
    missing = [recording is None for chat in chats for recording in chat.recordings]
    if all(missing):
        return None
    if any(missing):
        raise SpatialLLMError(
            f"{sum(missing)} of {len(missing)} audio parts hold no recording; give each its audio, path, array, bytes or "
            "base64."
        )
    return [chat.recordings for chat in chats]


def _trained(labels: Any) -> Any:
    """Returns 1 where there is a label, else 0, in the form of `labels`."""
    if isinstance(labels, list):
        return [[int(label != IGNORED) for label in row] for row in labels]
    found = labels != IGNORED
    return found.long() if hasattr(found, "long") else found.astype(int)
