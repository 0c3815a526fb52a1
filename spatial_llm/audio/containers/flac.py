"""FLAC: the header states the number of samples and the MD5 of all of them, unless the file was written into a pipe.

With a number and an MD5 the decoder's output is compared with both. Without them the frames are walked: each begins with its
number under a CRC-8, and the last one has to end, with its CRC-16, where the file ends. The number of samples found in this
way is put into the header that libsndfile gets, because libsndfile cannot read a stream whose number is 0.
"""

import re
from dataclasses import dataclass

from spatial_llm.audio.containers.source import Sound, Source
from spatial_llm.audio.containers.tags import after_id3, before_tags

STREAMINFO_BYTES = 34
MANY = 10_000  # most metadata blocks that are walked
_RATES = (None, 88200, 176400, 192000, 8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000, *[None] * 4)
_BITS = {1: 8, 2: 12, 4: 16, 5: 20, 6: 24, 7: 32}


def _crc_table(polynomial: int, bits: int) -> list[int]:
    top, mask, table = 1 << (bits - 1), (1 << bits) - 1, []
    for byte in range(256):
        value = byte << (bits - 8)
        for _ in range(8):
            value = (value << 1 ^ (polynomial if value & top else 0)) & mask
        table.append(value)
    return table


_CRC_8, _CRC_16 = _crc_table(0x07, 8), _crc_table(0x8005, 16)


def _crc_8(data: bytes) -> int:
    value = 0
    for byte in data:
        value = _CRC_8[value ^ byte]
    return value


def _crc_16(data: bytes) -> int:
    value = 0
    for byte in data:
        value = (value << 8 & 0xFF00) ^ _CRC_16[value >> 8 ^ byte]
    return value


@dataclass(frozen=True)
class _Frame:
    """A frame header: its number (of the frame, or of its first sample), its samples, and the bytes of the header."""

    number: int
    samples: int
    header: int


def read_flac(source: Source) -> Sound:
    """Reads a FLAC file's header. Raises AudioError for a header that cannot be right."""
    start = after_id3(source)
    if source.at(start, 4) != b"fLaC":
        raise source.damaged("FLAC", "no such header")
    info, audio = _metadata(source, start + 4)
    packed = int.from_bytes(info[10:18], "big")
    rate, channels, bits, frames = packed >> 44, (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1, packed & (2**36 - 1)
    md5 = info[18:34] if any(info[18:34]) else None
    sound = Sound("FLAC", channels, rate, frames=frames or None, md5=md5, bits=bits)
    if audio >= source.size:
        sound.missing = "it ends after its header, before any sound"
        return sound
    stated = _RATES[source.at(audio, 3).ljust(3, b"\0")[2] & 15]
    if stated not in (None, rate):
        raise source.damaged("FLAC", f"its header states {rate} Hz, its first frame {stated}")
    if not frames or md5 is None:
        _walk_frames(source, sound, info, audio)
    return sound


def salvage_flac(source: Source, sound: Sound) -> None:
    """Changes `sound` so that its frames up to the first damaged one are decoded and their number is known."""
    info, audio = _metadata(source, after_id3(source) + 4)
    _walk_frames(source, sound, info, audio, before_damage=True)
    sound.md5 = None


def _metadata(source: Source, position: int) -> tuple[bytes, int]:
    """Returns the bytes of STREAMINFO and the offset at which the frames begin."""
    info = b""
    for number in range(MANY):
        head = source.at(position, 4)
        if len(head) < 4:
            raise source.damaged("FLAC", "it ends within its metadata")
        kind, size = head[0] & 0x7F, int.from_bytes(head[1:4], "big")
        if number == 0:
            info = source.at(position + 4, STREAMINFO_BYTES)
            if kind != 0 or size != STREAMINFO_BYTES or len(info) < STREAMINFO_BYTES:
                raise source.damaged("FLAC", "it does not begin with a description of its stream")
        position += 4 + size
        if head[0] & 0x80:
            return info, position
    raise source.damaged("FLAC", f"more than {MANY} metadata blocks")


def _walk_frames(source: Source, sound: Sound, info: bytes, audio: int, before_damage: bool = False) -> None:
    """Counts the samples of the frames and puts their number into the header that the decoder gets. With `before_damage`,
    counts only the frames before the first one whose CRC-16 is wrong."""
    data = source.part(audio, before_tags(source))
    first = _frame(data, 0, sound)
    if first is None:
        raise source.damaged("FLAC", "no frame follows its header")
    by_sample = bool(data[1] & 1)
    # Frame numbers do not begin at 0 in a file that was cut out of a longer stream.
    position, frame, samples = 0, first, first.samples
    starts = re.compile(re.escape(data[:2]))
    while True:
        expected = frame.number + (frame.samples if by_sample else 1)
        following = None
        for match in starts.finditer(data, position + frame.header + 2):
            found = _frame(data, match.start(), sound)
            if found is not None and found.number == expected:
                following = found, match.start()
                break
        if following is None or (before_damage and _crc_16(data[position : following[1]]) != 0):
            break
        frame, position = following
        samples += frame.samples
    last = data[position:]
    if len(last) > 8 * sound.channels * frame.samples + 64 or _crc_16(last) != 0:
        sound.missing = f"the frame after sample {samples - frame.samples} is cut or damaged"
        samples -= frame.samples
        data = data[:position]
    elif sound.frames is not None and sound.frames != samples:
        sound.missing = f"its header promises {sound.frames} samples, its frames hold {samples}"
    sound.frames = samples
    sound.length, sound.offset = len(data), audio
    packed = int.from_bytes(info[10:18], "big") >> 36 << 36 | samples
    sound.prefix = b"fLaC\x80\x00\x00\x22" + info[:10] + packed.to_bytes(8, "big") + info[18:]


def _frame(data: bytes, at: int, sound: Sound) -> _Frame | None:
    """Returns the frame header at `at`, or None if there is none."""
    head = data[at : at + 16]
    if len(head) < 6 or head[0] != 0xFF or head[1] & 0xFE != 0xF8 or head[3] & 1:
        return None
    size_code, rate_code, bits = head[2] >> 4, head[2] & 15, _BITS.get(head[3] >> 1 & 7, sound.bits)
    channels = (head[3] >> 4) + 1 if head[3] >> 4 < 8 else 2
    if size_code == 0 or rate_code == 15 or channels != sound.channels or bits != sound.bits:
        return None
    lead, extra = head[4], 0
    while extra < 7 and lead << extra & 0x80:
        extra += 1
    if extra == 1:
        return None
    number = lead & (0x7F >> extra if extra else 0x7F)
    rest = head[5 : 5 + max(0, extra - 1)]
    for byte in rest:
        number = number << 6 | byte & 0x3F
    end = 5 + max(0, extra - 1)
    if size_code == 6:
        samples, end = head[end] + 1 if end < len(head) else 0, end + 1
    elif size_code == 7:
        samples, end = int.from_bytes(head[end : end + 2], "big") + 1, end + 2
    else:
        samples = 192 if size_code == 1 else 576 << (size_code - 2) if size_code < 6 else 256 << (size_code - 8)
    end += {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if end >= len(head) or _crc_8(head[: end + 1]) != 0:
        return None
    return _Frame(number, samples, end + 1)
