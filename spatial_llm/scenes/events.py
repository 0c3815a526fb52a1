"""Built-in dry sounds: fourteen synthesized event classes, so that everything runs without a download.

A "recording" is one draw of a class's parameters (pitch, rate, timbre, rhythm) from a seed, written as a reference string
"synth:<class>/<seed>". The classes are caricatures, made to be told apart and to be localised: every one is broad-band,
because a pure tone has no audible elevation and an ambiguous delay between the ears.
"""

from collections.abc import Callable

import numpy as np

from spatial_llm.errors import SceneError

SYNTH_PREFIX = "synth:"


class _Draw:
    """The state of one event: its random numbers, length and rate, and the few shapes that the classes share."""

    def __init__(self, rng: np.random.Generator, samples: int, rate: int) -> None:
        self.rng, self.samples, self.rate = rng, samples, rate
        self.seconds = samples / rate

    def time(self, seconds: float) -> np.ndarray:
        return np.arange(max(1, round(seconds * self.rate)), dtype=np.float32) / np.float32(self.rate)

    def noise(self, samples: int) -> np.ndarray:
        return self.rng.standard_normal(samples, dtype=np.float32)

    def band(self, samples: int, low_hz: float, high_hz: float) -> np.ndarray:
        """Returns noise between two frequencies, unit variance, edges an octave-wide slope."""
        size = 1 << max(4, (samples - 1).bit_length())
        hertz = np.fft.rfftfreq(size, 1 / self.rate).astype(np.float32)
        shape = 1 / np.sqrt(1 + (low_hz / np.maximum(hertz, 1)) ** 6 + (hertz / high_hz) ** 6)
        white = self.rng.standard_normal((2, len(hertz)), dtype=np.float32)
        noise = np.fft.irfft((white[0] + 1j * white[1]) * shape, n=size)[:samples]
        return (noise / (np.std(noise) + 1e-9)).astype(np.float32)

    def tone(self, hertz: np.ndarray | float, samples: int, harmonics: list[float]) -> np.ndarray:
        """Harmonics of a (gliding) pitch, above Nyquist dropped; `harmonics` are their amplitudes."""
        if np.ndim(hertz) == 0:
            phase = np.arange(1, samples + 1) * (2 * np.pi * float(hertz) / self.rate)
        else:
            phase = np.cumsum(hertz, dtype=np.float64) * (2 * np.pi / self.rate)
        phase = np.mod(phase, 2 * np.pi).astype(np.float32)  # float32 sines are several times faster
        usable = harmonics[: max(1, int(0.45 * self.rate / float(np.max(hertz))))]
        if len(usable) == 1:
            return np.float32(usable[0]) * np.sin(phase)
        turn = np.empty(samples, dtype=np.complex64)
        turn.real, turn.imag = np.cos(phase), np.sin(phase)
        value = np.zeros(samples, dtype=np.complex64)
        for amplitude in reversed(usable):  # Horner: one complex product a harmonic in place of one sine
            value += np.complex64(amplitude)
            value *= turn
        return value.imag

    def scatter(self, grains: list[np.ndarray], starts_s: np.ndarray, gains: np.ndarray) -> np.ndarray:
        """Grains laid at their starts, taken in turn, cut at the end."""
        out = np.zeros(self.samples, dtype=np.float32)
        for number, (start, gain) in enumerate(zip((np.asarray(starts_s) * self.rate).astype(int), gains, strict=True)):
            grain = grains[number % len(grains)][: max(0, self.samples - start)]
            out[start : start + len(grain)] += np.float32(gain) * grain
        return out

    def beats(self, period_s: float, jitter: float = 0.0) -> np.ndarray:
        """Returns regular starts from a short random lead on, each displaced by up to `jitter` of the period."""
        lead_s = self.rng.uniform(0.0, min(0.15, 0.5 * period_s))
        starts_s = np.arange(lead_s, self.seconds, period_s)
        return np.maximum(0.0, starts_s + self.rng.uniform(-jitter, jitter, len(starts_s)) * period_s)


