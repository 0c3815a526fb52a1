"""What a program's recordings were made with: compared with what its model hears before anybody gives one."""

import warnings

import numpy as np

from spatial_llm.audio.formats import AudioFormat, as_format, check_same
from spatial_llm.model.pipeline import SpatialLLM


def microphone_of(model: SpatialLLM, given: str | None, head: str | None, heading_deg: float) -> tuple[AudioFormat, bool]:
    """Returns the format of the recordings, and whether they are rendered to two ears for the model; the first time a
    warning says what that loses.

    Args:
        model: hears them.
        given: the format as text, or a file that describes it; None: what the model takes.
        head, heading_deg: to whose ears they are rendered, see `SpatialLLM.listen`.

    Raises:
        SpatialLLMError: the model takes several formats, and none is given; it does not hear this one; or the head cannot be
            read.
    """
    extractor = model.processor.feature_extractor
    format = extractor.default_format if given is None else as_format(given)
    silence = np.zeros((format.channels, 1), np.float32)  # of a model that takes several formats, none is known yet
    render = model.rendering(format, head, heading_deg)
    if render is None:
        check_same(format.internal, extractor.format, "the microphone", "the model")
        return format, False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # said of every recording
        render(silence, extractor.sampling_rate)
    return format, True
