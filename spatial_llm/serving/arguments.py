"""The settings of `spatial-llm serve`."""

from dataclasses import dataclass, field
from typing import Annotated

from spatial_llm.audio.limits import AudioLimits
from spatial_llm.ranges import Count, Natural, NonNegative, Positive, Within

Port = Annotated[int, Within(0, 65535)]


@dataclass
class ServeArguments:
    """Sets what to serve, and its limits.

    Attributes:
        model: folder of a saved SpatialLLM, or tiny, which comes with the package.
        host: address to listen at; every other one than 127.0.0.1 lets other machines ask.
        port: port to listen at; 0: a free one, which is printed.
        device: torch's name of it; default: a GPU if there is one.
        microphone: what the recordings are: foa, ambisonics2, stereo_ms, ..., or a file with the places of the microphones
            of an array; default: what the model takes.
        head: SOFA file of the head to whose ears ambisonics and arrays are rendered; default: KEMAR.
        heading_deg: where that head looks; positive = to the left.
        level_dbfs_at_1m: RMS level that the recordings have of a sound as loud as theirs from 1 m in front; distances rest
            on it.
        allow_mono: hear a recording of one channel as two equal ones, with a warning in the answer: of directions it tells
            nothing.
        strict: refuse a question that is near none that was taught.
        as_asked: put questions as they are, without a warning.
        max_new_tokens: longest answer, in tokens; a request may ask for a shorter one.
        batch_size: most questions answered at a time; answers do not depend on it.
        batch_wait_ms: longest time for which a question waits for others to be answered with it, in ms.
        queue: most requests that are accepted at a time; further ones get status 429.
        readers: processes that decode recordings.
        read_seconds: longest time for which one recording is decoded, in s.
        remembered: recordings whose encoding is kept, so that further questions about them need none; 0: none.
        max_request_bytes: largest request, in bytes; recordings are a third larger in base64.
        max_held_bytes: most bytes of requests that are held at a time.
        body_seconds: longest time for which a request may be sent, in s; the same holds for its head.
        audio_limits: how long and large a recording may be, and whether cut files are read.
        max_recordings: most recordings in a conversation.
        max_messages: most messages in a conversation.
        stop_seconds: longest time for which a server that was told to stop finishes what it accepted, in s.
    """

    model: str = "tiny"
    host: str = "127.0.0.1"
    port: Port = 8000
    device: str | None = None
    microphone: str | None = None
    head: str | None = None
    heading_deg: float = 0.0
    level_dbfs_at_1m: float | None = None
    allow_mono: bool = False
    strict: bool = False
    as_asked: bool = False
    max_new_tokens: Count = 200
    batch_size: Count = 16
    batch_wait_ms: NonNegative = 40.0
    queue: Count = 64
    readers: Count = 2
    read_seconds: Positive = 20.0
    remembered: Natural = 64
    max_request_bytes: Count = 64 * 2**20
    max_held_bytes: Count = 256 * 2**20
    body_seconds: Positive = 30.0
    audio_limits: AudioLimits = field(default_factory=AudioLimits)
    max_recordings: Count = 8
    max_messages: Count = 64
    stop_seconds: Count = 60