def _alarm(draw: _Draw) -> np.ndarray:
    pitch, period_s = draw.rng.uniform(900, 1400), draw.rng.uniform(0.22, 0.34)
    samples = len(draw.time(period_s * 0.55))
    beep = draw.tone(pitch, samples, [1, 0, 0.7, 0, 0.6, 0, 0.5, 0, 0.4]) + 0.05 * draw.noise(samples)
    starts_s = draw.beats(period_s)
    return draw.scatter([beep], starts_s, np.ones(len(starts_s)))


def _bark(draw: _Draw) -> np.ndarray:
    grains = []
    base = draw.rng.uniform(250, 480)
    for _ in range(2):
        t = draw.time(draw.rng.uniform(0.14, 0.22))
        glide = base * (1.0 + 0.7 * np.sin(np.pi * t / t[-1]) - 0.3 * t / t[-1])
        voiced = draw.tone(glide, len(t), [0.6, 1, 0.9, 0.6, 0.5, 0.3, 0.2, 0.15, 0.1, 0.1])
        envelope = np.minimum(t / 0.012, 1) * np.exp(-t / 0.06)
        grains.append((voiced + 0.7 * draw.band(len(t), 600, 6000)) * envelope)
    starts_s = draw.beats(draw.rng.uniform(0.32, 0.5), 0.15)
    return draw.scatter(grains, starts_s, draw.rng.uniform(0.7, 1, len(starts_s)))


def _bell(draw: _Draw) -> np.ndarray:
    t = draw.time(min(1.2, draw.seconds))
    pitch, decay_s = draw.rng.uniform(420, 900), draw.rng.uniform(0.3, 0.5)
    strike = np.zeros(len(t), dtype=np.float32)
    for ratio, amplitude in ((0.5, 0.5), (1, 1), (1.19, 0.8), (1.5, 0.5), (2, 1), (2.76, 0.7), (4.1, 0.6), (5.4, 0.6)):
        short = t[: round(len(t) / max(1.0, ratio**0.5))]  # upper partials die sooner
        partial = draw.tone(pitch * ratio * draw.rng.uniform(0.995, 1.005), len(short), [amplitude])
        strike[: len(short)] += partial * np.exp(-short * np.float32(ratio**0.5 / decay_s))
    click = draw.noise(len(t)) * np.exp(-t / 0.008)
    starts_s = draw.beats(draw.rng.uniform(0.5, 0.9), 0.05)
    return draw.scatter([strike + 1.5 * click], starts_s, draw.rng.uniform(0.8, 1, len(starts_s)))


def _bird(draw: _Draw) -> np.ndarray:
    grains = []
    top = draw.rng.uniform(3200, 5200)
    for rise in draw.rng.uniform(0.6, 1.5, 3):
        t = draw.time(draw.rng.uniform(0.05, 0.11))
        glide = top * (1 + (rise - 1) * 0.5 * t / t[-1]) * (1 + 0.05 * np.sin(2 * np.pi * 45 * t))
        hum = np.sin(np.pi * t / t[-1]) ** 2
        grains.append((draw.tone(glide, len(t), [1, 0.35, 0.15]) + 0.12 * draw.band(len(t), 1500, 12000)) * hum)
    starts_s = draw.beats(draw.rng.uniform(0.13, 0.21), 0.2)
    return draw.scatter(grains, starts_s, draw.rng.uniform(0.5, 1, len(starts_s)))


def _clapping(draw: _Draw) -> np.ndarray:
    grains = []
    for _ in range(4):
        t = draw.time(0.05)
        centre = draw.rng.uniform(900, 1800)
        grains.append(draw.band(len(t), centre * 0.6, centre * 4) * np.exp(-t / draw.rng.uniform(0.006, 0.012)))
    starts_s = draw.beats(draw.rng.uniform(0.16, 0.27), 0.12)
    return draw.scatter(grains, starts_s, draw.rng.uniform(0.6, 1, len(starts_s)))


