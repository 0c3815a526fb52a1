"""The settings of `spatial-llm app`."""

from dataclasses import dataclass, field

from spatial_llm.audio.limits import AudioLimits
from spatial_llm.ranges import Count, Positive
from spatial_llm.serving.arguments import Port


@dataclass
class AppArguments:
    """Sets which model the page shows, and its limits.

    Attributes:
        model: folder of a saved SpatialLLM, or tiny, which comes with the package.
        host: address to listen at; every other one than 127.0.0.1 lets other machines ask.
        port: port to listen at; 0: a free one, which is printed.
        device: torch's name of it; default: a GPU if there is one.
        microphone: what uploaded recordings are: foa, ambisonics2, ..., or a file with the places of the microphones of an
            array; default: what the model takes.
        head: SOFA file of the head to whose ears uploaded ambisonics and arrays are rendered; default: KEMAR.
        heading_deg: where that head looks; positive = to the left.
        level_dbfs_at_1m: RMS level that uploaded recordings have of a sound as loud as theirs from 1 m in front; distances
            rest on it.
        heads: SOFA files of further heads that a placed sound can be heard with, beside KEMAR.
        conversation: put a question with the questions and answers before it; for models that were trained on several turns.
        max_new_tokens: longest answer, in tokens.
        max_upload_bytes: largest file that is taken, in bytes.
        read_seconds: longest time for which one file is decoded, in s.
        audio_limits: how long and large a recording may be, and whether cut files are read.
        queue: most clicks of all visitors that wait for their turn; further ones are refused with a sentence.
        stop_seconds: longest time for which a page that was told to stop finishes what it began, in s.
    """

    model: str = "tiny"
    host: str = "127.0.0.1"
    port: Port = 7860
    device: str | None = None
    microphone: str | None = None
    head: str | None = None
    heading_deg: float = 0.0
    level_dbfs_at_1m: float | None = None
    heads: list[str] = field(default_factory=list)
    conversation: bool = False
    max_new_tokens: Count = 200
    max_upload_bytes: Count = 64 * 2**20
    read_seconds: Positive = 20.0
    audio_limits: AudioLimits = field(default_factory=AudioLimits)
    queue: Count = 32
    stop_seconds: Count = 2
