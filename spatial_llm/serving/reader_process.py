"""The program of a process that reads recordings for a server: a file comes in, the window that the model hears goes out.

It imports no model. Its first line says that it is ready. A request is a line of JSON, {"size": bytes}, and the file; a
reply is a line of JSON and, where it has a "shape", the window as float32.
"""

import json
import signal
import sys
import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatial_llm.audio.formats import AudioFormat, as_format, needs_ears, parse_input_format
from spatial_llm.audio.io import prepare_waveform, read_audio, warn_of_same_channels
from spatial_llm.audio.limits import AudioLimits
from spatial_llm.errors import SpatialLLMError

SPARE_BYTES = 2 * 2**30  # addresses that the process may use in addition to the samples: Python, its libraries, a head
READY = b"ready\n"


@dataclass(frozen=True)
class ReaderSettings:
    """How recordings are brought to a model's window.

    Attributes:
        wanted: what the encoder takes, as text (`parse_input_format`).
        given: what the recordings are, as text or a file (`as_format`).
        rate: of the encoder, in Hz.
        window_samples: length of its window.
        head, heading_deg: to whose ears recordings are rendered, see `SpatialLLM.listen`.
        allow_mono: whether one channel is copied to two.
        max_seconds, max_bytes, allow_truncated: those of `AudioLimits`.
        dry: whether it is a sound to be placed in a room, `given` as mono: of several channels one is used
            (`scenes.dry_sounds.used_channel`), with a warning.
    """

    wanted: str
    given: str
    rate: int
    window_samples: int
    head: str | None = None
    heading_deg: float = 0.0
    allow_mono: bool = False
    max_seconds: float = 600.0
    max_bytes: int = 256 * 2**20
    allow_truncated: bool = False
    dry: bool = False

    def to_json(self) -> str:
        """Returns the settings as the argument of the program."""
        return json.dumps(asdict(self))


class WindowReader:
    """Brings recordings to a window, as `SpatialLLM.listen` does before its encoder."""

    def __init__(self, settings: ReaderSettings) -> None:
        self.settings = settings
        self.limits = AudioLimits(settings.max_seconds, settings.max_bytes, settings.allow_truncated)
        self.wanted: AudioFormat = parse_input_format(settings.wanted)
        self.given = as_format(settings.given)
        self.render = None
        if needs_ears(self.given, self.wanted):
            from spatial_llm.scenes.heads.binaural_rendering import ear_rendering  # the simulator's heads

            self.render = ear_rendering(self.given, settings.head, settings.heading_deg)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # said of every recording
                # Its filters are designed now, which the first recording would wait for otherwise.
                self.render(np.zeros((self.given.channels, 1), np.float32), settings.rate)
        self.used_channel = None
        if settings.dry:
            from spatial_llm.scenes.dry_sounds import used_channel  # brings the simulator, which others do not wait for

            self.used_channel = used_channel

    def read(self, content: bytes) -> tuple[NDArray[np.float32], list[str]]:
        """Returns the window (channels, window_samples) of a file, and the warnings about it.

        Raises:
            AudioError: see `prepare_waveform`.
        """
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", UserWarning)
            samples, rate = read_audio(memoryview(content), self.limits)
            if self.settings.allow_mono and len(samples) == 1 and self.given.channels == 2:
                samples = np.repeat(samples, 2, axis=0)
            if self.used_channel is not None:
                samples = self._one_channel(samples)
            window = prepare_waveform(
                samples,
                rate,
                self.settings.rate,
                self.settings.window_samples,
                self.limits,
                format=self.wanted,
                given=self.given,
                render=self.render,
            )
            warn_of_same_channels(window)
        texts = [" ".join(str(each.message).split()) for each in said if issubclass(each.category, UserWarning)]
        return window, list(dict.fromkeys(texts))

    def _one_channel(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the channel (1, samples) of a dry sound that is played, see `dry_sounds.used_channel`."""
        if len(samples) > 1:
            warnings.warn(
                f"the sound has {len(samples)} channels, and a sound to be placed needs one: its first channel that can be "
                "heard is placed.",
                stacklevel=1,
            )
        return self.used_channel(samples, "the sound")[None]


def main(settings: ReaderSettings) -> None:
    """Answers requests at standard input until it ends."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole group; the server ends this process when it is done
    try:
        import resource

        most = 4 * settings.max_bytes + SPARE_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    except (ImportError, ValueError, OSError):
        pass  # this system has no such limits; the time limit still holds
    reader = WindowReader(settings)
    given, out = sys.stdin.buffer, sys.stdout.buffer
    out.write(READY)
    out.flush()
    while line := given.readline():
        reply: dict[str, Any]
        try:
            window, said = reader.read(given.read(json.loads(line)["size"]))
            reply, body = {"shape": window.shape, "warnings": said}, np.ascontiguousarray(window, np.float32).tobytes()
        except SpatialLLMError as error:
            reply, body = {"error": str(error)}, b""
        except MemoryError:
            reply, body = {"error": "the recording does not fit into the memory for it; cut it."}, b""
        out.write(json.dumps(reply).encode() + b"\n" + body)
        out.flush()


if __name__ == "__main__":
    main(ReaderSettings(**json.loads(sys.argv[1])))
