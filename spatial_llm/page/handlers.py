"""What happens when something on the page is clicked: from what the browser sent to what it shows.

These functions know nothing of gradio: they take the state of one visitor, and raise SpatialLLMError where something cannot
be done, which `layout` shows as a sentence.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatial_llm.errors import SceneError, SpatialLLMError
from spatial_llm.page.answer_html import answers_html, notes_html
from spatial_llm.page.encoder_html import encoder_html
from spatial_llm.page.hearing import Ears, Hearing, rendered_for_playing
from spatial_llm.page.placing import KEMAR, OWN_SOUND, read_placed, record, scene_of
from spatial_llm.page.sound_html import player_value
from spatial_llm.page.uploads import Uploads

Tell = Callable[[float, str], Any]
NAME_SHOWN = 60


def _silent(done: float, doing: str) -> None:
    pass


@dataclass(eq=False)
class Visit:
    """The state of one visitor: what is heard, and the sound of their own that they place."""

    hearing: Hearing | None = None
    own_sound: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Shown:
    """What the page shows: the value of the player (`browser/player.js`), and HTML."""

    player: dict[str, Any]
    encoder: str
    answers: str
    notes: str


class Handlers:
    """What the page does.

    Args:
        ears: of the model.
        uploads: read what was uploaded.
        heads: SOFA files of heads beside KEMAR.
    """

    def __init__(self, ears: Ears, uploads: Uploads, heads: list[str]) -> None:
        self.ears, self.uploads = ears, uploads
        self.heads: dict[str, str | None] = {KEMAR: None} | {Path(file).name: file for file in heads}
        if len(self.heads) != 1 + len(heads):
            raise SpatialLLMError(f"heads are {heads}; give files of different names, of which none is {KEMAR}.")

    def place(self, visit: Visit, value: Any, tell: Tell = _silent) -> Shown:
        """Hears a sound at its place.

        Args:
            visit: changed.
            value: of the browser, see `placing.read_placed`; "own_path" is that of an uploaded sound, once.
            tell: is told how far it is, 0 to 1, and what is done.

        Raises:
            SpatialLLMError: the place or the sound cannot be used.
        """
        placed = read_placed(value, self.heads)
        notes: tuple[str, ...] = ()
        sound = None
        if placed.sound == OWN_SOUND:
            if value.get("own_path"):
                tell(0.1, "Reading the sound")
                window = self.uploads.sound(value["own_path"])
                visit.own_sound, notes = window.waveform[0], window.warnings
            if visit.own_sound is None:
                raise SceneError("no sound of yours was uploaded yet; choose a file, or one of the sounds in the list.")
            sound = visit.own_sound
        tell(0.3, "Simulating the room")
        ears = self.ears
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            format = ears.scene_format(self.heads[placed.head])
            scene, waveform = record(scene_of(placed, format, ears.seconds, ears.rate), sound)
        notes += tuple(" ".join(str(each.message).split()) for each in caught)
        tell(0.7, "Listening")
        visit.hearing = ears.placed(scene, waveform, notes)
        return self.shown(visit)

    def given(self, visit: Visit, value: Any, tell: Tell = _silent) -> Shown:
        """Hears a recording that was uploaded.

        Args:
            visit: changed.
            value: of the browser: {"path", "name"}.
            tell: see `place`.

        Raises:
            SpatialLLMError: it cannot be read or heard.
        """
        value = value if isinstance(value, dict) else {}
        tell(0.2, "Reading the recording")
        window = self.uploads.recording(value.get("path"))
        tell(0.6, "Listening")
        name = value.get("name")
        visit.hearing = self.ears.recording(window, name[:NAME_SHOWN] if isinstance(name, str) else "your recording")
        return self.shown(visit)

    def ask(self, visit: Visit, question: Any) -> str:
        """Answers a question about what is heard, and returns all questions with their answers as HTML.

        Raises:
            SpatialLLMError: nothing is heard yet, or the question cannot be asked.
        """
        self.ears.ask(_heard(visit), question)
        return answers_html(visit.hearing)

    def swap(self, visit: Visit) -> Shown:
        """Exchanges left and right, or puts them back.

        Raises:
            SpatialLLMError: nothing is heard yet, or this format has no left and right.
        """
        self.ears.swap(_heard(visit))
        return self.shown(visit)

    def shown(self, visit: Visit) -> Shown:
        """Returns what the page shows of a visit in which something is heard."""
        hearing = visit.hearing
        side, rate = hearing.shown, self.ears.rate
        swapped = ", left and right exchanged" if hearing.swapped else ""
        played = rendered_for_playing(side.window, hearing.format, rate)
        how = "as the model hears it"
        if played is not side.window:
            channels = ", ".join(hearing.format.channel_names)
            how = f"rendered to two ears to be played; the model hears {hearing.format.name}, channels {channels}"
        title = f"{hearing.name}{swapped}: {self.ears.seconds:g} s, {how}"
        return Shown(
            player_value(played, rate, title),
            encoder_html(side.heard, hearing.scene, hearing.swapped),
            answers_html(hearing),
            notes_html(hearing),
        )


def _heard(visit: Visit) -> Hearing:
    if visit.hearing is None:
        raise SpatialLLMError("nothing is heard yet; place a sound, or give a recording, first.")
    return visit.hearing
