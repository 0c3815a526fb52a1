"""Apple's CAF: chunks with 64-bit sizes. Uncompressed samples are decoded from their place, ALAC by libsndfile."""

import math
import struct

from spatial_llm.audio.containers.chunks import Chunk, Layout, data_chunk, place_data, plain_float, plain_pcm, walk
from spatial_llm.audio.containers.source import Plain, Sound, Source

UNKNOWN = 2**64 - 1
_FLOAT, _LITTLE = 1, 2


def read_caf(source: Source) -> Sound:
    """Reads the header of a CAF file. Raises AudioError for a header that cannot be right."""
    walked = walk(source, Layout(4, ">Q"), 8)
    chunk = walked.found.get(b"desc")
    if chunk is None or chunk.stated < 32:
        raise source.damaged("CAF", "it has no desc chunk, which describes the samples")
    rate, kind, flags, packet, _, channels, bits = struct.unpack(">d4s5I", source.at(chunk.offset, 32))
    if not math.isfinite(rate) or not 0 < rate < 2**31 or not 1 <= channels <= 1024:
        raise source.damaged("CAF", f"{channels} channels at {rate:g} Hz")
    endian = "LITTLE" if flags & _LITTLE else "BIG"
    if kind == b"lpcm":
        width = (bits + 7) // 8
        if packet != width * channels:
            raise source.damaged("CAF", f"frames of {packet} bytes for {channels} channels of {bits} bits")
        plain = plain_float(width, endian) if flags & _FLOAT else plain_pcm(width, endian, unsigned_bytes=False)
        if plain is None:
            raise source.damaged("CAF", f"samples of {bits} bits")
    elif kind in (b"ulaw", b"alaw"):
        plain = Plain(kind.decode().upper(), endian, 1)
    elif kind == b"alac":
        plain = None
    else:
        raise source.error(f"CAF with the coding {kind!r}, which is not read; save it as WAV or FLAC.")
    sound = Sound("CAF", channels, int(rate), plain=plain)
    data, streamed = data_chunk(source, walked, b"data", "CAF", (UNKNOWN,))
    if data.stated < 4:
        raise source.damaged("CAF", f"a data chunk of {data.stated} bytes")
    # the samples begin after the edit count
    place_data(source, sound, walked, Chunk(data.name, data.offset + 4, data.stated - 4), streamed, None)
    if plain is None:
        sound.offset, sound.length, sound.trusted = 0, None, False
        sound.frames = _valid_frames(source, walked.found.get(b"pakt"))
    return sound


def _valid_frames(source: Source, chunk: Chunk | None) -> int | None:
    """Returns the number of samples that the packet table promises."""
    if chunk is None or chunk.stated < 24:
        return None
    return struct.unpack(">qqii", source.at(chunk.offset, 24))[1]
