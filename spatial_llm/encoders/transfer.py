"""Transfer functions of every format that the cues of the sound field are computed from."""

from numpy.typing import NDArray

from spatial_llm.audio.formats import Array, AudioFormat
from spatial_llm.audio.steering import steering


def transfer(format: AudioFormat, directions: NDArray, frequencies_hz: NDArray) -> NDArray:
    """Returns what each channel receives of unit plane waves: (frequencies, channels, waves), see `audio.steering.steering`;
    of an array with measured responses, their spectra in the measured directions nearest to those asked for."""
    if isinstance(format, Array) and format.sofa is not None:
        # Reading SOFA files belongs to the simulator, which a model that only answers does not load.
        from spatial_llm.scenes.microphones.measured import measured_transfer

        return measured_transfer(format, directions, frequencies_hz)
    return steering(format, directions, frequencies_hz)
