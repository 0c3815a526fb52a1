"""What one visitor hears: a recording that was encoded once, its questions and answers, and those of its mirror image."""

import os
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spatial_llm.audio.formats import BINAURAL, Ambisonics, Array, AudioFormat
from spatial_llm.errors import AudioError, SpatialLLMError
from spatial_llm.model.answer import Answer, check_question
from spatial_llm.model.conversation import Conversation
from spatial_llm.model.derived import derived_note
from spatial_llm.model.heard import Heard
from spatial_llm.model.pipeline import SpatialLLM
from spatial_llm.model.understanding import ON_DISTANCE, at_taught_level, notes_not_warned_of
from spatial_llm.page.arguments import AppArguments
from spatial_llm.scenes.scene import Scene
from spatial_llm.serving.microphone import microphone_of
from spatial_llm.serving.reader_process import ReaderSettings
from spatial_llm.serving.recordings import Window


@dataclass(eq=False)
class Turn:
    """A question with its answer; `mirrored` is the answer about the mirror image, None where it was not asked for."""

    question: str
    answer: Answer
    notes: tuple[str, ...] = ()
    mirrored: Answer | None = None


@dataclass(eq=False)
class Side:
    """A recording, or its mirror image: what the model heard, and the window of it (channels, samples)."""

    heard: Heard
    window: NDArray[np.float32]
    conversation: Conversation | None = None


@dataclass(eq=False)
class Hearing:
    """What one visitor hears.

    Attributes:
        name: what it is, for the page.
        own: as it was recorded.
        format: of its window.
        notes: about the recording, as sentences.
        scene: with its truth, where a sound was placed.
        mirror: with left and right exchanged, once that was asked for.
        swapped: whether that is shown.
        turns: questions so far.
    """

    name: str
    own: Side
    format: AudioFormat
    notes: tuple[str, ...] = ()
    scene: Scene | None = None
    mirror: Side | None = None
    swapped: bool = False
    turns: list[Turn] = field(default_factory=list)

    @property
    def shown(self) -> Side:
        """Returns the side that is played and drawn."""
        return self.mirror if self.swapped else self.own


