"""Defines `SpatialLLM`: a model with its processor, and `ask`, which maps a recording and a question to the answer's
text."""

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import ArrayLike
from transformers import PreTrainedModel
from transformers.utils import cached_file

from spatial_llm.audio.formats import AudioFormat
from spatial_llm.audio.given import AudioFile
from spatial_llm.audio.limits import DEFAULT_LIMITS, AudioLimits
from spatial_llm.encoders.folder_files import exists
from spatial_llm.encoders.frame_head import FRAME_HEAD, FrameHead
from spatial_llm.encoders.pretrained import one_dtype
from spatial_llm.encoders.readout import HEADS, EncoderHeads
from spatial_llm.encoders.seal import forget
from spatial_llm.errors import SpatialLLMError
from spatial_llm.model.adapters import lora_merged
from spatial_llm.model.answer import Answer, check_question
from spatial_llm.model.finding import check_folder, on_hub
from spatial_llm.model.fingerprint import fingerprint
from spatial_llm.model.heard import Heard
from spatial_llm.model.joining import check_joined
from spatial_llm.model.listening import Listening
from spatial_llm.model.modeling_spatial_llm import SpatialLLMForConditionalGeneration
from spatial_llm.model.presence import notes_on_absence
from spatial_llm.model.processing_spatial_llm import SpatialLLMProcessor
from spatial_llm.model.processor_files import HUB_OPTIONS
from spatial_llm.model.publishing import push_to_hub as publish
from spatial_llm.model.talking import Talking
from spatial_llm.model.timeline import Timeline, make_timeline
from spatial_llm.model.understanding import understood
from spatial_llm.questions.matching import QuestionMatcher
from spatial_llm.shipped import find_model, is_shipped


