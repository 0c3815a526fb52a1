"""The early part of what a moving source sends to a listener: its direct sound and first reflections, each moved exactly.

In a shoebox the position of an image source is that of the source with the signs of some coordinates changed, and shifted
(J. B. Allen and D. A. Berkley, J. Acoust. Soc. Am. 65, 943, 1979). Images therefore move as the source does; each is heard
after its own retarded time (`travel`), read between the samples of the dry sound, and falls with the distance at which it
was emitted. What a head or a sphere makes of it depends on its direction, which is taken every KNOT_S, with a linear
cross-fade in between.
"""

import itertools
from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from spatial_llm.errors import SceneError
from spatial_llm.geometry import SPEED_OF_SOUND_M_S
from spatial_llm.scenes.microphones import Microphone
from spatial_llm.scenes.microphones.impulses import NEAREST_M
from spatial_llm.scenes.motion.between_samples import Oversampled
from spatial_llm.scenes.motion.travel import Way, headings_at, travel_s, turned_back
from spatial_llm.scenes.room.arrivals import mirrored_share
from spatial_llm.scenes.scene import Listener, Room

EARLY_ORDER = 1  # reflections of the images that move exactly; beyond, there are too many to hear one by one
KNOT_S = 0.005
CHUNK_S = 4.0  # of the recording that is in memory at a time; the result does not depend on it
# A cross-fade of two responses that differ by a delay d is about -30 dB off the one in between where f d is below this.
MOST_CYCLES, UP_TO_HZ = 0.3, 8000.0


class Image(NamedTuple):
    """An image source: its coordinates are `signs` (xyz) times those of the source plus `shifts_m`, its pressure `gain`."""

    signs: NDArray[np.float64]
    shifts_m: NDArray[np.float64]
    gain: float


def early_images(room: Room) -> list[Image]:
    """Returns the images of EARLY_ORDER reflections or fewer, the source itself first."""
    order = min(EARLY_ORDER, room.max_order)
    kept = np.sqrt(mirrored_share(room))
    found = []
    for flips in itertools.product((0, 1), repeat=3):
        for rooms in itertools.product(range(-order, order + 1), repeat=3):
            walls = sum(abs(2 * number - flip) for number, flip in zip(rooms, flips, strict=True))
            if walls <= order:
                shifts_m = 2.0 * np.array(rooms) * np.array(room.size_m)
                found.append((walls, Image(1.0 - 2.0 * np.array(flips), shifts_m, float(kept**walls))))
    return [image for _, image in sorted(found, key=lambda each: each[0])]