class Ears:
    """Hears and answers with one model; every method but `reader_settings` is called by one thread at a time.

    Args:
        model: on its device.
        arguments: of the page.

    Raises:
        SpatialLLMError: the model does not hear recordings of the format that is given, or has to be told theirs; or their
            level is no level.
    """

    def __init__(self, model: SpatialLLM, arguments: AppArguments) -> None:
        self.model, self.arguments = model, arguments
        config, extractor = model.model.config.encoder_config, model.processor.feature_extractor
        self.rate, self.samples = config.sampling_rate, config.window_samples
        self.wanted = extractor.format
        self.given, self.derived = microphone_of(model, arguments.microphone, arguments.head, arguments.heading_deg)
        if arguments.level_dbfs_at_1m is not None:
            silence = np.zeros((self.given.channels, 1), np.float32)
            at_taught_level(silence, arguments.level_dbfs_at_1m, model.processor.taught)

    @property
    def seconds(self) -> float:
        """Returns the length of the model's window, in s."""
        return self.samples / self.rate

    @property
    def two_ears(self) -> bool:
        """Returns whether the model hears two ears."""
        return self.wanted.layout == BINAURAL

    def reader_settings(self, dry: bool = False) -> ReaderSettings:
        """Returns how uploads are read: recordings, or sounds to be placed (`dry`)."""
        limits, given = self.arguments.audio_limits, self.arguments
        bounds = (limits.max_seconds, limits.max_bytes, limits.allow_truncated)
        if dry:
            return ReaderSettings("mono", "mono", self.rate, self.samples, None, 0.0, False, *bounds, dry=True)
        head = (given.head, given.heading_deg)
        return ReaderSettings(self.wanted.text, self.given.text, self.rate, self.samples, *head, False, *bounds)

    def recording(self, window: Window, name: str) -> Hearing:
        """Returns an uploaded recording as it is heard."""
        waveform, known = window.waveform, self.arguments.level_dbfs_at_1m
        notes = list(window.warnings)
        if self.derived:
            head = self.arguments.head
            notes.append(derived_note(self.given, None if head is None else Path(head).name))
        if known is not None:
            waveform = at_taught_level(waveform, known, self.model.processor.taught)
        elif self.model.processor.taught is not None:
            notes.append(f"{ON_DISTANCE[0].upper()}{ON_DISTANCE[1:]} (--level_dbfs_at_1m).")
        format = BINAURAL if self.derived or self.two_ears else self.given.internal
        return Hearing(name, self._side(waveform, format, known is not None, self.derived), format, tuple(notes))

    def placed(self, scene: Scene, waveform: NDArray[np.float32], notes: tuple[str, ...] = ()) -> Hearing:
        """Returns a placed sound as it is heard: a scene with its truth, and its recording of the length of a window."""
        # Its level is that of training, on which distances rest.
        format = BINAURAL if self.two_ears else scene.format
        return Hearing(scene.sources[0].label, self._side(waveform, format, True), format, notes, scene)

    def scene_format(self, sofa: str | None) -> AudioFormat:
        """Returns the format in which placed sounds are recorded: the ears of a head, or what the model takes.

        Raises:
            SpatialLLMError: a head is given to a model that does not hear two ears.
        """
        if self.two_ears:
            return replace(BINAURAL, sofa=sofa)
        if sofa is not None:
            raise SpatialLLMError(f"the model hears {self.given.name}, no ears of a head; choose MIT KEMAR.")
        return self.given.internal

    def ask(self, hearing: Hearing, question: str) -> Turn:
        """Answers a question about a recording, and about its mirror image where that is shown.

        Raises:
            SpatialLLMError: see `SpatialLLM.ask`; nothing is added then.
        """
        check_question(question)
        turn = Turn(question.strip(), *self._answer_with_notes(hearing.own, question))
        if hearing.swapped:
            self._mirror(hearing, turn)
        hearing.turns.append(turn)
        return turn

    def swap(self, hearing: Hearing) -> None:
        """Shows the recording with left and right exchanged, or as it was recorded again; questions that were asked are
        answered about the mirror image too.

        Raises:
            AudioError: left and right of this format cannot be exchanged.
        """
        if hearing.mirror is None:
            own = hearing.own.heard
            mirrored = hearing.format.mirror(hearing.own.window)
            if mirrored is None:
                raise AudioError(
                    f"left and right of {hearing.format.name} cannot be exchanged: no change of its channels gives what the "
                    "microphones hear of the mirror image; those of two ears and of ambisonics can."
                )
            hearing.mirror = self._side(mirrored, hearing.format, own.level_is_known, own.derived)
        if not hearing.swapped:
            for turn in hearing.turns:
                if turn.mirrored is None:
                    self._mirror(hearing, turn)
        hearing.swapped = not hearing.swapped

    def examples(self, most: int = 5) -> list[str]:
        """Returns questions to begin with: of those that the model was taught, the first that name no sound and no place."""
        taught = self.model.processor.taught
        found = [] if taught is None else [each.question for each in taught.questions if not each.slots and each.question]
        return list(dict.fromkeys(found))[:most] or ["Where is the sound in this audio clip coming from?"]

    def _mirror(self, hearing: Hearing, turn: Turn) -> None:
        """Answers a question about the mirror image too, and notes what is said of that alone."""
        turn.mirrored, notes = self._answer_with_notes(hearing.mirror, turn.question)
        turn.notes += tuple(f"Mirror image: {note}" for note in notes if note not in turn.notes)

    def _answer_with_notes(self, side: Side, question: str) -> tuple[Answer, tuple[str, ...]]:
        """Returns an answer and what was warned of or noted with it, each once."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            answer = self._answer(side, question)
        said = [" ".join(str(each.message).split()) for each in caught]
        notes = [note for note in (*said, *notes_not_warned_of(answer)) if not note.startswith(ON_DISTANCE)]
        return answer, tuple(dict.fromkeys(notes))

    def _answer(self, side: Side, question: str) -> Answer:
        options = {"max_new_tokens": self.arguments.max_new_tokens}
        if not self.arguments.conversation:
            return side.heard.ask(question, **options)
        if side.conversation is None:
            side.conversation = side.heard.talk()
        return side.conversation.ask(question, **options)

    def _side(self, waveform: NDArray[np.float32], format: AudioFormat, level_is_known: bool, derived: bool = False) -> Side:
        heard = self.model.listen_to_window(waveform, format, derived)
        return Side(replace(heard, level_is_known=level_is_known), waveform)


def licence_of(folder: str | os.PathLike) -> str | None:
    """Returns the licence that the card of a saved model (README.md) states; None if it states none."""
    from huggingface_hub import metadata_load

    card = Path(folder, "README.md")
    found = metadata_load(card) if card.is_file() else None
    licence = (found or {}).get("license")
    return licence if isinstance(licence, str) else None


def rendered_for_playing(window: NDArray[np.float32], format: AudioFormat, rate: int) -> NDArray[np.float32]:
    """Returns what is played of a window: itself where it is for two ears or has one channel, else rendered to KEMAR's
    ears; the two microphones of an array are not those of ears either."""
    if len(window) == 1 or not isinstance(format, Ambisonics | Array):
        return window
    from spatial_llm.scenes.heads.binaural_rendering import ear_rendering  # the simulator's heads

    return ear_rendering(format)(window, rate)
