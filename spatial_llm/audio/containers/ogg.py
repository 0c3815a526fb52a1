"""Ogg (Vorbis, Opus, FLAC): pages with a checksum, a number, and a mark on the last one.

libsndfile skips a page that fails its checksum, so that what follows moves to an earlier time; it stops after the first of
several streams; and it reads a stream without its last page as a whole one. Walking the pages finds all three.
"""

import struct
import zlib
from dataclasses import dataclass, field

from spatial_llm.audio.containers.source import Sound, Source

HEADER = 27
_BOS, _EOS = 2, 4
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass
class _Stream:
    """A logical stream: its content, its pages so far, and whether its last page was seen."""

    first: bytes
    codec: str | None
    pages: int = 0
    ended: bool = False
    last: int = 0


@dataclass
class _Pages:
    """The result of walking the pages."""

    streams: dict[int, _Stream] = field(default_factory=dict)
    order: list[_Stream] = field(default_factory=list)
    damage: str | None = None
    chained: int = 0
    end: int = 0


def read_ogg(source: Source) -> Sound:
    """Reads an Ogg file's pages. Raises AudioError where they hold no sound."""
    pages = _walk(source)
    sounds = [stream for stream in pages.order if stream.codec]
    if not sounds:
        if pages.damage:
            raise source.damaged("Ogg", pages.damage)
        raise source.error("an Ogg file without Vorbis, Opus or FLAC in it; expected sound.")
    first = sounds[0]
    sound = Sound(f"Ogg {first.codec}", *_described(source, first))
    if pages.damage:
        sound.missing = pages.damage
    elif not first.ended:
        sound.missing = f"it ends after {first.pages} pages without its last one"
    elif len(sounds) > 1:
        sound.missing = (
            f"it holds {len(sounds)} recordings {'one after the other (chained)' if pages.chained else 'side by side'}, of "
            "which only the first would be read: take them apart first"
        )
    elif source.size > pages.end and source.at(pages.end, 4096).strip(b"\0"):
        sound.notes.append(f"{source.size - pages.end} bytes after its last page are left out")
    return sound


def _walk(source: Source) -> _Pages:
    found, position, number = _Pages(), 0, 0
    source.file.seek(0)
    while position < source.size:
        head = source.file.read(HEADER)
        if not head.startswith(b"OggS"):
            if not (found.order and all(stream.ended for stream in found.order)) or b"OggS" in head + source.file.read(
                65536
            ):
                found.damage = f"no page begins at byte {position}, where the one before ends"
            return found
        table = source.file.read(head[26]) if len(head) == HEADER else b""
        body = source.file.read(sum(table))
        size = HEADER + len(table) + len(body)
        if len(head) < HEADER or len(table) < head[26] or len(body) < sum(table):
            found.damage = f"its page {number}, at byte {position}, is cut"
            return found
        found.damage = _page(found, head, table, body, f"page {number}, at byte {position},")
        if found.damage:
            return found
        position, number = position + size, number + 1
        found.end = position
    return found


def _page(found: _Pages, head: bytes, table: bytes, body: bytes, name: str) -> str | None:
    """Takes one page into account; returns what is wrong with it."""
    flags, serial, sequence, checksum = head[5], *struct.unpack("<III", head[14:26])
    if checksum != _checksum(head[:22] + b"\0\0\0\0" + head[26:] + table + body):
        return f"its {name} fails its checksum: bytes of it are wrong"
    if flags & _BOS:
        if found.order and all(stream.ended for stream in found.order):
            found.chained += 1
        stream = _Stream(body[:64], _codec(body))
        found.order.append(stream)
        found.streams[serial] = stream
    elif serial not in found.streams:
        return f"its {name} belongs to a stream that never began"
    stream = found.streams[serial]
    # A recording cut out of a running broadcast may begin at any page number and continues from there.
    if stream.pages and sequence != (stream.last + 1) % 2**32:
        return f"its {name} is number {sequence} of its stream, and number {stream.last + 1} is due: pages are missing"
    stream.last = sequence
    stream.pages += 1
    stream.ended = stream.ended or bool(flags & _EOS)
    return None


def _checksum(page: bytes) -> int:
    """Returns the CRC-32 of Ogg: zlib's polynomial with reversed bits, started at 0 and not inverted."""
    reflected = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reflected:032b}"[::-1], 2)


def _codec(packet: bytes) -> str | None:
    if packet.startswith(b"\x01vorbis"):
        return "Vorbis"
    if packet.startswith(b"OpusHead"):
        return "Opus"
    return "FLAC" if packet.startswith(b"\x7fFLAC") else None


def _described(source: Source, stream: _Stream) -> tuple[int, int]:
    """Returns the channels and the rate in Hz; the rate is 0 where the decoder chooses it."""
    packet = stream.first
    if len(packet) < {"Vorbis": 30, "Opus": 19, "FLAC": 51}[stream.codec]:
        raise source.damaged("Ogg", f"its {stream.codec} header has {len(packet)} bytes")
    if stream.codec == "Vorbis":
        return packet[11], struct.unpack("<I", packet[12:16])[0]
    if stream.codec == "Opus":
        return packet[9], 0
    packed = int.from_bytes(packet[27:35], "big")
    return (packed >> 41 & 7) + 1, packed >> 44
