"""Converts recordings and questions to the tensors of the composite: cues, and a prompt with audio placeholders.

For training, audio and prompt are padded on the left to a common end, and the answers on the right. What stands where in a
row is in `spatial_llm.model.prompt_rows`, how recordings are read in `spatial_llm.model.audio_inputs`.
"""

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from transformers import BatchFeature, PreTrainedModel
from transformers.processing_utils import ProcessingKwargs

from spatial_llm.audio.formats import AudioFormat
from spatial_llm.audio.limits import DEFAULT_LIMITS, AudioLimits
from spatial_llm.encoders.feature_extraction_base import RecordingFeatureExtractor
from spatial_llm.errors import SpatialLLMError
from spatial_llm.model.audio_inputs import AudioOptions, clips_by_text, encoder_input
from spatial_llm.model.chat import Turn
from spatial_llm.model.chat_template import apply_chat_template, asked_turns, chat_turns, check_counts
from spatial_llm.model.mono_base import MONO_INPUTS
from spatial_llm.model.mono_inputs import MonoInputs, mono_settings
from spatial_llm.model.padding import pad_rows, padding_options
from spatial_llm.model.processor_files import ProcessorFiles
from spatial_llm.model.prompt_rows import PromptRows, checked_limit, checked_texts
from spatial_llm.model.time_tokens import check_free, read_time_tokens
from spatial_llm.model.timed_text import characters_of, check_ids_free, plain_ids
from spatial_llm.prompts import AUDIO_TOKEN, BAT_CHAT_TEMPLATE, CHAT, PROMPT_FORMATS
from spatial_llm.questions.taught import TaughtQuestions

PromptFormat = Literal["bat", "chat"]

MOST_CHARACTERS = 8_000  # longest question; with 100,000 characters, attention would take gigabytes


