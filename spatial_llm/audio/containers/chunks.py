"""Walks chunk lists: WAV, AIFF, W64 and CAF repeat a name, a size and a body."""

import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from spatial_llm.audio.containers.source import Plain, Sound, Source

MANY = 10_000  # most chunks that are walked; a real file has some dozens
MISCOUNT = 8  # bytes by which writers get the outer size wrong, by counting the outer header or leaving it out
PROBE = 4096
# Placeholder lengths of programs that cannot seek back to fill them in: ffmpeg, then sox, arecord and espeak.
UNKNOWN_32 = frozenset((0xFFFFFFFF, *range(0x7FFFF000, 0x80000001)))


@dataclass(frozen=True)
class Layout:
    """Describes how a chunk begins: bytes of its name, struct format of its size, whether the size counts the header, and
    the multiple to which bodies are padded."""

    name_bytes: int
    size_format: str
    inclusive: bool = False
    pad: int = 1

    @property
    def header(self) -> int:
        """Returns the number of bytes before the body."""
        return self.name_bytes + struct.calcsize(self.size_format)


@dataclass(frozen=True)
class Chunk:
    """A chunk: its name, where its body begins, and the length that it states."""

    name: bytes
    offset: int
    stated: int

    @property
    def end(self) -> int:
        """Returns the offset at which the body ends, without padding."""
        return self.offset + self.stated


@dataclass
class Walked:
    """The result of walking a chunk list.

    Attributes:
        found: the first whole chunk of each name.
        end: offset at which the last whole chunk ends, with its padding.
        broken: the next chunk, if it states more bytes than the file holds.
        repeated: names that were found twice.
    """

    found: dict[bytes, Chunk] = field(default_factory=dict)
    end: int = 0
    broken: Chunk | None = None
    repeated: set[bytes] = field(default_factory=set)


def walk(source: Source, layout: Layout, start: int, stated: Mapping[bytes, int] | None = None) -> Walked:
    """Walks all chunks from `start` up to the first place that holds none. `stated` gives sizes that stand elsewhere, for
    chunks whose own size field marks them as too large for it."""
    walked, position = Walked(end=start), start
    for _ in range(MANY):
        head = source.at(position, layout.header)
        if len(head) < layout.header:
            return walked
        name = head[: layout.name_bytes]
        if not all(0x20 <= byte <= 0x7E for byte in name[:4]):
            return walked
        (size,) = struct.unpack(layout.size_format, head[layout.name_bytes :])
        if size == 0xFFFFFFFF and stated and name in stated:
            size = stated[name]
        size -= layout.header if layout.inclusive else 0
        chunk = Chunk(name, position + layout.header, size)
        if size < 0 or chunk.end > source.size:
            walked.broken = chunk
            return walked
        if name in walked.found:
            walked.repeated.add(name)
        walked.found.setdefault(name, chunk)
        walked.end = position = _after(source, layout, chunk)
    raise source.error(f"has more than {MANY} chunks; expected a sound file.")


def _after(source: Source, layout: Layout, chunk: Chunk) -> int:
    """Returns the offset of the next chunk; some writers forget the padding."""
    padded = chunk.end + -(chunk.end if layout.inclusive else chunk.stated) % layout.pad
    if padded != chunk.end:
        name = source.at(padded, 4)
        early = source.at(chunk.end, 4)
        printable = [len(text) == 4 and all(0x20 <= byte <= 0x7E for byte in text) for text in (name, early)]
        if printable == [False, True]:
            return chunk.end
    return padded


def data_chunk(source: Source, walked: Walked, name: bytes, container: str, unknown: Collection[int]) -> tuple[Chunk, bool]:
    """Returns the chunk of samples, and whether its length is a placeholder of a program that did not know it.

    Raises:
        AudioError: there is none, or a chunk before it states more bytes than the file holds.
    """
    if name in walked.found:
        return walked.found[name], False
    broken = walked.broken
    if broken is None:
        raise source.damaged(container, f"it has no {name[:4].decode()!r} chunk with samples")
    if broken.name != name:
        raise source.damaged(
            container,
            f"its chunk {broken.name[:4].decode()!r} states {broken.stated} bytes, the file holds "
            f"{source.size - broken.offset} more, and no samples were found before",
        )
    return broken, broken.stated in unknown


