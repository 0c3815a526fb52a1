"""Skips tags that taggers put before and after the sound: ID3, APE, Lyrics3."""

import struct

from spatial_llm.audio.containers.source import Source

SEVERAL = 8  # most tags in a row that are skipped


def after_id3(source: Source, start: int = 0) -> int:
    """Returns the offset of the first byte after ID3v2 tags."""
    for _ in range(SEVERAL):
        head = source.at(start, 10)
        if len(head) < 10 or head[:3] != b"ID3" or max(head[6:]) > 0x7F:
            break
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        start += 10 + size + (10 if head[5] & 0x10 else 0)
    return start


def before_tags(source: Source) -> int:
    """Returns the offset at which tags at the end begin; the size of the file if it has none."""
    end = source.size
    for _ in range(SEVERAL):
        if source.at(end - 128, 3) == b"TAG" and end >= 128:
            end -= 128
        elif end >= 32 and source.at(end - 32, 8) == b"APETAGEX":
            size, _, flags = struct.unpack("<III", source.at(end - 20, 12))
            size += 32 if flags & 0x80000000 else 0
            if not 32 <= size <= end:
                break
            end -= size
        elif end >= 15 and source.at(end - 9, 9) == b"LYRICS200" and source.at(end - 15, 6).isdigit():
            size = int(source.at(end - 15, 6)) + 15
            if size > end:
                break
            end -= size
        else:
            break
    return end