def _clock(draw: _Draw) -> np.ndarray:
    grains = []
    for ratio in (1.0, draw.rng.uniform(0.7, 0.85)):
        t = draw.time(0.03)
        pitch = draw.rng.uniform(2300, 3600) * ratio
        ring = draw.tone(pitch, len(t), [1, 0.6, 0.4]) * np.exp(-t / 0.006)
        grains.append(ring + 0.8 * draw.noise(len(t)) * np.exp(-t / 0.0015))
    starts_s = draw.beats(draw.rng.uniform(0.22, 0.3))
    return draw.scatter(grains, starts_s, np.ones(len(starts_s)))


def _cricket(draw: _Draw) -> np.ndarray:
    pitch, pulses = draw.rng.uniform(4300, 5600), int(draw.rng.integers(3, 6))
    t = draw.time(0.016)
    pulse = draw.tone(pitch, len(t), [1, 0.4]) + 0.25 * draw.band(len(t), 2500, 13000)
    pulse *= np.sin(np.pi * t / t[-1])
    chirps_s = draw.beats(draw.rng.uniform(0.25, 0.4), 0.03)
    starts_s = (chirps_s[:, None] + 0.021 * np.arange(pulses)).ravel()
    return draw.scatter([pulse], starts_s, np.ones(len(starts_s)))


def _engine(draw: _Draw) -> np.ndarray:
    t = draw.time(0.12)
    grains = [draw.band(len(t), 60, draw.rng.uniform(900, 1800)) * np.exp(-t / 0.012) for _ in range(2)]
    grains = [grain + 0.25 * draw.band(len(t), 1500, 9000) * np.exp(-t / 0.006) for grain in grains]
    starts_s = draw.beats(1 / draw.rng.uniform(26, 45), 0.04)
    gains = 1 + 0.3 * np.sin(2 * np.pi * draw.rng.uniform(0.3, 0.8) * starts_s)
    return draw.scatter(grains, starts_s, gains)


def _footsteps(draw: _Draw) -> np.ndarray:
    grains = []
    for _ in range(2):
        t = draw.time(0.2)
        heel = draw.band(len(t), 60, draw.rng.uniform(250, 450)) * np.exp(-t / 0.02)
        toe = draw.band(len(t), 800, 5000) * np.exp(-((t - draw.rng.uniform(0.06, 0.1)) ** 2) / (2 * 0.018**2))
        grains.append(heel + 0.35 * toe)
    starts_s = draw.beats(draw.rng.uniform(0.36, 0.52), 0.06)
    return draw.scatter(grains, starts_s, draw.rng.uniform(0.7, 1, len(starts_s)))


def _helicopter(draw: _Draw) -> np.ndarray:
    rotor_hz = draw.rng.uniform(9, 14)
    t = draw.time(1 / rotor_hz)
    thump = draw.band(len(t), 50, 500) * np.exp(-t * rotor_hz / 0.18)
    starts_s = draw.beats(1 / rotor_hz)
    wash = draw.noise(draw.samples)
    swell = 0.35 + 0.25 * np.sin(2 * np.pi * rotor_hz * np.arange(draw.samples, dtype=np.float32) / draw.rate)
    return 1.6 * draw.scatter([thump], starts_s, np.ones(len(starts_s))) + 0.5 * wash * swell


def _knock(draw: _Draw) -> np.ndarray:
    pitch = draw.rng.uniform(140, 260)
    t = draw.time(0.12)
    wood = sum(
        a * draw.tone(pitch * ratio, len(t), [1.0]) * np.exp(-t * ratio / 0.05)
        for ratio, a in ((1, 1), (2.3, 0.9), (3.9, 0.7), (6.2, 0.5))
    )
    hit = wood + 1.2 * draw.band(len(t), 300, 5000) * np.exp(-t / 0.004)
    group_s = draw.beats(draw.rng.uniform(0.75, 1.0))
    starts_s = (group_s[:, None] + draw.rng.uniform(0.13, 0.18) * np.arange(3)).ravel()
    return draw.scatter([hit], starts_s, draw.rng.uniform(0.8, 1, len(starts_s)))


