"""`Source`, the bytes of a file read within bounds, and `Sound`, what a walker finds out about them."""

import os
from dataclasses import dataclass, field
from typing import BinaryIO

from spatial_llm.errors import AudioError

MOST = 2**20  # most bytes that a header or a probe may read at a time


class Source:
    """An open regular file.

    Attributes:
        name: the name that messages show.
        size: bytes of the file when it was opened.
        most_bytes: largest number of bytes that may be read into memory at once.
    """

    def __init__(self, file: BinaryIO, name: str, most_bytes: float) -> None:
        self.file, self.name, self.most_bytes = file, name, most_bytes
        self.size = os.fstat(file.fileno()).st_size

    def at(self, offset: int, count: int) -> bytes:
        """Returns up to `count` bytes from `offset`: fewer at the end of the file, and never more than 1 MiB."""
        if not 0 <= offset < self.size:
            return b""
        self.file.seek(offset)
        return self.file.read(min(count, MOST))

    def part(self, offset: int, end: int) -> bytes:
        """Returns the bytes from `offset` to `end`. Raises AudioError if they are more than `most_bytes`."""
        count = min(end, self.size) - offset
        if count > self.most_bytes:
            raise self.error(
                f"{count} bytes to decode, and max_bytes is {self.most_bytes}; cut the recording, or raise max_bytes of "
                "AudioLimits (--audio_limits.max_bytes)."
            )
        self.file.seek(offset)
        return self.file.read(max(0, count))

    def error(self, why: str) -> AudioError:
        """Returns an AudioError about this file."""
        return AudioError(f"{self.name}: {why}")

    def damaged(self, container: str, why: str) -> AudioError:
        """Returns an AudioError about a header or a frame that cannot be right."""
        return self.error(f"not a readable sound file: damaged {container} ({why}); make the file anew or leave it out.")


@dataclass(frozen=True)
class Plain:
    """The layout of uncompressed samples, in libsndfile's names.

    Attributes:
        subtype: for example "PCM_16".
        endian: "LITTLE" or "BIG".
        width: bytes of one sample.
    """

    subtype: str
    endian: str
    width: int


@dataclass
class Sound:
    """The content of a sound file.

    Attributes:
        container: its name, for messages.
        channels, rate: from the header; the rate is in Hz.
        frames: samples of each channel that the file promises; None where only the decoder can tell.
        plain: layout of the samples between `offset` and `offset + length`; None where a decoder is needed.
        offset, length: the bytes to decode; length None sends the whole file to the decoder.
        prefix: a header to put before these bytes, so that the decoder sees no other part of the file.
        md5: of the decoded samples, where the file states it.
        bits: of one sample, for `md5`.
        missing: what the file has lost, in words; None for a whole file.
        notes: harmless oddities in words, which become warnings.
        trusted: False for a container without a walker, which is decoded in a separate process.
        otherwise: the message for a file that is not trusted and that no decoder knows.
        at_least: samples that the file's framing proves, where the header need not agree.
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
