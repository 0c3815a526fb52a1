"""WAV in its sizes and byte orders: RIFF, RIFX (big-endian), RF64 and BW64 (64-bit sizes), and Sony's W64.

Uncompressed samples (integers, floating point, A-law, mu-law) are located here and decoded from their place, so that
libsndfile sees no header. Compressed samples go to libsndfile behind a header that is made anew from the format, so that no
other chunk is parsed.
"""

import struct

from spatial_llm.audio.containers.chunks import (
    UNKNOWN_32,
    Chunk,
    Layout,
    Walked,
    data_chunk,
    place_data,
    plain_float,
    plain_pcm,
    walk,
)
from spatial_llm.audio.containers.source import Plain, Sound, Source

PCM, FLOAT, ALAW, MULAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
W64_RIFF = bytes.fromhex("726966662e91cf11a5d628db04c10000")
W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")
MOST_CHANNELS = 1024  # libsndfile's limit
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")


def read_riff(source: Source) -> Sound:
    """Reads the header of a WAV file. Raises AudioError for a header that cannot be right."""
    magic = source.at(0, 12)
    container = {b"RF64": "RF64", b"BW64": "BW64", b"RIFX": "RIFX WAV"}.get(magic[:4], "WAV")
    order = ">" if magic[:4] == b"RIFX" else "<"
    if magic[8:12] != b"WAVE":
        raise source.damaged(container, f"a RIFF file of kind {magic[8:12]!r}; expected WAVE")
    (riff,) = struct.unpack(order + "I", magic[4:8])
    outer_end, large = riff + 8, {}
    if container in ("RF64", "BW64"):
        outer_end, large = _ds64(source, riff, container)
    walked = walk(source, Layout(4, order + "I", pad=2), 12, large)
    sound, fmt = _format(source, walked, b"fmt ", container, order)
    data, streamed = data_chunk(source, walked, b"data", container, UNKNOWN_32)
    # A program that was killed, or wrote into a pipe, leaves both sizes at their placeholders. A size of 0 in a file
    # whose outer size is right is damage, and what follows it must be chunks.
    header_only = data.stated == 0 and riff in (0, data.offset - 8, *UNKNOWN_32)
    if header_only and source.size > data.offset:
        streamed = True
    place_data(source, sound, walked, data, streamed, outer_end)
    return _finish(sound, fmt, walked, source)


def read_w64(source: Source) -> Sound:
    """Reads the header of a W64 file. Raises AudioError for a header that cannot be right."""
    magic = source.at(0, 40)
    if len(magic) < 40 or magic[:16] != W64_RIFF or magic[24:40] != b"wave" + W64_TAIL:
        raise source.damaged("W64", "no such header")
    walked = walk(source, Layout(16, "<Q", inclusive=True, pad=8), 40)
    sound, fmt = _format(source, walked, b"fmt " + W64_TAIL, "W64", "<")
    data, streamed = data_chunk(source, walked, b"data" + W64_TAIL, "W64", (2**64 - 25, 2**63 - 25, 2**63 - 1 - 24))
    place_data(source, sound, walked, data, streamed, struct.unpack("<Q", magic[16:24])[0])
    return _finish(sound, fmt, walked, source)


def _ds64(source: Source, riff: int, container: str) -> tuple[int, dict[bytes, int]]:
    """Returns the end of the file and the size of its data chunk, as the chunk of 64-bit sizes states them."""
    head = source.at(12, 36)
    if len(head) < 36 or head[:4] != b"ds64":
        raise source.damaged(container, "it has no ds64 chunk")
    riff_64, data_64 = struct.unpack("<QQ", head[8:24])
    return (riff_64 if riff == 0xFFFFFFFF else riff) + 8, {b"data": data_64}


def _format(source: Source, walked: Walked, name: bytes, container: str, order: str) -> tuple[Sound, bytes]:
    """Parses the format chunk into a `Sound` without the place of its samples; returns it with the chunk's bytes."""
    chunk: Chunk | None = walked.found.get(name)
    if chunk is None or chunk.stated < 16:
        data_chunk(source, walked, b"data" + name[4:], container, UNKNOWN_32)  # a broken chunk is the better message
        raise source.damaged(container, "it has no format chunk")
    fmt = source.at(chunk.offset, min(chunk.stated, 4096))
    tag, channels, rate, byte_rate, align, bits = struct.unpack(order + "HHIIHH", fmt[:16])
    if tag == EXTENSIBLE and len(fmt) >= 40:
        tag, tail = struct.unpack(order + "H", fmt[24:26])[0], fmt[26:40]
        if (
            tail != _GUID_TAIL
            and order == "<"
            and tail[-6:] not in (b"\x00\x00\x00\x00\x00\x00", b"\xca\x00\x00\x00\x00\x00")
        ):
            tag = 0
    if not 1 <= channels <= MOST_CHANNELS:
        raise source.damaged(container, f"{channels} channels")
    if not align or align % channels:
        raise source.damaged(container, f"frames of {align} bytes for {channels} channels")
    plain = _plain(tag, align // channels, bits, "BIG" if order == ">" else "LITTLE")
    if plain is None and tag in (PCM, FLOAT, ALAW, MULAW, 0):
        raise source.damaged(container, f"format {tag} with {bits} bits in frames of {align} bytes")
    sound = Sound(container, channels, rate, plain=plain)
    if plain and byte_rate != rate * align:
        sound.notes.append(
            f"its header states {rate} Hz and {byte_rate} bytes a second, which contradict each other at {align} bytes a "
            f"frame: {rate} Hz is taken"
        )
    return sound, fmt


def _plain(tag: int, width: int, bits: int, endian: str) -> Plain | None:
    if tag == PCM and (bits + 7) // 8 == width:
        return plain_pcm(width, endian, unsigned_bytes=True)
    if tag == FLOAT and bits == 8 * width:
        return plain_float(width, endian)
    if tag in (ALAW, MULAW) and width == 1:
        return Plain("ALAW" if tag == ALAW else "ULAW", endian, 1)
    return None


def _finish(sound: Sound, fmt: bytes, walked: Walked, source: Source) -> Sound:
    """Puts a header that holds only the format before compressed samples."""
    if sound.plain is None:
        if fmt[:2] == b"\x31\x00" and sound.length is not None:
            sound.frames = sound.length // 65 * 320  # GSM 6.10; libsndfile turns an odd length into an extra noise block
        fact = walked.found.get(b"fact") or walked.found.get(b"fact" + W64_TAIL)
        order = ">" if sound.container == "RIFX WAV" else "<"
        body = b"fmt " + struct.pack(order + "I", len(fmt)) + fmt + b"\0" * (len(fmt) % 2)
        if fact is not None:
            body += b"fact" + struct.pack(order + "I", 4) + source.at(fact.offset, 4).ljust(4, b"\0")
        body += b"data" + struct.pack(order + "I", min(sound.length or 0, 0xFFFFFFFF))
        whole = len(body) + 4 + (sound.length or 0)
        sound.prefix = (
            (b"RIFX" if order == ">" else b"RIFF") + struct.pack(order + "I", min(whole, 0xFFFFFFFF)) + b"WAVE" + body
        )
    return sound
