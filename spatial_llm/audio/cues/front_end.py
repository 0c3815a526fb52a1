"""The settings of the time-frequency analysis that every set of cues shares."""

from typing import NamedTuple


class FrontEnd(NamedTuple):
    """Settings of the short-time Fourier transform and of the mel filters.

    Attributes:
        sampling_rate: Hz.
        n_fft: samples of a frame, and of its Hann window.
        hop_length: samples between frames.
        num_mel_bins: mel bins (and GCC lags) a frame.
        f_min, f_max: pass-band of the mel filters, Hz.
    """

    sampling_rate: int
    n_fft: int
    hop_length: int
    num_mel_bins: int
    f_min: float
    f_max: float

    @property
    def mel(self) -> tuple[float, ...]:
        """Returns the arguments of `spectral.mel_projection`."""
        return self.sampling_rate, self.n_fft, self.num_mel_bins, self.f_min, self.f_max