class SpatialLLMProcessor(ProcessorFiles):
    """Converts one recording and one question a row to `input_features`, `input_ids`, `attention_mask` and, with answers,
    `labels`.

    Args:
        feature_extractor: that of the encoder's config, `config.feature_extractor()`.
        tokenizer: tokenizer of the language model.
        num_audio_tokens: placeholders for each clip, as many as the projector's tokens.
        prompt_format: "bat"; or "chat", the chat template of a chat model.
        audio_token_id: id of the placeholder, as in the model's config; default: the id of "<|audio|>" if the tokenizer has
            it, else the first id outside its vocabulary.
        max_question_characters: longest question, and longest answer in training; a longer one is an error and is never cut.
        window_samples: window of the encoder; recordings of another length are padded or cut as in `SpatialLLM.ask`. None if
            it is not known: recordings must then be as long as the window.
        chat_template: Jinja template of conversations with "chat"; default: the tokenizer's. BAT's format has its own.
        mono: of a mono base, what `mono_inputs.mono_settings` returns; None for other language models.
        time_tokens: `config.time_tokens` with the `first_id` of the tokens; None spells times in tokens of the vocabulary.

    Attributes:
        taught: what the model was taught, saved beside the processor (`questions.taught`); None if it is not known.
    """

    text_kwargs = {"padding": True}  # noqa: RUF012  (the name and form transformers asks for)

    def __init__(
        self,
        feature_extractor: RecordingFeatureExtractor,
        tokenizer: Any,
        num_audio_tokens: int = 64,
        prompt_format: PromptFormat = "bat",
        audio_token_id: int | None = None,
        max_question_characters: int = MOST_CHARACTERS,
        window_samples: int | None = None,
        chat_template: str | None = None,
        mono: dict[str, Any] | None = None,
        time_tokens: dict[str, Any] | None = None,
    ) -> None:
        if prompt_format not in (*PROMPT_FORMATS, CHAT):
            raise SpatialLLMError(f"prompt_format is {prompt_format!r}; expected one of {sorted([*PROMPT_FORMATS, CHAT])}.")
        if prompt_format != CHAT:
            # A template that lies beside the tokenizer in the folder is that of the chat model that it comes from.
            chat_template = BAT_CHAT_TEMPLATE
        elif chat_template is None:
            chat_template = tokenizer.chat_template
        if chat_template is None:
            raise SpatialLLMError(
                'prompt_format is "chat", and the tokenizer has no chat template; give chat_template, or take "bat".'
            )
        if num_audio_tokens < 1:
            raise SpatialLLMError(
                f"num_audio_tokens is {num_audio_tokens}; expected at least 1, as many as the projector makes of a clip."
            )
        checked_limit(max_question_characters)
        if audio_token_id is None:
            audio_token_id = tokenizer.get_vocab().get(AUDIO_TOKEN, len(tokenizer))
        self.num_audio_tokens = num_audio_tokens
        self.prompt_format = prompt_format
        self.audio_token_id = audio_token_id
        self.max_question_characters = max_question_characters
        self.window_samples = window_samples
        self.mono = mono
        self.time_tokens = time_tokens
        self.times = read_time_tokens(time_tokens)
        if self.times is not None:
            check_free(self.times, audio_token_id)
            check_ids_free(self.times, tokenizer)
            characters_of(tokenizer)
        self.taught: TaughtQuestions | None = None
        super().__init__(feature_extractor, tokenizer, chat_template=chat_template)

    @classmethod
    def for_model(cls, model: PreTrainedModel, tokenizer: Any, prompt_format: PromptFormat = "bat") -> "SpatialLLMProcessor":
        """Returns the processor for a `SpatialLLMForConditionalGeneration`, given its language model's tokenizer; of a mono
        base its processor, whose chat template is then that of "chat".

        Raises:
            SpatialLLMError: a mono base's own processor was not given.
        """
        mono = mono_settings(model.config, tokenizer)
        times = model.config.times
        return cls(
            model.config.encoder_config.feature_extractor(),
            tokenizer if mono is None else tokenizer.tokenizer,
            num_audio_tokens=model.config.num_audio_tokens,
            prompt_format=prompt_format,
            audio_token_id=model.config.audio_token_id,
            window_samples=model.config.encoder_config.window_samples,
            chat_template=None if mono is None else tokenizer.chat_template,
            mono=mono,
            time_tokens=None if times is None else times.settings,
        )

    @property
    def model_input_names(self) -> list[str]:
        mono = () if self.mono is None else MONO_INPUTS
        return ["input_ids", "attention_mask", *self.feature_extractor.model_input_names, *mono]

    @property
    def audio_token(self) -> str:
        """Returns the placeholder of a recording in text: "<|audio|>"."""
        return AUDIO_TOKEN

    @property
    def rows(self) -> PromptRows:
        """Returns what encodes turns of conversations with the tokenizer and the placeholder."""
        base_ids = [] if self.mono_inputs is None else self.mono_inputs.ids
        adds_bos = self.prompt_format != CHAT
        return PromptRows(self.tokenizer, self.audio_token_id, self.num_audio_tokens, adds_bos, base_ids, self.times)

    @functools.cached_property
    def characters(self) -> dict[str, int]:
        """Returns the ids of the characters that write times; raises SpatialLLMError, see `timed_text.characters_of`."""
        return characters_of(self.tokenizer)

    @functools.cached_property
    def mono_inputs(self) -> MonoInputs | None:
        """Returns what makes the input of a mono base; None for other language models."""
        rate = self.feature_extractor.sampling_rate
        return None if self.mono is None else MonoInputs(self.mono, self.tokenizer, rate, self.window_samples)

    def decode(self, token_ids: Any, *args: Any, **kwargs: Any) -> Any:
        """Decodes as the tokenizer does; tokens of times become plain decimals."""
        if self.times is not None:
            token_ids = plain_ids(token_ids, self.times, self.characters)
        return super().decode(token_ids, *args, **kwargs)

    def batch_decode(self, sequences: Any, *args: Any, **kwargs: Any) -> Any:
        """Decodes a batch as the tokenizer does; tokens of times become plain decimals."""
        if self.times is not None:
            sequences = plain_ids(sequences, self.times, self.characters)
        return super().batch_decode(sequences, *args, **kwargs)

    def prompt(self, question: str) -> str:
        """Returns the text before the answer, after the recording, which is in front."""
        return self._turn(question, None).prompt.removeprefix(AUDIO_TOKEN)

    def __call__(
        self,
        audio: Any = None,
        text: str | Sequence[str] | None = None,
        answers: str | Sequence[str] | None = None,
        max_characters: int | None = None,
        scale_known: bool | None = None,
        audio_limits: AudioLimits | None = None,
        format: str | AudioFormat | None = None,
        head: str | None = None,
        heading_deg: float | None = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """Builds one batch.

        Args:
            audio: one recording in any form that `SpatialLLM.ask` takes (array, path, bytes, open file, dict, decoder), a
                batch (B, channels, samples), or a list; or a list of lists, one a text. A shorter recording than the
                model's window is padded with silence; of a longer one the loudest window is used, with a warning. None
                builds the text side only, placeholders included (for `audio_hidden_states`).
            text: the question or questions, each about one recording, which is put in front. Or whole prompts: a text with
                `audio_token` in it is taken as it stands, special tokens included, and its recordings go where the
                placeholders are, one each, in order.
            answers: the answers, for training; None for generation.
            max_characters: longest text or answer; default: the processor's `max_question_characters`.
            scale_known: whether the recordings come from `prepare_waveform`, which has checked their scale; default: no.
            audio_limits: how long and large a recording may be, and whether a cut file may be read; default: 600 s, whole.
            format, head, heading_deg: what the recordings are, and to whose ears ambisonics and arrays are rendered for an
                encoder of two ears, see `SpatialLLM.listen`. Default: the encoder's, if the number of channels is right.
            **kwargs: `sampling_rate` in Hz, of arrays that do not say their own; any rate is resampled. `time_weight`, see
                `batch`. `return_tensors`, `padding`, `max_length`, as in transformers. Prompts are never truncated.

        Returns:
            `input_ids`, `attention_mask` (B, length): [placeholders][BOS prompt], padded on the left; with answers
            [placeholders][BOS prompt][answer][EOS], answers padded on the right, and `labels`, -100 everywhere but on
            answer and EOS; `input_features` (recordings, *input_shape of the encoder). For a mono base its own
            placeholders follow ours, and there are `mono_features` and `mono_mask` (recordings, ...).

        Raises:
            SpatialLLMError: there is no question, the numbers of questions, answers and recordings differ, or a text is too
                long, not valid Unicode, or contains a special token (a question) or `audio_token` (an answer).
            AudioError: see `spatial_llm.audio.io.prepare_waveform`.
        """
        if text is None:
            raise SpatialLLMError("no question given; expected text=question or a list of questions.")
        most = checked_limit(self.max_question_characters if max_characters is None else max_characters)
        questions = checked_texts(text, "text", most)
        answers = [None] * len(questions) if answers is None else checked_texts(answers, "answers", most)
        if len(answers) != len(questions):
            raise SpatialLLMError(f"{len(questions)} questions but {len(answers)} answers; expected one answer a question.")
        limits = DEFAULT_LIMITS if audio_limits is None else audio_limits
        rate, turned_deg = kwargs.pop("sampling_rate", None), 0.0 if heading_deg is None else heading_deg
        options = AudioOptions(rate, limits, format, bool(scale_known), head, turned_deg)
        turns = [[self._turn(question, answer)] for question, answer in zip(questions, answers, strict=True)]
        return self.batch(turns, audio, options, answers[0] is not None, **kwargs)

    def training_batch(
        self,
        asked: Sequence[Sequence[tuple[str, str]]],
        recordings: Sequence[int],
        audio: Any = None,
        sampling_rate: float | None = None,
        scale_known: bool = False,
        **kwargs: Any,
    ) -> BatchFeature:
        """Builds one batch of conversations for training, with labels on every answer and what ends it.

        Args:
            asked: questions with their answers, turn by turn, of each conversation.
            recordings: number of recordings of each, which stand in front of its first question.
            audio, sampling_rate, scale_known, kwargs: see `__call__`.

        Returns:
            As `__call__` with answers; one turn about one recording gives the same batch.

        Raises:
            SpatialLLMError: see `__call__`.
        """
        turns = [asked_turns(self, each, count) for each, count in zip(asked, recordings, strict=True)]
        return self.batch(turns, audio, AudioOptions(sampling_rate, scale_known=scale_known), True, **kwargs)

    def batch(
        self,
        conversations: Sequence[Sequence[Turn]],
        audio: Any = None,
        audio_options: AudioOptions | None = None,
        with_labels: bool = False,
        time_weight: float = 0.0,
        **kwargs: Any,
    ) -> BatchFeature:
        """Builds one batch of conversations that are turns already; see `__call__`.

        Args:
            conversations: turns of each conversation.
            audio: the recordings of all conversations in order, or a list of lists, one a conversation.
            audio_options: how they are read.
            with_labels: whether there are `labels`, on every answer and what ends it.
            time_weight: lambda; above 0 there are `token_weights` beside them, 1 + lambda on tokens that write a time.
            **kwargs: `return_tensors`, `padding`, `max_length`, as in transformers.

        Raises:
            SpatialLLMError: the numbers of placeholders and recordings differ.
            AudioError: see `spatial_llm.audio.io.prepare_waveform`.
        """
        # Some callers nest the rate, as transformers allows.
        options = self._merge_kwargs(ProcessingKwargs, tokenizer_init_kwargs=self.tokenizer.init_kwargs, **kwargs)
        text_options, nested = options["text_kwargs"], options["audio_kwargs"].get("sampling_rate")
        data: dict[str, Any] = {}
        if audio is not None:
            given = audio_options or AudioOptions()
            given = given if nested is None else replace(given, sampling_rate=nested)
            heard = encoder_input(audio, self.feature_extractor, self.window_samples, given, self.mono_inputs)
            check_counts(conversations, len(heard["input_features"]), clips_by_text(audio))
            data.update(heard)
        rows = [self.rows.row(turns, with_labels and time_weight > 0) for turns in conversations]
        padding = padding_options(text_options)
        data.update(pad_rows(rows, self.rows.pad_id(), with_labels, time_weight=time_weight, **padding))
        return BatchFeature(data, tensor_type=text_options.get("return_tensors"))

    def apply_chat_template(self, conversation: Any, chat_template: str | None = None, **kwargs: Any) -> Any:
        """Converts messages to prompts, or with `tokenize=True` to inputs of the model, with all channels of the recordings.

        Arguments and result are those of `spatial_llm.model.chat_template.apply_chat_template`.
        """
        return apply_chat_template(self, conversation, chat_template, **kwargs)

    def _turn(self, text: str, answer: str | None) -> Turn:
        """Returns a question with its recording in front, or a whole prompt, as a turn."""
        rows = self.rows
        if answer is not None:
            rows.refuse_special(answer, "answer")
        if AUDIO_TOKEN in text:
            return Turn(text, answer, None if answer is None else rows.eos_token())
        rows.refuse_special(text, "question")
        if self.prompt_format == CHAT:
            messages = [{"role": "user", "content": AUDIO_TOKEN + text}]
            messages += [] if answer is None else [{"role": "assistant", "content": answer}]
            return chat_turns(self, messages, add_generation_prompt=answer is None)[0]
        prompt = AUDIO_TOKEN + PROMPT_FORMATS[self.prompt_format].format(question=text)
        return Turn(prompt, answer, None if answer is None else rows.eos_token())
