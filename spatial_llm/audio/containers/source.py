"""`Source`, the bytes of a file read with bounds, and `Sound`, what a walker finds out about them."""

import os
from dataclasses import dataclass, field
from typing import BinaryIO

from spatial_llm.errors import AudioError

MOST = 2**20  # bytes that a header or a probe may read at a time


class Source:
    """An open regular file.

    Attributes:
        name: to be shown in messages.
        size: bytes of the file, when it was opened.
        most_bytes: that may be taken into memory at once.
    """

    def __init__(self, file: BinaryIO, name: str, most_bytes: float) -> None:
        self.file, self.name, self.most_bytes = file, name, most_bytes
        self.size = os.fstat(file.fileno()).st_size

    def at(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset`: fewer at the end of the file, and never more than 1 MiB."""
        if not 0 <= offset < self.size:
            return b""
        self.file.seek(offset)
        return self.file.read(min(count, MOST))

    def part(self, offset: int, end: int) -> bytes:
        """The bytes from `offset` to `end`. Raises AudioError if they are more than `most_bytes`."""
        count = min(end, self.size) - offset
        if count > self.most_bytes:
            raise self.error(
                f"{count} bytes to decode, and max_bytes is {self.most_bytes}; cut the recording, or raise max_bytes of "
                "AudioLimits (--audio_limits.max_bytes)."
            )
        self.file.seek(offset)
        return self.file.read(max(0, count))

    def error(self, why: str) -> AudioError:
        """An AudioError about this file."""
        return AudioError(f"{self.name}: {why}")

    def damaged(self, container: str, why: str) -> AudioError:
        """An AudioError about a header or a frame that cannot be right."""
        return self.error(f"not a readable sound file: damaged {container} ({why}); make the file anew or leave it out.")


@dataclass(frozen=True)
class Plain:
    """Samples that lie one after the other without compression, as libsndfile names them.

    Attributes:
        subtype: such as "PCM_16".
        endian: "LITTLE" or "BIG".
        width: bytes of one sample.
    """

    subtype: str
    endian: str
    width: int


@dataclass
class Sound:
    """What a file is.

    Attributes:
        container: its name, for messages.
        channels, rate: as its header says; rate in Hz.
        frames: samples of each channel that it promises; None where only the decoder can say.
        plain: how the samples lie between `offset` and `offset + length`; None where a decoder of its own is needed.
        offset, length: the bytes to decode; length None: the whole file goes to the decoder.
        prefix: a header to put before them, so that the decoder sees no other part of the file's own.
        md5: of the decoded samples, where the file has it.
        bits: of a sample, for `md5`.
        missing: what the file has lost, in words; None for a whole one.
        notes: what is odd but does no harm, in words; warned of.
        trusted: False for a container without a walker, which is decoded in a process of its own.
        otherwise: what to say of a file that is not trusted, if no decoder knows it.
        at_least: samples that are there by the file's framing, where the header need not agree.
        guessed: whether the length that libsndfile gives is a guess, because nothing in the file states one.
    """

    container: str
    channels: int
    rate: int
    frames: int | None = None
    plain: Plain | None = None
    offset: int = 0
    length: int | None = None
    prefix: bytes = b""
    md5: bytes | None = None
    bits: int = 0
    missing: str | None = None
    notes: list[str] = field(default_factory=list)
    trusted: bool = True
    otherwise: str = ""
    at_least: int = 0
    guessed: bool = False
