"""Defines a conversation: several questions about one or several recordings, each answered knowing the ones before."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers import DynamicCache

from spatial_llm.errors import SpatialLLMError
from spatial_llm.fusion.cache_name import CACHE
from spatial_llm.fusion.context import MEMORY
from spatial_llm.model.answer import Answer, check_question
from spatial_llm.model.chat_template import chat_turns
from spatial_llm.model.joined_inputs import columns_in
from spatial_llm.model.prompt_rows import checked_limit, checked_texts
from spatial_llm.model.streaming import stream
from spatial_llm.prompts import AUDIO_TOKEN

if TYPE_CHECKING:
    from spatial_llm.model.heard import Heard
    from spatial_llm.model.pipeline import SpatialLLM


class Conversation:
    """Holds the turns so far and keys and values of their tokens, so that each turn computes only its own tokens.

    Args:
        model: answers.
        recordings: what it heard, in the order of the questions' words ("the first", "the second"). Every recording after
            the first needs its place in a prompt, so a model answers questions about two as well as it was trained to.
        use_cache: whether keys and values are kept between turns; the answers are the same.

    Raises:
        SpatialLLMError: there is no recording, or another model heard it.
    """

    def __init__(self, model: "SpatialLLM", recordings: Sequence["Heard"], use_cache: bool = True) -> None:
        if not recordings:
            raise SpatialLLMError("a conversation has no recording; give at least one.")
        self.model = model
        self.use_cache = use_cache
        self._first: list[Heard] = []
        for heard in recordings:
            self._first.append(self._own(heard))
        self.reset()

    @property
    def history(self) -> tuple[Answer, ...]:
        """Returns the answers so far; each knows its question."""
        return tuple(self._answers)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Returns the turns so far as messages for `processor.apply_chat_template`; audio parts name no recording."""
        return [
            {**message, "content": _parts(message["content"]) if message["role"] == "user" else message["content"]}
            for message in self._messages
        ]

    def reset(self) -> None:
        """Forgets all turns, and the recordings that came after the first question."""
        self._heard, self._new = list(self._first), len(self._first)
        self._messages: list[dict[str, Any]] = []
        self._answers: list[Answer] = []
        self._answer_ids: list[list[int]] = []
        self._keep(None, [])

    def hear(self, audio: Any, sampling_rate: float | None = None, **how: Any) -> None:
        """Adds a recording, which stands in front of the next question.

        Args:
            audio: a recording in any form that `SpatialLLM.listen` takes, or what it returned.
            sampling_rate, how: see `SpatialLLM.listen`.

        Raises:
            AudioError: see `SpatialLLM.listen`.
        """
        heard = audio if isinstance(audio, type(self._heard[0])) else self.model.listen(audio, sampling_rate, **how)
        self._heard.append(self._own(heard))
        self._new += 1

    def ask(
        self,
        question: str,
        max_new_tokens: int = 200,
        num_beams: int = 1,
        max_question_characters: int | None = None,
        strict: bool = False,
        as_asked: bool = False,
        **generation: Any,
    ) -> Answer:
        """Answers a question, knowing the turns before.

        Args:
            question, max_new_tokens, num_beams, max_question_characters, strict, as_asked, generation: as of
                `SpatialLLM.ask`. With beams, keys and values are computed anew.

        Raises:
            SpatialLLMError: see `SpatialLLM.ask`; or the conversation has become longer than the language model has
                positions for. It stays as it was then.
        """
        check_question(question)
        match, asked = self.model.understand(question, strict, as_asked, max_question_characters)
        ids, new = self._prompt(asked, max_question_characters), self._new
        options = {"max_new_tokens": max_new_tokens, "num_beams": num_beams, "do_sample": False, **generation}
        return self._remember(question, asked, match, as_asked, self._generate(ids, **options), new)

    def stream(
        self,
        question: str,
        max_new_tokens: int = 200,
        max_question_characters: int | None = None,
        strict: bool = False,
        as_asked: bool = False,
        **generation: Any,
    ) -> Iterator[str]:
        """Yields the answer in pieces as it is written, joined the same text as that of `ask`; arguments as there.

        The turn counts when the answer is whole; a caller that stops before leaves the conversation as it was.

        Raises:
            SpatialLLMError: as `ask`, when the first piece is asked for; or beams are asked for, which write no text until
                the end.
        """
        if generation.get("num_beams", 1) != 1:
            raise SpatialLLMError("beams cannot be streamed, they choose among whole answers; use ask, or num_beams=1.")
        check_question(question)
        match, asked = self.model.understand(question, strict, as_asked, max_question_characters)
        # A recording that comes while the answer is written stands in front of the next question.
        ids, new, before = self._prompt(asked, max_question_characters), self._new, len(self._messages)
        options = {"max_new_tokens": max_new_tokens, "do_sample": False, **generation}
        found: list[list[int]] = []

        def write(**streaming: Any) -> str:
            found.append(self._generate(ids, **options, **streaming))
            return self._text(found[0])

        def remember() -> None:
            if len(self._messages) != before:
                raise SpatialLLMError(
                    "another turn, or a reset, came while an answer was streamed, which the conversation therefore does not "
                    "hold; read a stream to its end first."
                )
            self._remember(question, asked, match, as_asked, found[0], new)

        yield from stream(write, self._text, remember)

    def _own(self, heard: "Heard") -> "Heard":
        if heard.model is not self.model:
            raise SpatialLLMError(
                "another model listened to the recording; give what this one heard, or the recording itself."
            )
        return heard

    def _asked(self, question: str, new: int) -> dict[str, Any]:
        return {"role": "user", "content": AUDIO_TOKEN * new + question}

    def _prompt(self, question: str, most: int | None) -> list[int]:
        """Returns the ids of all turns so far and of the question."""
        processor = self.model.processor
        checked_texts(question, "text", checked_limit(processor.max_question_characters if most is None else most))
        processor.rows.refuse_special(question, "question")
        messages = [*self._messages, self._asked(question, self._new)]
        turns = chat_turns(processor, messages, self._answer_ids, add_generation_prompt=True)
        ids = processor.rows.row(turns).ids
        self.model.check_length(len(ids))
        return ids

    @torch.inference_mode()
    def _generate(self, ids: list[int], **options: Any) -> list[int]:
        """Returns the ids of the answer to a prompt, without the token that ends it; keeps keys and values."""
        slot, tokens = self.model.model.config.audio_token_id, self.model.model.config.num_audio_tokens
        cache, known = self._cache, self._known
        self._keep(None, [])  # while it grows: a generation that is interrupted leaves it unfit
        new_slots = ids[len(known) :].count(slot)
        fits = cache is not None and options.get("num_beams", 1) == 1 and ids[: len(known)] == known
        if not fits or len(known) == len(ids) or (new_slots and self.model.model.fusion.deep):
            cache, known = None, []
        heard = self._heard[len(self._heard) - ids[len(known) :].count(slot) // tokens :]
        audio = {name: torch.cat([each.audio[name] for each in heard]) for name in heard[0].audio} if heard else {}
        batch = torch.tensor([ids], device=self.model.device)
        out = self.model.generate(
            input_ids=batch,
            attention_mask=torch.ones_like(batch),
            **audio,
            **{CACHE: cache},
            return_dict_in_generate=True,
            **options,
        )
        sequence = out.sequences[0].tolist()
        cache = out.get(CACHE)
        if self.use_cache and options.get("num_beams", 1) == 1 and type(cache) is DynamicCache:
            memory = getattr(cache, MEMORY, None)
            used = cache.get_seq_length() if memory is None else columns_in(self.model.model, memory, cache)
            self._keep(cache, sequence[: int(used)])
        answer = sequence[len(ids) :]
        return answer[:-1] if answer and answer[-1] in self._ends() else answer

    def _keep(self, cache: Any, known: list[int]) -> None:
        self._cache, self._known = cache, known

    def _ends(self) -> set[int]:
        ends = self.model.model.generation_config.eos_token_id
        own = self.model.processor.tokenizer.eos_token_id
        return {own, *(ends if isinstance(ends, list) else [ends])}

    def _text(self, ids: list[int]) -> str:
        return self.model.processor.decode(ids, skip_special_tokens=True).strip()

    def _remember(self, question: str, asked: str, match: Any, as_asked: bool, answer_ids: list[int], new: int) -> Answer:
        known = all(heard.level_is_known for heard in self._heard)
        derived = any(heard.derived for heard in self._heard)
        answer = self.model.noted(self._text(answer_ids), question, asked, match, as_asked, known, derived)
        self._messages += [self._asked(asked, new), {"role": "assistant", "content": str(answer)}]
        self._answers.append(answer)
        self._answer_ids.append(answer_ids)
        self._new -= new
        return answer


def _parts(content: str) -> list[dict[str, str]]:
    question = content.replace(AUDIO_TOKEN, "")
    return [{"type": "audio"}] * content.count(AUDIO_TOKEN) + [{"type": "text", "text": question}]