def _rain(draw: _Draw) -> np.ndarray:
    t = draw.time(0.012)
    drops = [draw.tone(hertz, len(t), [1.0]) * np.exp(-t / 0.003) for hertz in draw.rng.uniform(1800, 7000, 6)]
    starts_s = draw.rng.uniform(0, draw.seconds, int(draw.rng.uniform(60, 160) * draw.seconds))
    return draw.noise(draw.samples) * 0.5 + draw.scatter(drops, starts_s, draw.rng.exponential(1.0, len(starts_s)))


def _sawing(draw: _Draw) -> np.ndarray:
    stroke_s, teeth_hz = draw.rng.uniform(0.28, 0.42), draw.rng.uniform(90, 150)
    grains = []
    for brightness in (1.0, draw.rng.uniform(0.6, 0.8)):
        t = draw.time(stroke_s * 0.85)
        teeth = np.mod(t * teeth_hz * (1 + 0.3 * np.sin(np.pi * t / t[-1])), 1) ** 3
        stroke = draw.band(len(t), 1200 * brightness, 7000 * brightness)
        grains.append(stroke * teeth * np.sin(np.pi * t / t[-1]))
    starts_s = draw.beats(stroke_s)
    return draw.scatter(grains, starts_s, np.ones(len(starts_s)))


def _siren(draw: _Draw) -> np.ndarray:
    t = draw.time(draw.seconds)
    low = draw.rng.uniform(450, 700)
    sweep = 0.5 + 0.5 * np.sin(2 * np.pi * (draw.rng.uniform(0.6, 1.6) * t + draw.rng.uniform()))
    glide = low * (draw.rng.uniform(1.8, 2.5) ** sweep)
    return draw.tone(glide, draw.samples, [1, 0.8, 0.6, 0.5, 0.4, 0.4, 0.3]) + 0.08 * draw.noise(draw.samples)


_CLASSES: dict[str, Callable[[_Draw], np.ndarray]] = {
    "alarm": _alarm,
    "bark": _bark,
    "bell": _bell,
    "bird": _bird,
    "clapping": _clapping,
    "clock": _clock,
    "cricket": _cricket,
    "engine": _engine,
    "footsteps": _footsteps,
    "helicopter": _helicopter,
    "knock": _knock,
    "rain": _rain,
    "sawing": _sawing,
    "siren": _siren,
}

EVENT_CLASSES: tuple[str, ...] = tuple(_CLASSES)


def synthesize_event(label: str, seed: int, duration_s: float = 2.0, sampling_rate: int = 32000) -> np.ndarray:
    """Synthesizes one draw of a built-in class: float32 (samples,), peak 1. The same arguments give the same samples.

    Raises:
        SceneError: the class is unknown, or the duration is below 0.1 s.
    """
    if label not in _CLASSES:
        raise SceneError(f"no built-in event class {label!r}; give one of {', '.join(EVENT_CLASSES)}.")
    if duration_s < 0.1 or sampling_rate < 16000:
        raise SceneError(f"event of {duration_s} s at {sampling_rate} Hz; give at least 0.1 s and 16000 Hz.")
    rng = np.random.default_rng([seed, *label.encode()])
    waveform = _CLASSES[label](_Draw(rng, round(duration_s * sampling_rate), sampling_rate))
    return (waveform / max(float(np.abs(waveform).max()), 1e-9)).astype(np.float32)


def synth_reference(label: str, seed: int) -> str:
    """Returns the reference string of a draw, "synth:<class>/<seed>"."""
    return f"{SYNTH_PREFIX}{label}/{seed}"


def parse_synth_reference(reference: str) -> tuple[str, int]:
    """Returns the class and seed of "synth:<class>/<seed>". Raises SceneError if the text has another form or the class
    is unknown."""
    label, slash, seed = reference.removeprefix(SYNTH_PREFIX).partition("/")
    if not (reference.startswith(SYNTH_PREFIX) and slash and seed.isascii() and seed.isdigit() and label in _CLASSES):
        raise SceneError(f'{reference!r} is no built-in recording; expected "synth:<class>/<seed>": "synth:bell/7".')
    return label, int(seed)