class SpatialLLM(Listening, Talking):
    """Joins a `SpatialLLMForConditionalGeneration` and its `SpatialLLMProcessor`.

    Args:
        model: the model; it is put into eval mode.
        processor: prepares its inputs.
        heads: the heads of the encoder, by which `Heard` tells events and places; the answers need none.
        frame_head: the head by which `Heard.frames` tells what sounds where at each time, likewise.

    Raises:
        CheckpointError: the processor is another model's: its cues, placeholders or tokens differ from those of the model.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        processor: SpatialLLMProcessor,
        heads: EncoderHeads | None = None,
        frame_head: FrameHead | None = None,
    ) -> None:
        check_joined(model.config, processor, type(self).__name__, getattr(model, "generation_config", None))
        self.model = model.eval()
        self.processor = processor
        self.heads = heads
        self.frame_head = frame_head
        self._matcher: QuestionMatcher | None = None
        self._spoke_of_level = False
        self._spoke_of_ears = False

    @property
    def matcher(self) -> QuestionMatcher | None:
        """Returns what finds taught questions; None if the model was saved without what it was taught."""
        taught = self.processor.taught
        if taught is not None and (self._matcher is None or self._matcher.taught is not taught):
            self._matcher = QuestionMatcher(taught)
        return None if taught is None else self._matcher

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike, **kwargs: Any) -> "SpatialLLM":
        """Loads model and processor.

        Args:
            folder: folder of a saved model; or the name of one that comes with the package ("tiny"), which is loaded as
                float32 unless `dtype` is given (a local folder of that name with a model in it wins); or a name on the hub.
            kwargs: go to the model's `from_pretrained`; those that locate the files (subfolder, revision, cache_dir, token,
                ...) also go to the processor's.

        Raises:
            CheckpointError: there is no such folder or model, or it is of another kind; a file of it is damaged, was changed
                since it was saved, or belongs to another model; see `from_pretrained` of the model and of the processor.
        """
        folder = find_model(folder)
        one_dtype(kwargs)
        if is_shipped(folder):
            kwargs = {"dtype": torch.float32} | kwargs
        if not on_hub(os.fspath(folder), kwargs):
            folder = Path(folder, kwargs.pop("subfolder", None) or "")
            check_folder(folder)
        where = {name: kwargs[name] for name in HUB_OPTIONS if name in kwargs}
        # The processor comes first, because it is small: its errors are found before billions of weights are read.
        processor = SpatialLLMProcessor.from_pretrained(folder, **where)
        model = SpatialLLMForConditionalGeneration.from_pretrained(folder, **kwargs)
        parts: dict[str, EncoderHeads | FrameHead] = {}
        for name, file, kind in (("heads", HEADS, EncoderHeads), ("frame_head", FRAME_HEAD, FrameHead)):
            found: str | Path | None = Path(folder, file)
            if not os.path.isdir(folder):
                found = cached_file(folder, file, _raise_exceptions_for_missing_entries=False, **where)
            if found is not None and exists(found):
                encoder = fingerprint(model.encoder)
                parts[name] = kind.from_pretrained(Path(found).parent, model.config.encoder_config, encoder)
        return cls(model, processor, **parts)

    def save_pretrained(self, folder: str | os.PathLike, **kwargs: Any) -> None:
        """Saves model, processor and the heads of the encoder to one folder; `kwargs` (such as trained_only=True) go to the
        model's `save_pretrained`."""
        self.model.save_pretrained(folder, **kwargs)
        self.processor.save_pretrained(folder)
        for heads, name in ((self.heads, HEADS), (self.frame_head, FRAME_HEAD)):
            if heads is None:
                Path(folder, name).unlink(missing_ok=True)  # of the model that was saved here before
                forget(Path(folder), [name])
            else:
                heads.save_pretrained(folder, fingerprint(self.model.encoder))

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Publishes the model with its card on the hub and returns the address; see `publishing.push_to_hub`."""
        return publish(self, repo_id, **options)

    @property
    def device(self) -> torch.device:
        """Returns the device of the model."""
        return self.model.device

    def to(self, *args: Any, **kwargs: Any) -> "SpatialLLM":
        """Moves the model in place to a device or dtype, as `torch.nn.Module.to`, and returns itself."""
        self.model.to(*args, **kwargs)
        return self

    def lora_merged(self) -> contextlib.AbstractContextManager[None]:
        """Adds LoRA to the weights inside `with model.lora_merged():`, so that many questions are answered faster.

        See `adapters.lora_merged`. Rounding differs, so of two nearly equally likely answers it may give the other.
        """
        return lora_merged(self.model)

    @property
    def suppressed_token_ids(self) -> list[int] | None:
        """Returns token ids for `generate(suppress_tokens=)`: the audio placeholder, which would need a recording that is
        not there."""
        config = self.model.config
        slots = [config.audio_token_id, *([] if config.mono is None else [config.text_config.audio_token_id])]
        return [slot for slot in slots if slot < config.get_text_config().vocab_size] or None

    def check_length(self, tokens: int) -> None:
        """Raises SpatialLLMError if the language model does not have positions for a prompt of so many tokens."""
        positions = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        if isinstance(positions, int) and 0 < positions < tokens:
            raise SpatialLLMError(
                f"the question makes a prompt of {tokens:,} tokens, more than the {positions:,} that the language model has "
                "positions for: shorten it."
            )

    def timeline(self, audio: str | Path | ArrayLike, questions: str | Sequence[str] = (), **options: Any) -> Timeline:
        """Lists what is heard in every window of a recording of any length, in bounded memory.

        Args:
            audio: path of a sound file, or array (channels, samples). WAV, AIFF and FLAC may last a day; other formats are
                decoded whole, and raise an error if they are larger than the limits.
            questions: questions to ask about every window; without any, the encoder's own heads tell what and where.
            sampling_rate: rate of an array, in Hz.
            hop_s: time from the start of one window to that of the next, in seconds; default: half a window.
            out: file of JSON lines for the rows; if it is there in part, because the work was stopped, the work goes on.
            quiet_dbfs: windows below this level are listed, but nothing is told about them (default -60 dBFS).
            audio_limits: see `listen`; here the default is a day.
            progress: show a progress bar.
            level_dbfs_at_1m: level of the recording, see `listen`; the levels listed are those of the recording as it is.
            format, head, heading_deg: the microphone, and to whose ears it is rendered, see `listen`.
            options: further options of `Heard.ask`.

        Raises:
            AudioError: see `listen`.
            SpatialLLMError: see `ask`; there is nothing to tell; or `out` is a timeline of something else.
        """
        return make_timeline(self, audio, questions, **options)

    def ask(
        self,
        audio: AudioFile | ArrayLike | Mapping[str, Any],
        question: str,
        sampling_rate: float | None = None,
        max_new_tokens: int = 200,
        num_beams: int = 1,
        audio_limits: AudioLimits = DEFAULT_LIMITS,
        max_question_characters: int | None = None,
        format: str | AudioFormat | None = None,
        level_dbfs_at_1m: float | None = None,
        strict: bool = False,
        as_asked: bool = False,
        head: str | os.PathLike | None = None,
        heading_deg: float = 0.0,
        **generation: Any,
    ) -> Answer:
        """Answers a question about a recording; `listen` is for several questions.

        A question that has the meaning of a taught one (`processor.taught`) is put to the model in the taught wording, which
        the answer names; of one that is near none, a warning says so, and it is put as it is. Of a sound that a question
        names, a model that was taught to is also asked whether it is there; if not, a warning says so.

        Args:
            audio, sampling_rate, audio_limits, format, level_dbfs_at_1m, head, heading_deg: the recording, see `listen`.
            question: the question in words.
            strict: refuse a question that is near none that was taught, or names a sound that the model does not know.
            as_asked: put the question as it is, and no other one, without a warning.
            max_new_tokens: longest answer, in tokens.
            num_beams: number of beams; 1 is greedy, the official evaluation uses 4.
            max_question_characters: longest question; default: that of the processor (8,000). A longer one is an error and
                is never cut, and so is one of more tokens than the language model has positions.
            generation: other arguments of transformers' `generate`, such as do_sample or temperature.

        Returns:
            The answer.

        Raises:
            AudioError: see `listen`.
            SpatialLLMError: the question is blank or no text, too long, not valid Unicode, or contains a special token;
                `strict` refuses it; or `generate` has no such argument.
        """
        check_question(question)
        if strict:  # before the recording is encoded
            understood(self.matcher, question, strict=True, as_asked=True)
        heard = self.listen(audio, sampling_rate, audio_limits, format, level_dbfs_at_1m, head, heading_deg)
        options = {"strict": strict, "as_asked": as_asked, "max_new_tokens": max_new_tokens, "num_beams": num_beams}
        return heard.ask(question, max_question_characters=max_question_characters, **options, **generation)

    @torch.inference_mode()
    def answer(
        self,
        heard: Heard,
        question: str,
        max_new_tokens: int = 200,
        num_beams: int = 1,
        max_question_characters: int | None = None,
        strict: bool = False,
        as_asked: bool = False,
        **generation: Any,
    ) -> Answer:
        """Answers a question about what was heard; see `Heard.ask`, and `ask` for the arguments."""
        check_question(question)
        match, asked = self.understand(question, strict, as_asked, max_question_characters)
        options = {"max_new_tokens": max_new_tokens, "num_beams": num_beams} | generation
        # The limit is that of the question as it was given; a taught wording may be longer.
        limit = max_question_characters if asked == question else len(asked)
        text = self.plain_answer(heard, asked, limit, **options)
        absent = [] if as_asked else notes_on_absence(self, heard, match, asked, text)
        return self.noted(text, question, asked, match, as_asked, heard.level_is_known, heard.derived, absent)

    @torch.inference_mode()
    def plain_answer(self, heard: Heard, asked: str, max_question_characters: int | None = None, **generation: Any) -> str:
        """Returns the text of the answer to a question that is put to the model as it is; greedy by default.

        Args:
            heard: the recording.
            asked: the question.
            max_question_characters, generation: see `ask`.
        """
        batch = self.processor(text=asked, return_tensors="pt", max_characters=max_question_characters).to(self.device)
        self.check_length(length := batch["input_ids"].shape[1])
        ids = self.generate(**batch, **heard.audio, **({"max_new_tokens": 200, "do_sample": False} | generation))
        return self.processor.decode(ids[0, length:], skip_special_tokens=True).strip()

    @torch.inference_mode()
    def generate(self, *args: Any, **options: Any) -> Any:
        """Does as the model's `generate`, and keeps the audio placeholder out of answers.

        Raises:
            SpatialLLMError: `generate` has no such argument, or `max_new_tokens` is no whole number above 0.
        """
        most = options.get("max_new_tokens")
        if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
            raise SpatialLLMError(f"max_new_tokens is {most!r}; expected a whole number of at least 1.")
        try:
            return self.model.generate(*args, **{"suppress_tokens": self.suppressed_token_ids} | options)
        except ValueError as error:
            if "model_kwargs" not in str(error):
                raise
            raise SpatialLLMError(f"generate does not know an argument: {error}") from None
