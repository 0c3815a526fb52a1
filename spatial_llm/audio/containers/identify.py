"""Identifies the container of a file by its first bytes, and names what the file is instead if it is no sound file."""

from collections.abc import Callable

from spatial_llm.audio.containers.aiff import read_aiff, read_au
from spatial_llm.audio.containers.caf import read_caf
from spatial_llm.audio.containers.convertible import convertible
from spatial_llm.audio.containers.flac import read_flac
from spatial_llm.audio.containers.mp3 import is_mp3, read_mp3
from spatial_llm.audio.containers.ogg import read_ogg
from spatial_llm.audio.containers.riff import W64_RIFF, read_riff, read_w64
from spatial_llm.audio.containers.source import Sound, Source
from spatial_llm.audio.containers.tags import after_id3

EXPECTED = "expected WAV, RF64, W64, AIFF, AU, CAF, FLAC, Ogg (Vorbis, Opus) or MP3"
_NO_SOUND = {
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "gzip-compressed",
    b"BZh": "bzip2-compressed",
    b"7z\xbc\xaf": "a 7z archive",
    b"%PDF": "a PDF document",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"\x89HDF": "HDF5, such as a SOFA file",
    b"\x93NUMPY": "a NumPy array; load it with numpy.load and give the array with its sampling_rate",
    b"version https://git-lfs": "a pointer of Git LFS; fetch the file with git lfs pull",
}


def inspect(source: Source) -> Sound:
    """Returns the container and content of a file. Raises AudioError for a file that is no sound file or has an impossible
    header."""
    if source.size == 0:
        raise source.error(f"an empty file; {EXPECTED}.")
    head = source.at(0, 4096)
    reader = _reader(source, head)
    if reader is not None:
        return reader(source)
    coded = convertible(source)
    what = f"not a readable sound file: it is {coded or _described(head)}; {EXPECTED}."
    if coded is not None or _is_something_else(head):
        raise source.error(what)
    # NIST SPHERE, VOC, IFF and other old containers, which libsndfile knows.
    note = "a container that is not checked here: whether a part of it is missing cannot be known; better keep WAV or FLAC"
    return Sound("sound file", 0, 0, trusted=False, notes=[note], otherwise=what)


def _is_something_else(head: bytes) -> bool:
    """Returns whether the first bytes show that this is no sound; text is none, but for a few headers that are text."""
    if head.startswith((b"NIST_1A", b"PVF1", b"ALawSoundFile", b"Extended Instrument", b"Creative Voice File")):
        return False
    return not _described(head).startswith("bytes")


def _reader(source: Source, head: bytes) -> Callable[[Source], Sound] | None:
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:12] not in (b"AVI ", b"WEBP"):
        return read_riff
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return read_aiff
    if head[:16] == W64_RIFF:
        return read_w64
    for magic, reader in ((b"OggS", read_ogg), (b"caff", read_caf), (b".snd", read_au), (b"dns.", read_au)):
        if head.startswith(magic):
            return reader
    start = after_id3(source) if head[:3] == b"ID3" else 0
    if source.at(start, 4) == b"fLaC":
        return read_flac
    # A byte order mark looks like the beginning of an MPEG frame, and text repeats itself.
    return read_mp3 if not _is_utf_16(head) and is_mp3(source) else None


def _is_utf_16(head: bytes) -> bool:
    zeros = head[1:9:2] == b"\0\0\0\0" and 0 not in head[0:8:2]
    return (head[:2] in (b"\xff\xfe", b"\xfe\xff") and b"\0" in (head[3:4], head[2:3])) or (len(head) > 8 and zeros)


def _described(head: bytes) -> str:
    for magic, name in _NO_SOUND.items():
        if head.startswith(magic):
            return name
    if head[:4] in (b"RIFF", b"RIFX"):
        return f"a RIFF file of kind {head[8:12]!r}"
    if not head.strip(b"\0"):
        return "zeros"
    if head[:3] == b"ID3":
        return "an ID3 tag without MP3 frames after it"
    if _is_utf_16(head):
        return "text in UTF-16"
    try:
        text = head.decode("utf-8", "strict" if len(head) < 4096 else "ignore").lstrip("\ufeff \t\r\n")
    except UnicodeDecodeError:
        text = ""
    if text and all(character.isprintable() or character in "\t\r\n\f" for character in text):
        kinds = {"<!doctype html": "an HTML page", "<html": "an HTML page", "<?xml": "XML", "{": "text (JSON?)"}
        found = next((kind for start, kind in kinds.items() if text.lower().startswith(start)), "text")
        return f"{found} that begins {text[:40]!r}"
    return (
        f"bytes without a header known here ({head[:8].hex(' ')}); bare samples (.raw, .pcm) have none: read them with "
        "numpy.fromfile and give the array with its sampling_rate"
    )