def early_part(
    sound: NDArray, images: list[Image], way: Way, listener: Listener, microphone: Microphone, sampling_rate: int
) -> NDArray[np.float32]:
    """Returns what the microphone receives of some images of a source.

    Args:
        sound: (samples,) as the source plays it.
        images: of the source.
        way: of the source.
        listener: where the microphone is, and how it turns.

    Returns:
        (channels, samples).

    Raises:
        SceneError: the direction changes too fast for a head or a sphere of this size.
    """
    hop = max(1, round(KNOT_S * sampling_rate))
    knots = -(-len(sound) // hop)
    chunk = max(1, round(CHUNK_S * sampling_rate) // hop)
    in_free_air = bool(microphone.points_m.any())
    # `out` begins one hop and the lead of the responses before the recording.
    before = hop + (0 if in_free_air else microphone.lead)
    out = None
    for first in range(0, knots, chunk):
        blocks = _Blocks(first, min(chunk, knots - first), hop, sampling_rate, listener)
        received, start = blocks.received(sound, images, way, microphone)
        if out is None:
            ringing = received.shape[1] - blocks.count * hop
            out = np.zeros((received.shape[0], before + knots * hop + ringing), dtype=np.float32)
        out[:, start + hop : start + hop + received.shape[1]] += received
    return out[:, before : before + len(sound)]


class _Blocks:
    """A part of the recording of `count` blocks of `hop` samples, and the listener at its knots and samples."""

    def __init__(self, first: int, count: int, hop: int, sampling_rate: int, listener: Listener) -> None:
        self.first, self.count, self.hop, self.rate, self.listener = first, count, hop, sampling_rate, listener
        self.knots_s = np.arange(first, first + count + 1) * hop / sampling_rate
        self.times_s = np.arange(first * hop, (first + count) * hop) / sampling_rate
        self.headings_deg = headings_at(listener.headings, listener.heading_deg, self.knots_s)

    def received(
        self, sound: NDArray, images: list[Image], way: Way, microphone: Microphone
    ) -> tuple[NDArray[np.float32], int]:
        """Returns what the microphone receives in these blocks, (channels, samples with what rings on), and the sample of
        the recording at which it begins, later by the lead of responses."""
        points_m = microphone.points_m
        ways = [way.mapped(image.signs, image.shifts_m) for image in images]
        taken = [[self._travel_s(each, point_m) for each in ways] for point_m in points_m]
        longest_s = max(float(travelled.max()) for each in taken for _, travelled in each)
        last_s = self.times_s[-1]
        source = Oversampled(sound, (self.times_s[0] - longest_s) * self.rate, last_s * self.rate)
        if points_m.any():
            channels = [self._summed(source, images, each) for each in taken]
            return np.stack(channels), self.first * self.hop
        return self._through(microphone, source, images, ways, taken[0])

    def _travel_s(self, way: Way, point_m: NDArray) -> tuple[NDArray, NDArray]:
        """Returns the retarded times of one image to a point in the listener's axes, at the knots and at the samples."""
        at_knots = travel_s(way, self._place_m(point_m, self.headings_deg), self.knots_s)
        if len(way.times_s) == 1 and (not self.listener.turns or not point_m.any()):
            return at_knots, np.full(len(self.times_s), at_knots[0])
        close = np.interp(self.times_s, self.knots_s, at_knots)
        headings_deg = (
            headings_at(self.listener.headings, self.listener.heading_deg, self.times_s) if point_m.any() else None
        )
        return at_knots, travel_s(way, self._place_m(point_m, headings_deg), self.times_s, close)

    def _place_m(self, point_m: NDArray, headings_deg: NDArray | None) -> NDArray:
        """Returns where a point in the listener's axes is in the room: (xyz), or (times, xyz) where it is not the centre."""
        if not point_m.any():
            return np.array(self.listener.position_m)
        return self.listener.position_m + turned_back(np.broadcast_to(point_m, (len(headings_deg), 3)), -headings_deg)

    def _heard(self, source: Oversampled, image: Image, travelled_s: NDArray) -> NDArray[np.float32]:
        # 1/r of the emission, as static sources have it; r is the way through the air.
        amplitude = image.gain / np.maximum(travelled_s * SPEED_OF_SOUND_M_S, NEAREST_M)
        return source.at((self.times_s - travelled_s) * self.rate) * amplitude.astype(np.float32)

    def _summed(self, source: Oversampled, images: list[Image], taken: list[tuple[NDArray, NDArray]]) -> NDArray:
        return sum(self._heard(source, image, each) for image, (_, each) in zip(images, taken, strict=True))

    def _through(
        self, microphone: Microphone, source: Oversampled, images: list[Image], ways: list[Way], taken: list
    ) -> tuple[NDArray[np.float32], int]:
        """As `received`, of a microphone whose responses depend on the direction."""
        fade = (np.arange(self.hop) / self.hop).astype(np.float32)
        spectra, size, taps, channels = 0.0, 0, 1, 0
        for image, way, (knots_s, samples_s) in zip(images, ways, taken, strict=True):
            heard = self._heard(source, image, samples_s).reshape(self.count, self.hop)
            offsets_m = way.at(self.knots_s - knots_s) - np.array(self.listener.position_m)
            directions = turned_back(offsets_m, self.headings_deg)
            responses = microphone.free_field(directions)  # (knots, channels, taps)
            _check_rate(directions, responses.shape[-1], microphone, self.hop / self.rate)
            if responses.shape[-1] == 1:
                gains = responses[..., 0].T.astype(np.float32)  # (channels, knots)
                before, after = (gains[:, :-1, None] * (heard * (1 - fade)), gains[:, 1:, None] * (heard * fade))
                spectra = spectra + (before + after).reshape(len(gains), -1)
                continue
            # Around each knot stands a triangle of two blocks, which passes the response of that knot.
            around = np.zeros((self.count + 1, 2 * self.hop), dtype=np.float32)
            around[1:, : self.hop], around[:-1, self.hop :] = heard * fade, heard * (1 - fade)
            channels, taps = responses.shape[1:]
            size = scipy.fft.next_fast_len(2 * self.hop + taps - 1, real=True)
            spectra = spectra + scipy.fft.rfft(around, size)[:, None] * scipy.fft.rfft(responses, size)
        if not size:
            return spectra, self.first * self.hop
        rung = scipy.fft.irfft(spectra, size)  # (knots, channels, size)
        out = np.zeros((channels, (self.count + 1) * self.hop + size), dtype=np.float32)
        for knot in range(self.count + 1):
            out[:, knot * self.hop : knot * self.hop + size] += rung[knot]
        return out, (self.first - 1) * self.hop


def _check_rate(directions: NDArray, taps: int, microphone: Microphone, hop_s: float) -> None:
    """Raises SceneError where the delays of a microphone's responses change too much from one knot to the next."""
    if taps == 1 or len(directions) < 2:
        return
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    step = float(np.linalg.norm(np.diff(unit, axis=0), axis=1).max())
    delay_s = step * microphone.reach_m / SPEED_OF_SOUND_M_S
    if delay_s * UP_TO_HZ > MOST_CYCLES:
        raise SceneError(
            f"the direction of a source changes by {np.rad2deg(step):.1f} degrees within {1000 * hop_s:g} ms, too fast for "
            f"{microphone.format.name} of {100 * microphone.reach_m:.1f} cm; let it move or the listener turn more slowly, "
            "or lead the path further away."
        )
