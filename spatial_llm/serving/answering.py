"""Questions of several conversations, answered together: each gets the answer that it gets alone.

Recordings are encoded one at a time, and a row of a batch that comes near a tie between two tokens is answered again alone
(`model.near_ties`). A row ends when its client is gone or its own limit is reached, whatever the others do.
"""

import hashlib
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import DynamicCache, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList

from spatial_llm.audio.formats import AudioFormat
from spatial_llm.errors import SpatialLLMError
from spatial_llm.fusion.cache_name import CACHE
from spatial_llm.model.answer import Answer, check_question
from spatial_llm.model.chat_template import chat_turns
from spatial_llm.model.derived import derived_note
from spatial_llm.model.heard import Heard
from spatial_llm.model.near_ties import NearTies, end_ids
from spatial_llm.model.pipeline import SpatialLLM
from spatial_llm.model.prompt_rows import checked_texts
from spatial_llm.model.streaming import TextPieces
from spatial_llm.model.understanding import ON_DISTANCE, at_taught_level, notes_of, rests_on_level
from spatial_llm.prompts import AUDIO_TOKEN
from spatial_llm.serving.question import GONE, LENGTH, STOP, Finished, Question, ServedRecording

WORTH_DIVIDING = 4  # rows; to go on with fewer saves less than to begin anew costs


@dataclass(eq=False)
class _Row:
    question: Question
    ids: list[int]
    heard: list[Heard]
    asked: str
    match: Any
    warnings: list[str]
    written: list[int] = field(default_factory=list)
    reason: str | None = None
    near: bool = False
    text: str = ""
    shown: str = ""
    pieces: TextPieces | None = None

    @property
    def is_open(self) -> bool:
        """Returns whether the answer goes on."""
        return self.reason is None and not self.near

    def audio_names(self) -> tuple[str, ...]:
        return tuple(sorted(self.heard[0].audio))


