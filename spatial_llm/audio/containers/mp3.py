"""MP3: a sequence of frames, usually with a first one that states how many there are (Xing, Info, VBRI)."""

import struct
from dataclasses import dataclass

from spatial_llm.audio.containers.source import Sound, Source
from spatial_llm.audio.containers.tags import after_id3, before_tags

RUN = 3  # this many frames in a row do not occur by chance in text or noise
PADDING = 4  # frames of one bit rate differ by at most this many bytes
DECODER_DELAY = 529 + 1  # samples that every decoder adds and a gapless decoder removes
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # by version: MPEG 1, 2, 2.5
_KBPS = {
    (3, 3): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (3, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (3, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 3): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}  # by version and layer; layers 2 and 1 of MPEG 2 and 2.5 share a row


@dataclass(frozen=True)
class _Frame:
    """A frame header: what all frames of a file share, its length in bytes, samples, channels."""

    kind: tuple[int, int, int]
    length: int
    samples: int
    channels: int
    rate: int


@dataclass
class _Told:
    """Statements of the first frame: frames, bytes, samples to remove at both ends, and whether its checksum is right."""

    frames: int | None = None
    bytes: int | None = None
    trimmed: int = 0
    right: bool = True


def is_mp3(source: Source) -> bool:
    """Returns whether MPEG audio frames begin here, after tags: several in a row, or one that fills the file."""
    start = _start(source)
    data = source.at(start, 3 * 8192)
    position = 0
    for _ in range(RUN):
        frame = _frame(data, position)
        if frame is None:
            return start + position >= before_tags(source) and position > 0
        position += frame.length
    return True


def read_mp3(source: Source) -> Sound:
    """Reads an MP3 file's frames. Raises AudioError if they cannot be right."""
    data = source.part(start := _start(source), before_tags(source))
    first = _frame(data, 0)
    if first is None:
        raise source.damaged("MP3", f"no frame begins at byte {start}")
    told = _told(data[: first.length], first)
    sound = Sound("MP3", first.channels, first.rate)
    position, frames, channels, lengths = 0, 0, {first.channels}, {first.length}
    while (frame := _frame(data, position)) is not None and frame.kind == first.kind:
        if position + frame.length > len(data):
            sound.missing = (
                f"its last frame, at byte {start + position}, is cut: {len(data) - position} of {frame.length} bytes"
            )
            break
        position += frame.length
        frames += 1
        channels.add(frame.channels)
        lengths.add(frame.length)
    else:
        _look_at_rest(sound, data, position, start, first)
    frames -= told is not None
    if told is not None and not told.right:
        sound.notes.append("the frame that says how long it is is damaged: it may be shorter or longer than it was")
    if sound.missing is None and len(channels) > 1:
        sound.missing = "frames of one and of two channels follow each other"
    if sound.missing is None and told is not None and told.frames is not None:
        # A few encoders count the frame that holds the count too; the bytes they state are then those of the file.
        counted_too = told.frames == frames + 1 and told.bytes in (position, None) and told.bytes is not None
        if told.frames != frames and not counted_too:
            sound.missing = f"its header promises {told.frames} frames, the file holds {frames}"
    sound.guessed = told is None or told.frames is None
    if sound.guessed and sound.missing is None:
        sound.notes.append(
            "nothing in it says how long it is, as in MP3 that was written into a pipe: it is read to its last frame, and "
            "nobody can know whether a part is missing"
        )
    if frames and sound.guessed and max(lengths) - min(lengths) > PADDING:
        # libsndfile guesses a length from the bit rate of the first frames, and stops there; of constant rates, behind the
        # end.
        sound.prefix, sound.offset, sound.length = _frame_of_lengths(data[:4], frames), start, position
    sound.at_least = max(0, frames * first.samples - (told.trimmed if told else 0) - 2 * DECODER_DELAY)
    return sound


def _frame_of_lengths(header: bytes, frames: int) -> bytes:
    """Builds a frame without sound, with a header like this one, that states how many frames follow."""
    for kbps_code in range(8, 15):
        head = bytes((0xFF, header[1] | 1, kbps_code << 4 | header[2] & 0x0C, header[3]))  # no checksum, no padding
        if (frame := _frame(head, 0)) is not None and frame.length > 64:
            break
    version, channels = frame.kind[0], frame.channels
    side = (17 if channels == 1 else 32) if version == 3 else (9 if channels == 1 else 17)
    return (head + bytes(side) + b"Info" + struct.pack(">II", 1, frames)).ljust(frame.length, b"\0")


def _has_checksum(data: bytes, at: int, none_is_right: bool) -> bool:
    """Returns whether the CRC-16 at `at` is that of the bytes before it. Encoders that leave it out write 0, which counts as
    right if the rest of the tag is as they write it."""
    value = 0
    for byte in data[:at]:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    stored = int.from_bytes(data[at : at + 2], "big")
    return stored == value or (stored == 0 and none_is_right)


def _start(source: Source) -> int:
    """Returns the offset at which the frames begin: after tags, and after zeros that some taggers leave behind them."""
    start = after_id3(source)
    if start:
        padding = source.at(start, 65536)
        start += len(padding) - len(padding.lstrip(b"\0"))
    return start


def _look_at_rest(sound: Sound, data: bytes, position: int, start: int, first: _Frame) -> None:
    """Examines what lies where no frame begins: frames further on mean that some are damaged; anything else is left out."""
    rest = data[position:]
    if not rest.strip(b"\0"):
        return
    at = rest.find(b"\xff", 1)
    while at >= 0:
        frame = _frame(rest, at)
        if frame is not None and frame.kind == first.kind:
            after = _frame(rest, at + frame.length)
            if (after is not None and after.kind == first.kind) or at + frame.length == len(rest):
                sound.missing = f"no frame begins at byte {start + position}, where the one before ends: frames are damaged"
                return
        at = rest.find(b"\xff", at + 1)
    sound.notes.append(f"{len(rest)} bytes after its last frame are left out")


def _frame(data: bytes, at: int) -> _Frame | None:
    """Returns the header at `at`, or None if there is none. Free bit rates, which no common encoder writes, are ignored."""
    if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return None
    version, layer = data[at + 1] >> 3 & 3, data[at + 1] >> 1 & 3
    kbps_code, rate_code, padding = data[at + 2] >> 4, data[at + 2] >> 2 & 3, data[at + 2] >> 1 & 1
    if version == 1 or layer == 0 or not 1 <= kbps_code <= 14 or rate_code == 3:
        return None
    kbps = _KBPS[(3, layer) if version == 3 else (2, 3 if layer == 3 else 2)][kbps_code - 1]
    rate = _RATES[version][rate_code]
    if layer == 3:  # Layer I
        length, samples = (12_000 * kbps // rate + padding) * 4, 384
    else:
        samples = 576 if layer == 1 and version != 3 else 1152
        length = samples // 8 * 1000 * kbps // rate + padding
    return _Frame((version, layer, rate_code), length, samples, 1 if data[at + 3] >> 6 == 3 else 2, rate)


def _told(data: bytes, frame: _Frame) -> _Told | None:
    """Returns what a first frame without sound states about the file; None if it is a frame of sound."""
    side = (17 if frame.channels == 1 else 32) if frame.kind[0] == 3 else (9 if frame.channels == 1 else 17)
    for at in (4 + side, 6 + side):
        encoder = data[at + 120 : at + 124]  # its name, where the tag is as LAME has it
        named = data[at : at + 4] in (b"Xing", b"Info")
        if (named or encoder in (b"LAME", b"Lavf", b"Lavc")) and len(data) >= at + 16:
            flags, told, position = int.from_bytes(data[at + 4 : at + 8], "big"), _Told(), at + 8
            # A frame of a low bit rate has no room for the checksum; ffmpeg's for MPEG 2 and 2.5 covers other bytes.
            unknown = len(data) < at + 156 or (encoder in (b"Lavf", b"Lavc") and frame.kind[0] != 3)
            none_is_right = encoder.isalpha() or not any(data[at + 120 : at + 154])
            told.right = named and (unknown or _has_checksum(data, at + 154, none_is_right))
            if flags & 1:
                told.frames, position = int.from_bytes(data[position : position + 4], "big"), position + 4
            if flags & 2:
                told.bytes = int.from_bytes(data[position : position + 4], "big")
            gapless = data[at + 141 : at + 144]
            if len(gapless) == 3:
                told.trimmed = (gapless[0] << 4 | gapless[1] >> 4) + ((gapless[1] & 15) << 8 | gapless[2])
            return told
    if data[36:40] == b"VBRI" and len(data) >= 54:
        size, frames = struct.unpack(">II", data[46:54])
        return _Told(frames, size)
    return None
