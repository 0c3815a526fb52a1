"""Defines what a model heard of one recording: encoded once, it answers any number of questions."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import torch

from spatial_llm.encoders.configuration_dspast import BRANCHES
from spatial_llm.encoders.frame_head import Frames
from spatial_llm.encoders.readout import Distribution
from spatial_llm.errors import SpatialLLMError
from spatial_llm.model.answer import Answer, check_question
from spatial_llm.model.conversation import Conversation
from spatial_llm.model.timeline_events import EventSettings, HeardEvent, events_of_frames
from spatial_llm.model.understanding import understood
from spatial_llm.projectors import RVQProjector

if TYPE_CHECKING:  # the pipeline makes what it heard
    from spatial_llm.model.pipeline import SpatialLLM

EVENTS_KEPT = 10  # in `to_dict`


@dataclass(frozen=True, eq=False)
class Heard:
    """Holds the encoder's output and the audio tokens of one recording; `SpatialLLM.listen` makes it.

    Attributes:
        model: the model that listened.
        hidden_states: (1, tokens, encoder width), the encoder's output.
        audio: what `generate` takes in place of a recording: {"audio_embeds": (1, audio tokens, audio width)}, or the
            encoder's output where the projector makes fewer tokens of some recordings.
        cue_weights: (1, branches, cues), DSpAST's feature attention; None for other encoders.
        level_is_known: whether the recording was brought to the level of training (`level_dbfs_at_1m`).
        derived: whether the recording was rendered to two ears first.
        presence: name of a sound -> whether the model says that it is there; of sounds that questions named so far.
    """

    model: "SpatialLLM"
    hidden_states: torch.Tensor
    audio: dict[str, torch.Tensor]
    cue_weights: torch.Tensor | None = None
    level_is_known: bool = False
    derived: bool = False
    presence: dict[str, bool] = field(default_factory=dict)

    @overload
    def ask(self, question: str, **options: Any) -> Answer: ...
    @overload
    def ask(self, question: Sequence[str], **options: Any) -> list[Answer]: ...

    def ask(self, question: str | Sequence[str], **options: Any) -> Answer | list[Answer]:
        """Answers a question, or several one after another, which are independent of each other.

        Args:
            question: one question in words, or a list of them.
            options: as of `SpatialLLM.ask`: strict, as_asked, max_new_tokens, num_beams, max_question_characters and
                arguments of `generate`.

        Returns:
            The answer, or the list of answers in order.

        Raises:
            SpatialLLMError: see `SpatialLLM.ask`; all questions are checked before the first is answered.
        """
        if isinstance(question, str):
            return self.model.answer(self, question, **options)
        if not isinstance(question, Iterable):
            check_question(question)
        questions = list(question)
        for each in questions:
            check_question(each)
            if options.get("strict"):
                understood(self.model.matcher, each, strict=True, as_asked=True)
        return [self.model.answer(self, each, **options) for each in questions]

    def talk(self, use_cache: bool = True) -> Conversation:
        """Begins a conversation, in which each question is answered knowing the ones before; see `Conversation`."""
        return Conversation(self.model, [self], use_cache)

    def stream(self, question: str, **options: Any) -> Iterator[str]:
        """Yields the answer to one question in pieces as it is written; joined they are the text that `ask` returns.

        Args:
            question, options: as of `ask`, without beams.

        Raises:
            SpatialLLMError: see `Conversation.stream`.
        """
        return self.talk(use_cache=False).stream(question, **options)

    @torch.inference_mode()
    def prompt_embeds(self, question: str, strict: bool = False, as_asked: bool = False) -> torch.Tensor:
        """Returns the prompt of a question as embeddings (length, text width), with the audio in place: what the language
        model reads, for an engine that serves it alone (`spatial-llm export merged`).

        Args:
            question, strict, as_asked: as of `ask`.

        Raises:
            SpatialLLMError: see `SpatialLLM.ask`; or audio enters inside the language model, or it hears by itself.
        """
        model, net = self.model, self.model.model
        if net.fusion.deep or net.mono_base is not None:
            raise SpatialLLMError("the audio of this model is not part of its prompt alone; ask the model itself.")
        check_question(question)
        _, asked = model.understand(question, strict, as_asked, None)
        batch = model.processor(text=asked, return_tensors="pt").to(model.device)
        model.check_length(batch["input_ids"].shape[1])
        joined, _ = net.join(batch["input_ids"], self.audio, None, batch["attention_mask"], None, None, None)
        return joined.inputs_embeds[0]

    @property
    def events(self) -> dict[str, float]:
        """Returns the probability of each event class by the encoder's own heads, most probable first.

        Raises:
            SpatialLLMError: the model was saved without heads; so do `azimuth`, `elevation` and `distance`.
        """
        return self._read_out()[0]

    @property
    def azimuth(self) -> Distribution:
        """Returns the distribution of the azimuth in degrees; 0 is front, positive is left. The heads know one source."""
        return self._read_out()[1]["azimuth"]

    @property
    def elevation(self) -> Distribution:
        """Returns the distribution of the elevation in degrees; positive is above."""
        return self._read_out()[1]["elevation"]

    @property
    def distance(self) -> Distribution:
        """Returns the distribution of the distance in metres."""
        return self._read_out()[1]["distance"]

    @property
    def frames(self) -> Frames:
        """Returns what sounds where in each time row of the window, of any number of classes, by the encoder's frame head.

        Raises:
            SpatialLLMError: the model was saved without a frame head.
        """
        if self.model.frame_head is None:
            raise SpatialLLMError(
                "the model was saved without a frame head, which tells what sounds where in each time row; ask it in words, "
                "or train one on its encoder (recipes/train_encoder.py --trains frames) and give SpatialLLM(model, "
                "processor, frame_head=FrameHead.from_pretrained(folder, encoder_config))."
            )
        return self.model.frame_head.read(self.hidden_states)

    def frame_events(
        self, threshold: float = 0.5, joining_gap_s: float = 0.2, shortest_s: float = 0.0, smoothing: int = 1
    ) -> list[HeardEvent]:
        """Returns the events of the window by the encoder's frame head, with times at the borders of its rows and places.

        Args:
            threshold: activity from which a class counts as heard in a row, above 0 and at most 1.
            joining_gap_s: a pause of this length or less does not end an event.
            shortest_s: events shorter than this are left out.
            smoothing: number of rows over which places are averaged, odd; 1 = none.

        Raises:
            SpatialLLMError: the model was saved without a frame head, or an argument is out of range.
        """
        return events_of_frames(self.frames, EventSettings(threshold, joining_gap_s, shortest_s, smoothing))

    @property
    def feature_attention(self) -> dict[str, dict[str, float]] | None:
        """Returns the weight (0 to 1) of each cue for each task (arXiv 2509.13927); None if the encoder has none."""
        if self.cue_weights is None:
            return None
        cues = self.model.model.config.encoder_config.cues
        rows = self.cue_weights[0].float().cpu().tolist()
        return {task: dict(zip(cues, row, strict=True)) for task, row in zip(BRANCHES, rows, strict=True)}

    def plot(self, path: str | Path | None = None) -> Any:
        """Draws azimuth (seen from above, the listener looks up), elevation, distance and events.

        Args:
            path: where to write the picture as PNG, whole or not at all; None writes nothing.

        Returns:
            The matplotlib `Figure`.

        Raises:
            SpatialLLMError: the model was saved without heads.
        """
        from spatial_llm.model.picture import draw_heard  # matplotlib takes a quarter of a second to import

        return draw_heard(*self._read_out(), path)

    def to_dict(self) -> dict[str, Any]:
        """Returns what the encoder heard as JSON can hold it: the most probable events, the distributions, and the feature
        attention; a part that this model does not have is None."""
        events, places = self._read_out() if self.model.heads is not None else (None, {})
        return {
            "events": None if events is None else dict(list(events.items())[:EVENTS_KEPT]),
            **{name: places[name].to_dict() if name in places else None for name in ("azimuth", "elevation", "distance")},
            "feature_attention": self.feature_attention,
            "derived": self.derived,
        }

    @property
    def codes(self) -> torch.Tensor:
        """Returns the codes of the recording (positions, levels), if the model hears in codes.

        Raises:
            SpatialLLMError: it does not.
        """
        net = self.model.model
        if not isinstance(net.projector, RVQProjector):
            raise SpatialLLMError(
                f"this model has no codes: its projector is a {net.projector.config.model_type}; one with codes is trained "
                f"with {RVQProjector.config_class.model_type}."
            )
        layout = net.config.encoder_config.token_layout
        slices = net.fusion.projector_slices(layout)
        with torch.no_grad():
            return net.projector.codes(layout.channels_of(slices, self.hidden_states), layout.select(slices))[0]

    def _read_out(self) -> tuple[dict[str, float], dict[str, Distribution]]:
        if self.model.heads is None:
            raise SpatialLLMError(
                "the model was saved without the heads of its encoder, which tell events and places; ask it in words, or "
                "give SpatialLLM(model, processor, heads=EncoderHeads(encoder)) the encoder as it was trained."
            )
        return self.model.heads(self.hidden_states)
