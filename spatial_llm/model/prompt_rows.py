"""Turns of conversations as rows of token ids, with a placeholder for each audio token and labels on answers.

As in the released data set of BAT (SLAM-LLM, `base_dataset.py`): audio placeholders in front of a prompt are before BOS,
which the tokenizer adds when it encodes the first text. Prompt and answer are joined without a space and tokenised together,
while the length of the prompt comes from tokenising it alone, so that a merge across the border would shift one label.

The placeholder is put in as an id, never as text: it may lie outside the tokenizer's vocabulary.
"""

from collections.abc import Sequence
from typing import Any

from spatial_llm.errors import SpatialLLMError
from spatial_llm.model.chat import Turn
from spatial_llm.model.padding import IGNORED, Row
from spatial_llm.model.time_tokens import TimeTokens
from spatial_llm.model.timed_text import encode_timed, places_of_times
from spatial_llm.prompts import AUDIO_TOKEN


class PromptRows:
    """Encodes turns with one tokenizer.

    Args:
        tokenizer: of the language model.
        audio_token_id: id of the placeholder.
        num_audio_tokens: placeholders for each recording.
        adds_bos: whether the first text gets the tokenizer's BOS; that of a chat template has it, if its model wants it.
        base_ids: ids with which a mono base hears a recording by itself; they follow its placeholders.
        times: tokens that write times, in prompts and answers alike; None for the tokenizer's own.
    """

    def __init__(
        self,
        tokenizer: Any,
        audio_token_id: int,
        num_audio_tokens: int,
        adds_bos: bool = True,
        base_ids: Sequence[int] = (),
        times: TimeTokens | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self.audio_token_id = audio_token_id
        self.adds_bos = adds_bos
        self.times = times
        self.slots = [audio_token_id] * num_audio_tokens + list(base_ids)

    def row(self, turns: Sequence[Turn], find_times: bool = False) -> Row:
        """Returns a conversation as a row; labels are on every answer and on what ends it.

        Args:
            turns: of the conversation.
            find_times: whether the row says which tokens write a time in an answer.

        Raises:
            SpatialLLMError: an answer has no end, because the tokenizer has no EOS token; or it holds a time for which
                there is no token.
        """
        ids: list[int] = []
        labels: list[int] = []
        places: set[int] = set()
        border, started = None, False
        for turn in turns:
            *in_front, last = turn.prompt.split(AUDIO_TOKEN)
            for text in in_front:
                ids += encode_timed(self.ids, self.times, text, first=not started) if text else []
                ids += self.slots
                started = started or bool(text)
            prompt = encode_timed(self.ids, self.times, last, first=not started) if last else []
            answer: list[int] = []
            if isinstance(turn.answer, str):
                whole = encode_timed(self.ids, self.times, last, turn.answer, not started)
                if find_times and self.times is None:
                    places |= {len(ids) + place for place in places_of_times(self.ids, last, turn.answer, not started)}
                elif find_times:
                    places |= {len(ids) + place for place, one in enumerate(whole) if one in self.times}
                prompt, answer = whole[: len(prompt)], whole[len(prompt) :]
            elif turn.answer is not None:
                answer = turn.answer
            started = True
            ids += prompt
            labels += [IGNORED] * (len(ids) - len(labels))
            if turn.answer is not None:
                border = len(ids) if border is None else border
                ids += answer + self._end(turn)
                labels += ids[len(labels) :]
        times = {place for place in places if labels[place] != IGNORED}
        return Row(ids, labels, len(ids) if border is None else border, times)

    def ids(self, text: str, first: bool = True) -> list[int]:
        """Returns the ids of a text; `first` ones have the tokenizer's BOS (see `adds_bos`), unless the text has it.

        An EOS that the tokenizer adds is removed, because it belongs after the answer.
        """
        bos, eos = self.tokenizer.bos_token, self.tokenizer.eos_token
        if not first or not self.adds_bos or (bos and text.startswith(bos)):
            return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        ids = list(self.tokenizer(text)["input_ids"])
        ends = len(ids) > 1 and ids[-1] == self.tokenizer.eos_token_id and not text.endswith(eos)
        return ids[:-1] if ends else ids

    def refuse_special(self, text: str, what: str) -> None:
        """Raises SpatialLLMError if `text` holds a special token or the placeholder; `what` names the text."""
        ids = set(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        # Chat tokenizers have special tokens without a named role, such as headers of turns: these are special too.
        special = (self._special_ids() | {self.audio_token_id}) - {self.tokenizer.unk_token_id}
        if ids & special or AUDIO_TOKEN in text:
            found = AUDIO_TOKEN if AUDIO_TOKEN in text else self.tokenizer.convert_ids_to_tokens(min(ids & special))
            raise SpatialLLMError(
                f"the {what} {text!r} holds the special token {found!r}; expected plain text: audio placeholders and "
                "special tokens are put in place by the processor."
            )

    def refuse_placeholder(self, question: str) -> None:
        """Raises SpatialLLMError if a question holds the placeholder: the processor would take it for a whole prompt."""
        if AUDIO_TOKEN in question:
            self.refuse_special(question, "question")

    def special_tokens(self) -> list[str]:
        """Returns the tokenizer's special tokens as text."""
        return self.tokenizer.convert_ids_to_tokens(sorted(self._special_ids()))

    def pad_id(self) -> int:
        """Returns the id of padding: EOS if the tokenizer has no padding token, as in the official recipe.

        Raises:
            SpatialLLMError: the tokenizer has neither.
        """
        pad, eos = self.tokenizer.pad_token_id, self.tokenizer.eos_token_id
        if pad is None and eos is None:
            raise SpatialLLMError("the tokenizer has neither a padding nor an EOS token: set tokenizer.pad_token.")
        return eos if pad is None else pad

    def _special_ids(self) -> set[int]:
        added = {number for number, token in self.tokenizer.added_tokens_decoder.items() if token.special}
        return added | set(self.tokenizer.all_special_ids)

    def _end(self, turn: Turn) -> list[int]:
        return [] if turn.end is None else [self.tokenizer.convert_tokens_to_ids(turn.end)]

    def eos_token(self) -> str:
        """Returns the token that ends an answer. Raises SpatialLLMError if the tokenizer has none."""
        if self.tokenizer.eos_token_id is None:
            raise SpatialLLMError("the tokenizer has no EOS token, which ends every answer: set tokenizer.eos_token.")
        return self.tokenizer.eos_token


def checked_limit(most: Any) -> int:
    """Returns the longest question in characters. Raises SpatialLLMError if it is no whole number of at least 1."""
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise SpatialLLMError(f"max_question_characters is {most!r}; expected a whole number of at least 1.")
    return most


def checked_texts(value: str | Sequence[str], name: str, most: int) -> list[str]:
    """Returns a text, or a list of texts, as a list.

    Raises:
        SpatialLLMError: it is neither; or a text has more than `most` characters, or is not valid Unicode.
    """
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
