"""Converts recordings and questions to the tensors of the composite: cues, and a prompt with audio placeholders.

Note, as in the released data set of BAT (SLAM-LLM, `base_dataset.py`): the audio placeholders are before BOS, which the
tokenizer adds when it encodes the prompt. Prompt and answer are joined without a space and tokenised together, while the
length of the prompt comes from tokenising it alone, so that a merge across the border would shift one label. For training,
audio and prompt are padded on the left to a common end, and the answers on the right.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from transformers import BatchFeature, GenerationConfig, PreTrainedConfig, PreTrainedModel
from transformers.processing_utils import ProcessingKwargs, ProcessorMixin

from spatial_llm.audio.formats import AudioFormat
from spatial_llm.audio.io import prepare_waveform
from spatial_llm.encoders.feature_extraction_base import RecordingFeatureExtractor
from spatial_llm.encoders.folder_files import (
    CONFIG,
    GENERATION,
    PROCESSOR_JSON,
    check_generation,
    exists,
    in_words,
    is_local_folder,
    named,
    read_all_json,
    read_json,
)
from spatial_llm.encoders.seal import PROCESSOR, check_seal, write_seal
from spatial_llm.errors import CheckpointError, SpatialLLMError
from spatial_llm.model.configuration_spatial_llm import SpatialLLMConfig
from spatial_llm.model.joining import check_joined
from spatial_llm.model.padding import pad_rows, padding_options
from spatial_llm.model.taught_file import read_taught, write_taught
from spatial_llm.prompts import AUDIO_TOKEN, PROMPT_FORMATS
from spatial_llm.questions.taught import TaughtQuestions

PromptFormat = Literal["bat"]

# Options of `from_pretrained` that locate the files.
HUB_OPTIONS = ("subfolder", "revision", "cache_dir", "token", "force_download", "local_files_only", "proxies")
MOST_CHARACTERS = 8_000  # longest question; with 100,000 characters, attention would take gigabytes


class SpatialLLMProcessor(ProcessorMixin):
    """Converts one recording and one question a row to `input_features`, `input_ids`, `attention_mask` and, with answers,
    `labels`.

    Args:
        feature_extractor: that of the encoder's config, `config.feature_extractor()`.
        tokenizer: tokenizer of the language model.
        num_audio_tokens: placeholders for each clip, as many as the projector's tokens.
        prompt_format: "bat".
        audio_token_id: id of the placeholder, as in the model's config; default: the id of "<|audio|>" if the tokenizer has
            it, else the first id outside its vocabulary.
        max_question_characters: longest question, and longest answer in training; a longer one is an error and is never cut.
        window_samples: window of the encoder; recordings of another length are padded or cut as in `SpatialLLM.ask`. None if
            it is not known: recordings must then be as long as the window.

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
    ) -> None:
        if prompt_format not in PROMPT_FORMATS:
            raise SpatialLLMError(f"prompt_format is {prompt_format!r}; expected one of {sorted(PROMPT_FORMATS)}.")
        if num_audio_tokens < 1:
            raise SpatialLLMError(
                f"num_audio_tokens is {num_audio_tokens}; expected at least 1, as many as the projector makes of a clip."
            )
        _check_limit(max_question_characters)
        if audio_token_id is None:
            audio_token_id = tokenizer.get_vocab().get(AUDIO_TOKEN, len(tokenizer))
        self.num_audio_tokens = num_audio_tokens
        self.prompt_format = prompt_format
        self.audio_token_id = audio_token_id
        self.max_question_characters = max_question_characters
        self.window_samples = window_samples
        self.taught: TaughtQuestions | None = None
        super().__init__(feature_extractor, tokenizer)

    @classmethod
    def for_model(cls, model: PreTrainedModel, tokenizer: Any, prompt_format: PromptFormat = "bat") -> "SpatialLLMProcessor":
        """Returns the processor for a `SpatialLLMForConditionalGeneration`, given its language model's tokenizer."""
        return cls(
            model.config.encoder_config.feature_extractor(),
            tokenizer,
            num_audio_tokens=model.config.num_audio_tokens,
            prompt_format=prompt_format,
            audio_token_id=model.config.audio_token_id,
            window_samples=model.config.encoder_config.window_samples,
        )

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> "SpatialLLMProcessor":
        """Loads as `ProcessorMixin.from_pretrained`, checking the files before and the whole afterwards.

        Raises:
            CheckpointError: a file is missing or damaged, or is not the one that was saved with the folder; or the processor
                does not fit the model in the same folder (see `spatial_llm.model.joining`).
        """
        folder = Path(pretrained_model_name_or_path, kwargs.get("subfolder") or "")
        if local := is_local_folder(Path(pretrained_model_name_or_path)) and is_local_folder(folder):
            found = read_all_json(folder, PROCESSOR_JSON)
            if not {"processor_config.json", "preprocessor_config.json"} & set(found):
                raise CheckpointError(f"{folder}: no processor_config.json in this folder; save the processor there again.")
        with named(folder), in_words(f"the processor of {pretrained_model_name_or_path}"):
            processor = super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
            processor._read_window(pretrained_model_name_or_path, **kwargs)
            options = {name: kwargs[name] for name in HUB_OPTIONS if name in kwargs}
            processor.taught = read_taught(pretrained_model_name_or_path, **options)
        if local:
            model = read_json(folder / CONFIG).get("model_type") if exists(folder / CONFIG) else None
            if model == SpatialLLMConfig.model_type:
                ends = read_json(folder / GENERATION) if exists(folder / GENERATION) else {}
                check_generation(folder / GENERATION, ends)
                ends = GenerationConfig(eos_token_id=ends.get("eos_token_id"))
                check_joined(SpatialLLMConfig.from_pretrained(folder), processor, str(folder), ends)
            check_seal(folder, PROCESSOR)
        return processor

    def save_pretrained(self, save_directory: Any, *args: Any, **kwargs: Any) -> Any:
        """Saves as `ProcessorMixin.save_pretrained`, and seals the files (see `spatial_llm.encoders.seal`)."""
        written = super().save_pretrained(save_directory, *args, **kwargs)
        write_taught(save_directory, self.taught)
        write_seal(Path(save_directory), PROCESSOR)
        return written

    def _upload_modified_files(self, working_dir: Any, *args: Any, **kwargs: Any) -> Any:
        # save_pretrained(push_to_hub=True) sends the files from inside: the seal of an earlier push must not stay there.
        write_taught(working_dir, self.taught)
        write_seal(Path(working_dir), PROCESSOR)
        return super()._upload_modified_files(working_dir, *args, **kwargs)

    def _read_window(self, folder: Any, **kwargs: Any) -> None:
        """Reads the window from the model beside the processor, if there is one: folders of earlier versions do not contain
        it."""
        if self.window_samples is None:
            options = {name: kwargs[name] for name in HUB_OPTIONS if name in kwargs}
            settings, _ = PreTrainedConfig.get_config_dict(folder, _raise_exceptions_for_missing_entries=False, **options)
            if settings.get("model_type") == SpatialLLMConfig.model_type:
                self.window_samples = SpatialLLMConfig.from_dict(settings).encoder_config.window_samples

    @property
    def model_input_names(self) -> list[str]:
        return ["input_ids", "attention_mask", *self.feature_extractor.model_input_names]

    def prompt(self, question: str) -> str:
        """Returns the text before the answer."""
        return PROMPT_FORMATS[self.prompt_format].format(question=question)

    def __call__(
        self,
        audio: Any = None,
        text: str | Sequence[str] | None = None,
        answers: str | Sequence[str] | None = None,
        max_characters: int | None = None,
        scale_known: bool | None = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """Builds one batch.

        Args:
            audio: one recording (channels, samples), a batch (B, channels, samples) or a list of recordings, of the feature
                extractor's format. A shorter recording than the model's window is padded with silence; of a longer one the
                loudest window is used, with a warning. None builds the text side only, placeholders included (for
                `audio_hidden_states`).
            text: the question or questions.
            answers: the answers, for training; None for generation.
            max_characters: longest question or answer; default: the processor's `max_question_characters`.
            scale_known: whether the recordings come from `prepare_waveform`, which has checked their scale; default: no.
            **kwargs: `sampling_rate` of the audio in Hz, `return_tensors`, `padding`, `max_length`, as in transformers.
                Prompts are never truncated.

        Returns:
            `input_ids`, `attention_mask` (B, length): [placeholders][BOS prompt], padded on the left; with answers
            [placeholders][BOS prompt][answer][EOS], answers padded on the right, and `labels`, -100 everywhere but on
            answer and EOS; `input_features` (B, *input_shape of the encoder).

        Raises:
            SpatialLLMError: there is no question, the numbers of questions, answers and recordings differ, or a text is too
                long, not valid Unicode, or contains the placeholder or another special token.
            AudioError: see `RecordingFeatureExtractor`.
        """
        if text is None:
            raise SpatialLLMError("no question given; expected text=question or a list of questions.")
        options = self._merge_kwargs(ProcessingKwargs, tokenizer_init_kwargs=self.tokenizer.init_kwargs, **kwargs)
        text_options = options["text_kwargs"]
        most = self.max_question_characters if max_characters is None else max_characters
        _check_limit(most)
        questions = _texts(text, "text", most)
        answers = None if answers is None else _texts(answers, "answers", most)
        if answers is not None and len(answers) != len(questions):
            raise SpatialLLMError(f"{len(questions)} questions but {len(answers)} answers; expected one answer a question.")

        data: dict[str, Any] = {}
        if audio is not None:
            features = self._features(audio, options["audio_kwargs"], bool(scale_known))
            if len(features) != len(questions):
                raise SpatialLLMError(f"{len(questions)} questions but {len(features)} recordings; expected one a question.")
            data["input_features"] = features
        rows = [self._row(q, None if answers is None else answers[i]) for i, q in enumerate(questions)]
        data.update(pad_rows(rows, self._pad_id(), answers is not None, **padding_options(text_options)))
        tensor_type = text_options.get("return_tensors")
        return BatchFeature(data, tensor_type=tensor_type)

    def _features(self, audio: Any, options: dict[str, Any], scale_known: bool) -> Any:
        if isinstance(audio, str):
            raise SpatialLLMError(
                "audio is a path; the processor takes arrays (channels, samples): read it with "
                "spatial_llm.audio.io.read_audio, or use SpatialLLM.ask, which takes paths."
            )
        rate = options.get("sampling_rate")
        if rate is None:
            rate = self.feature_extractor.sampling_rate
            warnings.warn(f"no sampling_rate given: the recording is taken to be at {rate} Hz.", stacklevel=3)
        if self.window_samples is not None and rate == self.feature_extractor.sampling_rate:
            given, format = audio, self.feature_extractor.format
            audio = fit_window(audio, rate, self.window_samples, format, scale_known)
            scale_known = scale_known or audio is not given
        features = self.feature_extractor(audio, sampling_rate=rate, return_tensors="pt", scale_known=scale_known)
        return features["input_features"]

    def _row(self, question: str, answer: str | None) -> tuple[list[int], list[int]]:
        """Returns (placeholders and prompt, answer and EOS) as ids; the second is empty without an answer."""
        self._refuse_special(question, "question")
        prompt = self.prompt(question)
        slots = [self.audio_token_id] * self.num_audio_tokens
        if answer is None:
            return slots + self._ids(prompt), []
        self._refuse_special(answer, "answer")
        if self.tokenizer.eos_token_id is None:
            raise SpatialLLMError("the tokenizer has no EOS token, which ends every answer: set tokenizer.eos_token.")
        length = len(self._ids(prompt))
        ids = self._ids(prompt + answer)
        return slots + ids[:length], [*ids[length:], self.tokenizer.eos_token_id]

    def _ids(self, text: str) -> list[int]:
        """Returns ids as the tokenizer gives them, with its BOS; an EOS that it adds is removed, because it belongs after
        the answer."""
        ids = list(self.tokenizer(text)["input_ids"])
        return ids[:-1] if len(ids) > 1 and ids[-1] == self.tokenizer.eos_token_id else ids

    def _refuse_special(self, text: str, what: str) -> None:
        ids = set(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        # Chat tokenizers have special tokens without a named role, such as headers of turns: these are special too.
        added = {number for number, token in self.tokenizer.added_tokens_decoder.items() if token.special}
        special = (added | set(self.tokenizer.all_special_ids) | {self.audio_token_id}) - {self.tokenizer.unk_token_id}
        if ids & special or AUDIO_TOKEN in text:
            found = AUDIO_TOKEN if AUDIO_TOKEN in text else self.tokenizer.convert_ids_to_tokens(min(ids & special))
            raise SpatialLLMError(
                f"the {what} {text!r} holds the special token {found!r}; expected plain text: audio placeholders and "
                "special tokens are put in place by the processor."
            )

    def _pad_id(self) -> int:
        # pad = EOS if the tokenizer has no padding token, as in the official recipe.
        pad, eos = self.tokenizer.pad_token_id, self.tokenizer.eos_token_id
        if pad is None and eos is None:
            raise SpatialLLMError("the tokenizer has neither a padding nor an EOS token: set tokenizer.pad_token.")
        return eos if pad is None else pad


def fit_window(audio: Any, sampling_rate: int, window_samples: int, format: AudioFormat, scale_known: bool = False) -> Any:
    """Returns recordings as a feature extractor takes them, each padded or cut to the window by `prepare_waveform`.

    Recordings of the right length are returned unchanged. Raises AudioError: see `prepare_waveform`.
    """
    items = list(audio) if isinstance(audio, list | tuple) or np.ndim(audio) == 3 else [audio]
    if isinstance(audio, list | tuple) and items and all(np.ndim(item) == 1 for item in items):
        items = [audio]  # one recording, given as a list of channels
    if all(np.ndim(item) == 2 and np.shape(item)[1] == window_samples for item in items):
        return audio
    arrays = [item.detach().cpu().numpy() if isinstance(item, torch.Tensor) else item for item in items]
    prepared = [
        prepare_waveform(item, sampling_rate, sampling_rate, window_samples, scale_known=scale_known, format=format)
        for item in arrays
    ]
    fitted = torch.from_numpy(np.stack(prepared))
    return fitted.to(audio.device) if isinstance(audio, torch.Tensor) else fitted


def _check_limit(most: int) -> None:
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise SpatialLLMError(f"max_question_characters is {most!r}; expected a whole number of at least 1.")


def _texts(value: str | Sequence[str], name: str, most: int) -> list[str]:
    texts = [value] if isinstance(value, str) else list(value)
    if not texts or not all(isinstance(item, str) for item in texts):
        raise SpatialLLMError(f"{name} is {value!r}; expected a string or a list of strings.")
    for index, text in enumerate(texts):
        if len(text) > most:
            raise SpatialLLMError(
                f"{name}[{index}] has {len(text):,} characters, expected at most {most:,}: shorten it, or give a higher "
                "max_question_characters (memory grows with the length of the prompt)."
            )
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise SpatialLLMError(f"{name}[{index}] holds half a surrogate pair, which is no character; correct the text.")
    return texts
