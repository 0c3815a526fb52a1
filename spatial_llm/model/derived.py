"""Recordings of other microphones, heard by a model of two ears: they are rendered to the ears of a head first.

The answer is then derived: it is about what a head would have heard in the place of the microphone, as far as the microphone
can tell.
"""

from spatial_llm.audio.formats import AudioFormat, needs_ears
from spatial_llm.audio.io import Render
from spatial_llm.errors import SpatialLLMError


def rendering(given: AudioFormat, wanted: AudioFormat, head: str | None, heading_deg: float) -> Render | None:
    """Returns what renders recordings of the format `given` for a model that takes `wanted`; None where it takes them.

    Args:
        given: of the recording.
        wanted: what the encoder takes.
        head: SOFA file of the head; None = MIT KEMAR.
        heading_deg: where the head looks in the recording; positive = turned to the left.

    Raises:
        SpatialLLMError: a head or a heading is given, and nothing is rendered.
        AudioError: the format cannot be rendered, or the heading is no number.
        SceneError: the head cannot be read.
    """
    if not needs_ears(given, wanted):
        if head is not None or heading_deg:
            raise SpatialLLMError(
                f"head and heading_deg are for ambisonics and arrays, which a model of two ears hears through a head; this "
                f"recording ({given.name}) is not rendered: leave them out, or say what it was recorded with (format=, "
                "--microphone)."
            )
        return None
    # The simulator's heads: a model that hears the recordings it was trained on does not load them.
    from spatial_llm.scenes.heads.binaural_rendering import ear_rendering

    return ear_rendering(given, head, heading_deg)


def derived_note(given: AudioFormat, head: str | None) -> str:
    """Returns what is lost where a model of two ears hears a recording of another format, as a sentence."""
    return (
        f"recordings in {given.name} are rendered to the ears of {head or 'MIT KEMAR'} for this model, and answers are "
        "marked as derived: delays between the ears hold below 1.5 kHz only, the colour by which a head tells front from "
        f"back, and above from below, is blurred. What the microphones themselves cannot tell: {given.limits}."
    )