class Answerer:
    """Answers batches of questions; every method but `remembered` is called in one thread.

    Args:
        model: on its device.
        given: format of the recordings.
        derived: whether they are rendered to two ears.
        head: to whose; None for KEMAR.
        level_dbfs_at_1m: see `SpatialLLM.listen`.
        strict, as_asked: see `SpatialLLM.ask`.
        most_remembered: recordings whose encoding is kept.
    """

    def __init__(
        self,
        model: SpatialLLM,
        given: AudioFormat,
        derived: bool = False,
        head: str | None = None,
        level_dbfs_at_1m: float | None = None,
        strict: bool = False,
        as_asked: bool = False,
        most_remembered: int = 0,
    ) -> None:
        self.model, self.given, self.derived = model, given, derived
        self.level_dbfs_at_1m, self.strict, self.as_asked = level_dbfs_at_1m, strict, as_asked
        self.most_remembered = most_remembered
        # Of a file, its name: where it lies is no business of clients.
        self.note = (derived_note(given, None if head is None else Path(head).name),) if derived else ()
        self._remembered: OrderedDict[str, tuple[Heard, tuple[str, ...]]] = OrderedDict()
        # Whether a batch can be taken apart: a deep fusion keeps what its rows heard beside the keys and values.
        self._divisible = not model.model.fusion.deep

    def remembered(self, content: bytes) -> ServedRecording:
        """Returns a recording, with its encoding if it is remembered."""
        sha256 = hashlib.sha256(content).hexdigest()
        heard, said = self._remembered.get(sha256, (None, ()))
        return ServedRecording(sha256, heard=heard, warnings=said)

    def answer(self, questions: Sequence[Question]) -> None:
        """Answers questions; whatever happens to one of them is told to its `event`, and to no other."""
        rows: list[_Row] = []
        for question in questions:
            if question.gone:
                continue
            try:
                rows.append(self._row(question))
            except Exception as error:
                question.event("error", error)
        for row in rows:
            row.question.event("started", None)
        # All rows of a batch give their audio to the model in the same form.
        for names in dict.fromkeys(row.audio_names() for row in rows):
            self._answer_rows([row for row in rows if row.audio_names() == names])

    def _answer_rows(self, rows: list[_Row]) -> None:
        again: list[_Row] = []
        try:
            self._write(rows)
        except Exception as error:
            if len(rows) == 1:
                rows[0].question.event("error", error)
                return
            again = rows  # such as memory that is enough for each alone
        for row in rows:
            if row in again or row.near:
                row.written, row.reason, row.near, row.text = [], None, False, ""
                self._answer_rows([row])
            elif row.reason != GONE:
                self._finish(row)

    def _row(self, question: Question) -> _Row:
        """Returns the prompt of a conversation, with its recordings encoded.

        Raises:
            SpatialLLMError: a question cannot be asked, see `SpatialLLM.ask`.
        """
        processor, said = self.model.processor, []
        heard, messages, match, asked = [], [], None, ""
        for text, recordings, answer in question.turns:
            check_question(text)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", UserWarning)
                match, asked = self.model.understand(text, self.strict, self.as_asked, None)
            said = [" ".join(str(each.message).split()) for each in caught]
            checked_texts(asked, "text", processor.max_question_characters)
            processor.rows.refuse_special(asked, "question")
            messages.append({"role": "user", "content": AUDIO_TOKEN * len(recordings) + asked})
            if answer is not None:
                checked_texts(answer, "answer", processor.max_question_characters)
                processor.rows.refuse_special(answer, "answer")
                messages.append({"role": "assistant", "content": answer})
        ids = processor.rows.row(chat_turns(processor, messages, add_generation_prompt=True)).ids
        self.model.check_length(len(ids))
        about: list[str] = []
        for _, recordings, _ in question.turns:
            for recording in recordings:
                heard.append(self._heard(recording))
                about += [*recording.warnings, *self.note]
        return _Row(question, ids, heard, asked, match, list(dict.fromkeys([*about, *said])))

    def _heard(self, recording: ServedRecording) -> Heard:
        if recording.heard is None:
            found = self._remembered.get(recording.sha256)
            if found is None:
                waveform = recording.window.waveform
                if self.level_dbfs_at_1m is not None:
                    waveform = at_taught_level(waveform, self.level_dbfs_at_1m, self.model.processor.taught)
                # One at a time: a batch of recordings would change the last bits of each.
                found = (
                    self.model.listen_to_window(waveform, self.given.internal, self.derived),
                    recording.window.warnings,
                )
                if self.most_remembered:
                    self._remembered[recording.sha256] = found
                    while len(self._remembered) > self.most_remembered:
                        self._remembered.popitem(last=False)
            recording.heard, recording.warnings, recording.window = *found, None
        return recording.heard

    @torch.inference_mode()
    def _write(self, rows: list[_Row]) -> None:
        """Writes the answers of rows, as tokens; rows that came near a tie are marked.

        Whenever half of the rows have ended, the others go on in a smaller batch from their keys and values.
        """
        net, pad = self.model.model, self.model.processor.rows.pad_id()
        length = max(len(row.ids) for row in rows)
        ids = torch.tensor([[pad] * (length - len(row.ids)) + row.ids for row in rows], device=net.device)
        mask = torch.tensor([[0] * (length - len(row.ids)) + [1] * len(row.ids) for row in rows], device=net.device)
        heard = [each for row in rows for each in row.heard]
        given = {name: torch.cat([each.audio[name] for each in heard]) for name in rows[0].audio_names()}
        watched = len(rows) > 1
        for row in rows:
            if row.question.stream:
                row.pieces = TextPieces(self._text, lambda piece, row=row: self._emit(row, piece))
                row.pieces.put(ids)  # the prompt, which is left out
        while rows:
            watch = NearTies(length, end_ids(net), net.dtype) if watched else None
            out = self.model.generate(
                input_ids=ids,
                attention_mask=mask,
                **given,
                do_sample=False,
                num_beams=1,
                max_new_tokens=max(row.question.max_new_tokens - len(row.written) for row in rows),
                logits_processor=LogitsProcessorList([] if watch is None else [watch]),
                stopping_criteria=StoppingCriteriaList([_Writing(rows, watch, self._ends(), self._divisible)]),
                return_dict_in_generate=True,
            )
            open_rows = [number for number, row in enumerate(rows) if row.is_open]
            if not open_rows:
                return
            rows, cache = [rows[number] for number in open_rows], out.get(CACHE)
            if type(cache) is not DynamicCache:  # such as that of a language model with a state instead of keys and values
                self._divisible = False
                for row in rows:
                    row.near = True  # so that it is answered again
                return
            kept = torch.tensor(open_rows, device=net.device)
            cache.batch_select_indices(kept)
            ids, given = out.sequences[kept], {CACHE: cache}
            mask = torch.cat([mask[kept], mask.new_ones(len(rows), ids.shape[1] - mask.shape[1])], dim=1)

    def _emit(self, row: _Row, piece: str) -> None:
        # A row that is answered again alone begins with what its client has seen already: nothing was shown since the tie.
        row.text += piece
        if not row.text.startswith(row.shown) and not row.shown.startswith(row.text):
            raise SpatialLLMError(f"an answer began {row.shown!r}, and alone it begins {row.text!r}; this is a bug.")
        if len(row.text) > len(row.shown):
            row.question.event("piece", row.text[len(row.shown) :])
            row.shown = row.text

    def _ends(self) -> set[int]:
        return {*end_ids(self.model.model), self.model.processor.tokenizer.eos_token_id}

    def _text(self, ids: list[int]) -> str:
        return self.model.processor.decode(ids, skip_special_tokens=True).strip()

    def _finish(self, row: _Row) -> None:
        question, text = row.question, self._text(row.written)
        taught, known = self.model.processor.taught, self.level_dbfs_at_1m is not None
        notes = [] if self.as_asked else notes_of(row.match, row.asked)
        if not (self.as_asked or known) and rests_on_level(row.match, taught):
            notes.append(ON_DISTANCE)
        derived = any(heard.derived for heard in row.heard)
        answer = Answer(text, question.turns[-1][0], row.asked, row.match, notes, derived)
        if row.pieces is not None:
            row.pieces.finish(text)
        recordings = tuple(each.sha256 for _, each_turn, _ in question.turns for each in each_turn)
        counts = (len(row.ids), len(row.written))
        question.event("done", Finished(answer, row.reason or LENGTH, *counts, tuple(row.warnings), recordings))