def place_data(source: Source, sound: Sound, walked: Walked, data: Chunk, streamed: bool, outer_end: int | None) -> None:
    """Fills in where the samples lie and what is missing or odd about their length.

    Args:
        streamed: whether the program that wrote the file did not know the length.
        outer_end: offset at which the file ends by its container; None if it gives none.
    """
    held = min(data.stated, source.size - data.offset) if not streamed else source.size - data.offset
    sound.offset, sound.length = data.offset, held
    if streamed:
        # Programs that write into a pipe cannot go back to the header. Such files are ordinary, and their samples end
        # where the file ends. Whether something is missing cannot be known, so the file is read with a warning.
        sound.notes.append(
            "its header leaves the length open, as programs do that write into a pipe: it is read to the end of the file, "
            "and nobody can know whether a part is missing"
        )
    elif held < data.stated:
        sound.missing = f"its header promises {data.stated} bytes of samples, the file holds {held}"
    else:
        _check_rest(source, sound, walked, data, source.size if outer_end is None else outer_end)
    if sound.missing is None and (width := frame_bytes(sound)) and held % width:
        sound.notes.append(f"its samples end in the middle of a frame: {held % width} of {width} bytes are left out")
    if data.name in walked.repeated:
        sound.notes.append(f"it has several {data.name[:4].decode()!r} chunks; the first is read")


def frame_bytes(sound: Sound) -> int:
    """Returns the bytes of one sample of all channels; 0 where samples are compressed."""
    return sound.plain.width * sound.channels if sound.plain else 0


def _check_rest(source: Source, sound: Sound, walked: Walked, data: Chunk, outer_end: int) -> None:
    """Checks that what follows the samples is chunks, as far as the container reaches.

    A data size that lost its upper bits would silently cut the sound. Beyond the container's end some programs append tags.
    """
    inside = min(outer_end, source.size) - walked.end
    rest = source.at(walked.end, PROBE)
    if inside > 0 and walked.broken is not None:
        sound.notes.append(f"the chunk {walked.broken.name[:4].decode()!r} after its samples is cut or damaged")
    elif inside > 0 and rest[: min(inside, PROBE)].strip(b"\0"):
        sound.missing = (
            f"its samples end at byte {data.end} and are followed by {inside} bytes that are no chunk: the sizes in its "
            "header contradict each other"
        )
    elif source.size > walked.end and rest[:3] not in (b"TAG", b"ID3", b"APE"):
        sound.notes.append(f"{source.size - walked.end} bytes after its end are left out")
    if outer_end > source.size + MISCOUNT and outer_end - 8 not in UNKNOWN_32:
        sound.notes.append(f"its header speaks of {outer_end} bytes, the file has {source.size}")
    elif data.end > outer_end + MISCOUNT and abs(source.size - data.end) > 1:
        sound.notes.append(f"its samples reach beyond its stated end at byte {outer_end}")


def plain_pcm(width: int, endian: str, unsigned_bytes: bool) -> Plain | None:
    """Returns the format of integers of `width` bytes, or None where there is no such format."""
    names = {1: "PCM_U8" if unsigned_bytes else "PCM_S8", 2: "PCM_16", 3: "PCM_24", 4: "PCM_32"}
    return Plain(names[width], endian, width) if width in names else None


def plain_float(width: int, endian: str) -> Plain | None:
    """Returns the format of floating-point numbers of `width` bytes, or None where there is no such format."""
    names = {4: "FLOAT", 8: "DOUBLE"}
    return Plain(names[width], endian, width) if width in names else None
