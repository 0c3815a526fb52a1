"""What a model does beyond one question about one recording: conversations, and the questions of a data set."""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from spatial_llm.errors import warn_each_time
from spatial_llm.model.answer import Answer
from spatial_llm.model.conversation import Conversation
from spatial_llm.model.dataset_answers import answer_dataset
from spatial_llm.model.heard import Heard
from spatial_llm.model.prompt_rows import checked_limit
from spatial_llm.model.understanding import ON_DISTANCE, notes_of, rests_on_level, understood

if TYPE_CHECKING:
    from spatial_llm.model.pipeline import SpatialLLM


class Talking:
    """Methods of `SpatialLLM`."""

    def talk(self: "SpatialLLM", *audio: Any, use_cache: bool = True, **how: Any) -> Conversation:
        """Begins a conversation about one or several recordings, each in any form that `listen` takes, or what it returned.

        Args:
            audio: the recordings.
            use_cache: see `Conversation`.
            how: sampling_rate, audio_limits, format, level_dbfs_at_1m, head and heading_deg, as of `listen`.

        Raises:
            AudioError: see `listen`.
            SpatialLLMError: no recording was given.
        """
        heard = [each if isinstance(each, Heard) else self.listen(each, **how) for each in audio]
        return Conversation(self, heard, use_cache)

    def answer_dataset(
        self: "SpatialLLM",
        dataset: Any,
        audio: str = "audio",
        question: str = "question",
        column: str = "prediction",
        progress: bool = True,
        notes: str | None = None,
        **options: Any,
    ) -> Any:
        """Answers the questions of a `datasets.Dataset`, and returns it with a column of answers.

        Recordings are read as they are stored, with all channels; those of rows that follow one another are encoded once.

        Args:
            dataset: with columns of recordings, in any form that `listen` takes, and of questions.
            audio, question: names of these columns.
            column: name of the new column.
            progress: whether to show a progress bar.
            notes: name of another new column with the notes of the answers, joined by "; "; None = no such column. What
                `ask` warns of is warned of with the number of the row.
            options: as of `ask`, for all rows.

        Raises:
            AudioError, SpatialLLMError: see `ask`; the row is named. Or the columns are not there.
        """
        return answer_dataset(self, dataset, audio, question, column, progress, notes, **options)

    def understand(self: "SpatialLLM", question: str, strict: bool, as_asked: bool, limit: int | None) -> tuple[Any, str]:
        """Returns the taught question that is nearest, None if none is known, and the question as it is put to the model.

        Raises:
            SpatialLLMError: `strict` is set and nothing that was taught is near; or the question holds the placeholder.
        """
        self.processor.rows.refuse_placeholder(question)
        limit = checked_limit(self.processor.max_question_characters if limit is None else limit)
        match = understood(self.matcher, question, strict, as_asked) if len(question) <= limit else None
        return match, question if match is None or as_asked else match.asked

    def noted(
        self: "SpatialLLM",
        text: str,
        question: str,
        asked: str,
        match: Any,
        as_asked: bool,
        level_is_known: bool,
        derived: bool = False,
        absent: Sequence[str] = (),
    ) -> Answer:
        """Returns a text as an answer, with the notes on how its question was understood, on what it rests, and on sounds
        that are not heard (`absent`)."""
        notes = [*([] if as_asked else notes_of(match, asked)), *absent]
        for note in absent:
            warn_each_time(f"{note}. The answer may mean nothing.")
        if not (as_asked or level_is_known or self._spoke_of_level) and rests_on_level(match, self.processor.taught):
            self._spoke_of_level = True
            notes.append(ON_DISTANCE)
            warnings.warn(f"{ON_DISTANCE}.", stacklevel=1)
        return Answer(text, question, asked, match, notes, derived)

    def mono_input(self: "SpatialLLM", waveform: NDArray[np.float32]) -> dict[str, torch.Tensor]:
        """Returns what a mono base hears by itself of a window (channels, window_samples); nothing for other language
        models."""
        mono = self.processor.mono_inputs
        heard = {} if mono is None else mono(torch.from_numpy(waveform)[None])
        return {name: tensor.to(self.device) for name, tensor in heard.items()}
