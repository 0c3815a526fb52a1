"""Answers questions in batches without visible effect: which questions share a batch, and how many, changes no answer.

The answer of a question is the one it gets alone, its recording encoded and projected alone. Batches only make this faster:
padding and the number of rows change the order of summation in a processor, and so the last bits of every number. An answer
changes with them only if two tokens are so nearly equally likely that those bits decide. So the encoder and the projector
take one recording at a time (a recording is long enough to use all cores), once for all questions about it, and a greedy
search is watched: if the best two tokens of any step come nearer to each other than a near-tie, the question is answered
again, alone. A beam search compares many sums, most of them of beams that no answer shows, so with beams each question has a
batch of its own: its beams.

Guarantee: on one machine with one number of threads, the same questions give the same bytes at any batch size, as long as a
batch moves a logit by less than half a near-tie (`near_ties.NEAR_TIE`; half of one is seven times the difference measured on
tiny models in float32, twice in bfloat16; tests/evaluation/predicting/test_answering.py measures again). Other machines and
other versions of torch sum in another order, so near-ties may fall the other way there.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from transformers import LogitsProcessorList

from spatial_llm.audio.formats import Array, Field, check_same
from spatial_llm.errors import ManifestError, SpatialLLMError
from spatial_llm.evaluation.predicting.controls import Load
from spatial_llm.evaluation.predicting.evaluation_set import Item
from spatial_llm.evaluation.predicting.tasks import Task
from spatial_llm.model.near_ties import NearTies, end_ids
from spatial_llm.model.pipeline import SpatialLLM


class Answerer:
    """Answers questions with a model and the settings of a task.

    Args:
        model: on its device.
        task: its prompt and decoding are used.
        batch_size: questions answered at a time.
    """

    def __init__(self, model: SpatialLLM, task: Task, batch_size: int) -> None:
        self.model, self.task = model, task
        self.batch_size = batch_size if task.decoding.num_beams == 1 else 1

    def answer(
        self, by_recording: Mapping[str, Sequence[Item]], load: Load, done: Mapping[str, str]
    ) -> Iterator[dict[str, str]]:
        """Yields answers by id, a batch at a time; batches in which all questions are answered already are skipped.

        Args:
            by_recording: the questions about each recording.
            load: returns an item's recording, see `EvaluationSet.load`.
            done: answers that exist already.

        Raises:
            ManifestError: a recording cannot be made, or a question cannot be used as a prompt; the record is named.
        """
        questions = [item for items in by_recording.values() for item in items]
        lengths = {item.id: self._prompt_tokens(item) for item in questions}
        questions.sort(key=lambda item: lengths[item.id])
        batches = [questions[start : start + self.batch_size] for start in range(0, len(questions), self.batch_size)]
        batches = [batch for batch in batches if any(item.id not in done for item in batch)]
        needed = {item.recording_id for batch in batches for item in batch}
        audio = {id: self._heard(items[0], load) for id, items in by_recording.items() if id in needed}
        for batch in batches:
            texts, near = self._generate(batch, audio)
            for row in near:
                (texts[row],), _ = self._generate([batch[row]], audio)
            yield {item.id: text for item, text in zip(batch, texts, strict=True)}

    def _prompt_tokens(self, item: Item) -> int:
        asked = self.task.ask(item.question)
        try:
            self.model.processor.rows.refuse_placeholder(asked)
            return len(self.model.processor(text=asked)["input_ids"][0])
        except SpatialLLMError as error:
            raise ManifestError(f"record {item.id!r}: {error}") from error

    def _heard(self, item: Item, load: Load) -> dict[str, torch.Tensor]:
        """Returns what `generate` takes of one recording: `audio_embeds` (1, audio tokens, audio width), and the input of a
        base that hears by itself."""
        config = self.model.model.config.encoder_config
        extractor = self.model.processor.feature_extractor
        # An encoder that takes several formats hears each recording in its own.
        own = item.format.internal if isinstance(extractor.format, Field) else extractor.format
        check_same(own, extractor.format, f"record {item.id!r}")
        if isinstance(own, Array) and own.sofa is not None:
            raise ManifestError(
                f"record {item.id!r}: predict does not know where {own.sofa} is, by which the array was measured; hear the "
                "scenes with an array of positions (data/hear_with.py), or ask about the recording with SpatialLLM.ask."
            )
        waveform = load(item, config.sampling_rate, config.window_samples, own)
        cues = extractor(waveform, sampling_rate=config.sampling_rate, return_tensors="pt", scale_known=True, formats=own)
        features = cues["input_features"].to(self.model.model.device)
        with torch.inference_mode():
            found = self.model.model.get_audio_features(input_features=features, return_dict=True)
        return {"audio_embeds": found.pooler_output} | self.model.mono_input(waveform)

    def _generate(self, items: Sequence[Item], audio: Mapping[str, dict]) -> tuple[list[str], list[int]]:
        """Returns the texts of the answers, and the rows to be answered alone: (questions,) each at most."""
        net, processor = self.model.model, self.model.processor
        asked, heard = [self.task.ask(item.question) for item in items], [audio[item.recording_id] for item in items]
        inputs: Any = processor(audio=None, text=asked, return_tensors="pt").to(net.device)
        length = inputs["input_ids"].shape[1]
        watch = NearTies(length, end_ids(net), net.dtype)
        watching = LogitsProcessorList([watch] if len(items) > 1 else [])
        decoding = self.task.decoding
        with torch.inference_mode():
            tokens = net.generate(
                **inputs,
                **{name: torch.cat([one[name] for one in heard]) for name in heard[0]},
                do_sample=False,
                num_beams=decoding.num_beams,
                max_new_tokens=decoding.max_new_tokens,
                suppress_tokens=self.model.suppressed_token_ids,
                logits_processor=watching,
            )
        texts = processor.batch_decode(tokens[:, length:], skip_special_tokens=True)
        near = [] if watch.rows is None else watch.rows.nonzero()[:, 0].tolist()
        return [text.strip() for text in texts], near
