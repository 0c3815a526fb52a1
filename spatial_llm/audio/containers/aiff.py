"""AIFF, AIFF-C and Sun's AU: big-endian containers of uncompressed samples."""

import math
import struct

from spatial_llm.audio.containers.chunks import (
    Chunk,
    Layout,
    data_chunk,
    frame_bytes,
    place_data,
    plain_float,
    plain_pcm,
    walk,
)
from spatial_llm.audio.containers.source import Plain, Sound, Source

# Placeholder lengths of programs that cannot seek back to fill them in: ffmpeg and others; sox adds 8 to its round number.
UNKNOWN_AIFF = (0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, *range(0x7F000000, 0x7F000100))
_AIFC = {
    b"NONE": None,
    b"twos": None,
    b"sowt": "LITTLE",
    b"in24": Plain("PCM_24", "BIG", 3),
    b"in32": Plain("PCM_32", "BIG", 4),
    b"42ni": Plain("PCM_24", "LITTLE", 3),
    b"23ni": Plain("PCM_32", "LITTLE", 4),
    b"fl32": Plain("FLOAT", "BIG", 4),
    b"FL32": Plain("FLOAT", "BIG", 4),
    b"fl64": Plain("DOUBLE", "BIG", 8),
    b"FL64": Plain("DOUBLE", "BIG", 8),
    b"ulaw": Plain("ULAW", "BIG", 1),
    b"ULAW": Plain("ULAW", "BIG", 1),
    b"alaw": Plain("ALAW", "BIG", 1),
    b"ALAW": Plain("ALAW", "BIG", 1),
    b"raw ": Plain("PCM_U8", "BIG", 1),
}
_AU_PCM = {2: 1, 3: 2, 4: 3, 5: 4}  # encoding -> bytes
_AU_FLOAT = {6: 4, 7: 8}


def read_aiff(source: Source) -> Sound:
    """Reads the header of an AIFF or AIFF-C file. Raises AudioError for a header that cannot be right."""
    magic = source.at(0, 12)
    container = "AIFF-C" if magic[8:12] == b"AIFC" else "AIFF"
    (form,) = struct.unpack(">I", magic[4:8])
    walked = walk(source, Layout(4, ">I", pad=2), 12)
    chunk = walked.found.get(b"COMM")
    if chunk is None or chunk.stated < 18:
        data_chunk(source, walked, b"SSND", container, UNKNOWN_AIFF)
        raise source.damaged(container, "it has no COMM chunk, which describes the samples")
    common = source.at(chunk.offset, 22)
    channels, frames, bits = struct.unpack(">hIh", common[:8])
    rate = _extended(common[8:18])
    if channels < 1 or not 1 <= bits <= 64 or not 0 < rate < 2**31:
        raise source.damaged(container, f"{channels} channels of {bits} bits at {rate:g} Hz")
    kind = common[18:22] if container == "AIFF-C" else b"NONE"
    if kind not in _AIFC:
        raise source.error(f"AIFF-C with the compression {kind!r}, which is not read; save it as WAV or FLAC.")
    plain = _AIFC[kind]
    if not isinstance(plain, Plain):
        plain = plain_pcm((bits + 7) // 8, plain or "BIG", unsigned_bytes=False)
    if plain is None:
        raise source.damaged(container, f"samples of {bits} bits")
    sound = Sound(container, channels, int(rate), plain=plain)
    body, streamed = data_chunk(source, walked, b"SSND", container, UNKNOWN_AIFF)
    skip = struct.unpack(">I", source.at(body.offset, 4).ljust(4, b"\0"))[0] + 8
    if body.stated == 0 and form in (0, *UNKNOWN_AIFF) and source.size > body.offset + 8:
        streamed = True
    elif body.stated < skip:
        raise source.damaged(container, f"its samples begin {skip} bytes into a chunk of {body.stated}")
    place_data(source, sound, walked, Chunk(body.name, body.offset + skip, body.stated - skip), streamed, form + 8)
    held = max(0, body.stated - skip) // frame_bytes(sound)
    if not streamed and sound.missing is None and frames != held:
        sound.missing = f"its COMM chunk promises {frames} samples, its SSND chunk {held}"
    return sound


def _extended(number: bytes) -> float:
    """Decodes an 80-bit floating-point number in the byte order of the Macintosh."""
    exponent, mantissa = struct.unpack(">HQ", number)
    if exponent in (0x7FFF, 0xFFFF):
        return math.inf
    return math.ldexp(mantissa, max(-2000, min((exponent & 0x7FFF) - 16383 - 63, 900))) * (-1 if exponent & 0x8000 else 1)


def read_au(source: Source) -> Sound:
    """Reads the header of an AU file. Raises AudioError for a header that cannot be right."""
    head = source.at(0, 24)
    order = ">" if head[:4] == b".snd" else "<"
    if len(head) < 24:
        raise source.damaged("AU", f"its header has {len(head)} bytes of 24")
    offset, stated, encoding, rate, channels = struct.unpack(order + "5I", head[4:24])
    endian = "BIG" if order == ">" else "LITTLE"
    plain = plain_pcm(_AU_PCM.get(encoding, 0), endian, unsigned_bytes=False)
    plain = plain or plain_float(_AU_FLOAT.get(encoding, 0), endian)
    if encoding in (1, 27):
        plain = Plain("ULAW" if encoding == 1 else "ALAW", endian, 1)
    if plain is None:
        raise source.error(f"AU with the encoding {encoding}, which is not read; save it as WAV or FLAC.")
    if not 24 <= offset <= source.size or not 1 <= channels <= 1024:
        raise source.damaged("AU", f"{channels} channels whose samples begin at byte {offset} of {source.size}")
    sound = Sound("AU", channels, rate, plain=plain, offset=offset)
    held = source.size - offset
    sound.length = held if stated == 0xFFFFFFFF else min(held, stated)
    if stated == 0xFFFFFFFF:
        sound.notes.append(
            "its header leaves the length open, as programs do that write into a pipe: it is read to the end of the file, "
            "and nobody can know whether a part is missing"
        )
    elif stated > held:
        sound.missing = f"its header promises {stated} bytes of samples, the file holds {held}"
    elif held > stated:
        # AU has only a header and samples, so whatever follows the stated length belonged to the samples.
        sound.missing = f"its header promises {stated} bytes of samples, the file holds {held}: the header is damaged"
    if sound.length % frame_bytes(sound):
        sound.notes.append("its samples end in the middle of a frame, which is left out")
    return sound