class _Writing(StoppingCriteria):
    """Takes each new token of each row, and tells which rows have ended. A `divisible` batch stops as a whole when at most
    half of its rows are open, so that these may go on without the others."""

    def __init__(self, rows: Sequence[_Row], watch: NearTies | None, ends: set[int], divisible: bool) -> None:
        self.rows, self.watch, self.ends = rows, watch, ends
        self.fewest = len(rows) // 2 if divisible and len(rows) >= WORTH_DIVIDING else 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        near = [] if self.watch is None or self.watch.rows is None else self.watch.rows.tolist()
        for number, (row, token) in enumerate(zip(self.rows, input_ids[:, -1].tolist(), strict=True)):
            if not row.is_open:
                continue
            if near and near[number]:
                row.near = True  # nothing of it is shown from here on
            elif row.question.gone:
                row.reason = GONE
            elif token in self.ends:
                row.reason = STOP
            else:
                row.written.append(token)
                if row.pieces is not None:
                    row.pieces.put(torch.tensor([token]))
                if len(row.written) >= row.question.max_new_tokens:
                    row.reason = LENGTH
        still_open = [row.is_open for row in self.rows]
        ended = [not each or sum(still_open) <= self.fewest for each in still_open]
        return torch.tensor(ended, device=input_ids.device)
