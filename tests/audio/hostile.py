"""Hostile and odd sound files and arrays, each with what reading it has to come to.

A case is refused with an AudioError that holds given words, read with a warning that holds them, or read to the right
samples. The files are made anew, the same ones each time.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.audio.makers import KINDS, RATE, make, sound

SAMPLES = 16_000
REFUSED, WARNED, READ = "refused", "warned", "read"


@dataclass(frozen=True)
class Case:
    """One case: what it is, its outcome and words of the error or warning; content of a file (or what makes it at a path),
    or an array with its rate; `right`: the samples it is read to, (2, samples), or None where they are not compared."""

    name: str
    outcome: str
    words: str = ""
    content: bytes | Callable[[Path], Any] | None = None
    array: Any = None
    rate: Any = None
    right: np.ndarray | None = None
    suffix: str = ".wav"

    def write(self, folder: Path) -> Path:
        """The file of this case in `folder`."""
        path = folder / ("".join(c if c.isalnum() else "_" for c in self.name) + self.suffix)
        if callable(self.content):
            return self.content(path) or path
        path.write_bytes(self.content)
        return path


def wav(
    payload: bytes, rate=RATE, channels=2, bits=16, tag=1, stated=None, riff=None, align=None, before=b"", after=b""
) -> bytes:
    """A WAV file by hand; `stated`, `riff`: sizes in place of the right ones."""
    align = channels * bits // 8 if align is None else align
    fmt = struct.pack("<HHIIHH", tag, channels, rate % 2**32, rate * align % 2**32, align, bits)
    body = b"WAVEfmt " + struct.pack("<I", 16) + fmt + before
    body += b"data" + struct.pack("<I", len(payload) if stated is None else stated) + payload + after
    return b"RIFF" + struct.pack("<I", len(body) if riff is None else riff) + body


def pcm(samples: np.ndarray) -> bytes:
    """(samples, channels) as 16-bit little-endian."""
    return np.round(samples * 32767).astype("<i2").tobytes()


X = sound(SAMPLES)
P = pcm(X)
RIGHT = (np.frombuffer(P, "<i2").reshape(-1, 2).T / np.float32(32768)).astype(np.float32)
W64_SIZE = struct.pack("<Q", 4 * SAMPLES + 24)
LIST_LOOP = (
    b"RIFF" + struct.pack("<I", 0x7FFFFFFF) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 2, RATE, 128000, 4, 16)
    + b"LIST" + struct.pack("<I", 0x7FFFFF00) + b"INFOXXXX" + struct.pack("<I", 0xFFFFFFF8) + b"A" * 37
    + b"data" + struct.pack("<I", 8) + b"\0" * 8
)  # fmt: skip


def cut_files() -> Iterator[Case]:
    """Every container, by half, by a byte, by a frame, and to its first bytes; and whole."""
    for kind in KINDS:
        whole = make(kind, X)
        streamed = kind == "wav_streamed"
        yield Case(f"{kind} whole", WARNED if streamed else READ, "length open" if streamed else "", whole)
        for name, content in (
            ("half", whole[: len(whole) // 2]),
            ("byte", whole[:-1]),
            ("frame", whole[:-4]),
            ("40 bytes", whole[:40]),
        ):
            outcome, words = REFUSED, "cut or damaged|not a readable sound file|holds no samples"
            if kind == "wav_list" and name == "byte":  # the padding
                outcome, words = READ, ""
            elif kind == "wav_list" and name == "frame":  # the samples are whole, what follows them is not
                outcome, words = WARNED, "after its samples is cut|left out"
            elif streamed and name != "40 bytes":
                outcome, words = WARNED, "length open"
            elif kind == "mp3_tagged" and name in ("byte", "frame"):  # a part of the tag
                outcome, words = WARNED, "left out"
            yield Case(f"{kind} cut, {name}", outcome, words, content)


def forged_files() -> Iterator[Case]:
    """Sizes, rates and numbers in headers that cannot be."""
    refused = {
        "LIST loop of 109 bytes": (LIST_LOOP, "not a readable sound file"),
        "claims 4 GiB": (wav(P[:1000], stated=0xFFFFFFF0), "promises 4294967280 bytes"),
        "size of half": (wav(P, stated=len(P) // 2, riff=36 + len(P)), "contradict each other"),
        "size of zero": (wav(P, stated=0, riff=len(P) + 37), "contradict each other"),
        "rate 0": (wav(P, rate=0), "sampling_rate is 0"),
        "rate 1": (wav(P, rate=1), "sampling_rate is 1;"),
        "rate 10": (wav(P, rate=10), "sampling_rate is 10;"),
        "rate 2**32 - 1": (wav(P, rate=2**32 - 1), "sampling_rate is 4294967295"),
        "0 channels": (wav(P, channels=0), "0 channels"),
        "65535 channels": (wav(P, channels=65535, align=4), "65535 channels"),
        "frames of 3 bytes": (wav(P, align=3), "frames of 3 bytes"),
        "17 bits": (wav(P, bits=17, align=4), "17 bits"),
        "float of 16 bits": (wav(P, tag=3), "format 3 with 16 bits"),
        "unknown format": (wav(P, tag=0x1234), "cannot be decoded|damaged"),
        "no samples": (wav(b""), "holds no samples"),
        "no data chunk": (wav(P)[:36], "no 'data' chunk"),
        "a million chunks": (wav(P, before=b"JUNK\0\0\0\0" * 20_000), "more than 10000 chunks"),
        "AIFF of fewer frames": (lambda b: b[:22] + struct.pack(">I", 100) + b[26:], "COMM chunk promises 100", "aiff"),
        "FLAC of half its samples": (lambda b: b[:22] + struct.pack(">I", SAMPLES // 2) + b[26:], "MD5", "flac"),
        "FLAC of 2**36 samples": (lambda b: b[:21] + bytes([b[21] | 15]) + b"\xff" * 4 + b[26:], "max_seconds", "flac"),
        "FLAC with a bit of sound flipped": (lambda b: flipped(b, len(b) // 2), "cut or damaged FLAC", "flac"),
        "piped FLAC with a bit flipped": (lambda b: flipped(b, len(b) // 2), "cut or damaged FLAC", "flac_piped"),
        "piped FLAC without a part": (lambda b: without(b, 0.5, 900), "cut or damaged FLAC", "flac_piped"),
        "Ogg with 200 random bytes": (lambda b: with_noise(b, 200), "fails its checksum", "vorbis"),
        "Ogg without a page": (without_page, "pages are missing", "vorbis"),
        "chained Ogg": (lambda b: b + b, "2 recordings one after the other", "vorbis"),
        "Ogg without its last page": (lambda b: b[: b.rfind(b"OggS")], "without its last one", "vorbis"),
        "MP3 without a frame": (lambda b: without(b, 0.5, 900), "damaged|promises", "mp3"),
        "MP3 twice": (lambda b: b + b, "promises", "mp3"),
        "AU of fewer bytes": (lambda b: b[:8] + struct.pack(">I", 100) + b[12:], "header is damaged", "au"),
        "AU of an unknown encoding": (lambda b: b[:12] + struct.pack(">I", 99) + b[16:], "encoding 99", "au"),
        "CAF of fewer bytes": (lambda b: resized(b, b"data", ">Q", 104), "contradict each other", "caf"),
        "W64 of fewer bytes": (lambda b: b.replace(W64_SIZE, struct.pack("<Q", 424)), "contradict", "w64"),
    }  # fmt: skip
    for name, (content, words, *kind) in refused.items():
        yield Case(name, REFUSED, words, content(make(kind[0], X)) if kind else content)


def flipped(content: bytes, at: int) -> bytes:
    """One bit the other way."""
    return content[:at] + bytes([content[at] ^ 16]) + content[at + 1 :]


def without(content: bytes, share: float, size: int) -> bytes:
    """`size` bytes taken out."""
    at = int(share * len(content))
    return content[:at] + content[at + size :]


def with_noise(content: bytes, size: int) -> bytes:
    """`size` random bytes in the middle."""
    at = len(content) // 2
    return content[:at] + np.random.default_rng(0).bytes(size) + content[at + size :]


def without_page(content: bytes) -> bytes:
    """The last page but one taken out."""
    last = content.rfind(b"OggS")
    return content[: content.rfind(b"OggS", 0, last)] + content[last:]


def resized(content: bytes, name: bytes, size_format: str, size: int) -> bytes:
    """Another size of the chunk `name`."""
    at = content.index(name) + len(name)
    return content[:at] + struct.pack(size_format, size) + content[at + struct.calcsize(size_format) :]


def sox_aiff() -> bytes:
    """An AIFF as sox writes it into a pipe: sizes and number of samples from one round number."""
    content = bytearray(make("aiff", np.frombuffer(P, "<i2").reshape(-1, 2)))
    samples, common = content.index(b"SSND"), content.index(b"COMM")
    content[4:8], content[samples + 4 : samples + 8] = struct.pack(">I", 0x7F000050), struct.pack(">I", 0x7F000008)
    content[common + 10 : common + 14] = struct.pack(">I", 0x7F000000 // 4)
    return bytes(content)


def odd_files() -> Iterator[Case]:
    """What ordinary programs write: read, with a warning where the file itself is in doubt."""
    read = {
        "sizes that a killed program left": (wav(P, stated=0, riff=36), WARNED, "length open"),
        "sizes of sox in a pipe": (wav(P, stated=0x7FFFF000, riff=0x7FFFF024), WARNED, "length open"),
        "sizes of sox in a pipe, AIFF": (sox_aiff(), WARNED, "length open"),
        "sizes of ffmpeg in a pipe": (wav(P, stated=0xFFFFFFFF, riff=0xFFFFFFFF), WARNED, "length open"),
        "RIFF size of the whole file": (wav(P, riff=len(P) + 44), READ, ""),
        "RIFF size of zero": (wav(P, riff=0), READ, ""),
        "chunks before": (wav(P, before=b"JUNK\x04\0\0\0abcdbext\x02\0\0\0xy"), READ, ""),
        "an odd chunk without padding": (wav(P, before=b"note\x03\0\0\0abc"), READ, ""),
        "an ID3 tag behind": (wav(P) + b"TAG" + b" " * 125, READ, ""),
        "garbage behind": (wav(P) + b"garbage!" * 9, WARNED, "72 bytes after its end are left out"),
        "half a frame at the end": (wav(P + b"\1\2"), WARNED, "middle of a frame"),
        "a wrong byte rate": (resized(wav(P), struct.pack("<I", RATE), "<I", 5), WARNED, "contradict each other"),
        "a rate of 32001 Hz": (wav(P, rate=RATE + 1), WARNED, "32001 Hz, which no common recorder uses"),
    }  # fmt: skip
    for name, (content, outcome, words) in read.items():
        yield Case(name, outcome, words, content, right=RIGHT)
    yield Case("a float file with overshoot", READ, "", make("wav_float", 8 * X))
    yield Case("a float file on the scale of integers", REFUSED, "peak .*, full scale is 1", make("wav_float", 32767 * X))
    loud = X.copy()
    loud[5, 1] = 1e30
    yield Case("a float file with 1e30", REFUSED, r"peak 1e\+30", make("wav_float", loud))
    loud[5, 1] = np.nan
    yield Case("a float file with NaN", REFUSED, "nan at channel 1, sample 5", make("wav_float", loud))
    yield Case("one sample", REFUSED, "expected 10 ms or more", wav(P[:4]))
    yield Case("ten samples", REFUSED, "expected 10 ms or more", wav(P[:40]))
    yield Case("ten milliseconds", READ, "", wav(P[:1280]), right=RIGHT[:, :320])
    yield Case("mono", REFUSED, "2 channels needed, got 1", make("wav", X[:, :1]))
    yield Case("six channels", REFUSED, "2 channels needed, got 6", make("wav", sound(1000, 6)))
    yield Case("silence", WARNED, "is silent", wav(bytes(len(P))))
    loud[5, 1] = -np.inf
    yield Case("a float file with infinity", REFUSED, "-inf at channel 1, sample 5", make("wav_float", loud))
    yield Case("1024 channels", REFUSED, "2 channels needed, got 1024", make("wav", sound(400, 1024)))
    for rate in (8000, 44_100, 192_000, 768_000):
        yield Case(f"a rate of {rate} Hz", READ, "", make("wav", sound(rate // 10), rate))
    yield Case("a rate of 1 MHz", REFUSED, "sampling_rate is 1000000", wav(P, rate=1_000_000))
    yield Case("a FLAC by the name of a WAV", READ, "", make("flac", X))
    yield Case("a Vorbis by the name of a FLAC", READ, "", make("vorbis", X), suffix=".flac")
    yield Case(
        "an hour of silence in a small FLAC", REFUSED, "lasts 3600 s, and max_seconds is 600 s", _hour, suffix=".flac"
    )
    yield Case(
        "ten minutes of 8 channels",
        REFUSED,
        "and max_bytes is 268435456|2 channels needed, got 8",
        _eight_channels,
        suffix=".flac",
    )


# The first boxes of an iPhone's recording, and a frame of AAC: MPEG-4, LC, 44.1 kHz, two channels, 23 bytes.
M4A = bytes.fromhex("0000001c667479704d344120000000004d3441206d70343269736f6d00000008667265650000100c6d646174") + bytes(100)
ADTS = bytes.fromhex("fff1508002fffc") + bytes(range(16))
CONVERT = "convert it with ffmpeg -i IN -vn -c:a flac OUT.flac, which keeps both channels"


def no_sound() -> Iterator[Case]:
    """What is no sound file, whatever its name says; and names that are odd."""
    contents = {
        "an HTML page": (b"<html>404</html>" * 30, "an HTML page", ".mp3"),
        "UTF-16": ("hello".encode("utf-16") * 50, "text in UTF-16", ".wav"),
        "UTF-16 without a mark": ("hello there".encode("utf-16-le") * 50, "text in UTF-16", ".wav"),
        "text": (b"this is no sound", "text that begins 'this is", ".ogg"),
        "JSON": (b'{"a": 1}', "JSON", ".flac"),
        "zeros": (bytes(999), "zeros", ".raw"),
        "raw samples": (P, "bare samples", ".raw"),
        "nothing": (b"", "an empty file", ".wav"),
        "a ZIP archive": (b"PK\3\4" + bytes(100), "a ZIP archive", ".wav"),
        "M4A": (M4A, f"it is MP4, M4A or MOV .*; {CONVERT}", ".m4a"),
        "M4A by the name of another": (M4A, f"it is MP4, M4A or MOV .*; {CONVERT}", ".wav"),
        "old MOV": (b"\0\0\0\x08wide\0\0\x10\0mdat" + bytes(100), f"MOV .*; {CONVERT}", ".mov"),
        "AAC": (5 * ADTS, rf"it is AAC \(ADTS\); {CONVERT}", ".aac"),
        "one frame of AAC": (ADTS, rf"AAC \(ADTS\); {CONVERT}", ".aac"),
        "AAC after a tag": (b"ID3\4\0\0\0\0\0\x0a" + bytes(10) + 5 * ADTS, "AAC .ADTS.", ".aac"),
        "raw samples that begin as AAC": (b"\xff\xf1\x50\x80" + P, "bare samples", ".raw"),
        "WMA": (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11" + bytes(100), f"Windows Media .*; {CONVERT}", ".wma"),
        "Matroska": (b"\x1a\x45\xdf\xa3" + bytes(100), f"Matroska or WebM; {CONVERT}", ".mkv"),
        "MPEG transport stream": (5 * (b"G" + bytes(187)), f"transport stream; {CONVERT}", ".ts"),
        "a NumPy array": (b"\x93NUMPY\1\0" + bytes(100), "a NumPy array", ".wav"),
        "AVI": (b"RIFF\x64\0\0\0AVI LIST" + bytes(100), f"an AVI video; {CONVERT}", ".avi"),
        "a pointer of Git LFS": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS", ".wav"),
        "an ID3 tag alone": (b"ID3\3\0\0\0\0\0\x0a" + bytes(400), "ID3 tag without MP3 frames", ".mp3"),
        "MP3 sync and noise": (b"\xff\xfb\x90\x44" + np.random.default_rng(1).bytes(5000), "not a readable", ".mp3"),
    }
    for name, (content, words, suffix) in contents.items():
        yield Case(name, REFUSED, words, content, suffix=suffix)
    yield Case("a folder", REFUSED, "not a regular file", lambda path: path.mkdir())
    yield Case("a pipe", REFUSED, "not a regular file", _pipe)
    yield Case("a device", REFUSED, "not a regular file", lambda path: path.symlink_to("/dev/zero"))
    yield Case("a loop of links", REFUSED, "cannot be opened", lambda path: path.symlink_to(path))
    yield Case("nothing there", REFUSED, "cannot be opened", lambda path: None)
    yield Case("a name with NUL", REFUSED, "no path of a file", lambda path: f"{path}\0.wav")
    yield Case("a name with a lone surrogate", REFUSED, "no path|cannot be opened", lambda path: f"{path}\ud800.wav")
    yield Case("a name that is not UTF-8", READ, "", _not_utf_8, right=RIGHT)
    yield Case("a path as bytes", READ, "", lambda path: bytes(path) if path.write_bytes(wav(P)) else None, right=RIGHT)


def _hour(path: Path) -> None:
    _minutes_of_silence(path, 60, 8000, 2)


def _eight_channels(path: Path) -> None:
    _minutes_of_silence(path, 10, 16_000, 8)


def _minutes_of_silence(path: Path, minutes: int, rate: int, channels: int) -> None:
    import soundfile

    with soundfile.SoundFile(path, "w", rate, channels, "PCM_16", format="FLAC") as out:
        for _ in range(minutes):
            out.write(np.zeros((60 * rate, channels), np.int16))


def _pipe(path: Path) -> None:
    import os

    os.mkfifo(path)


def _not_utf_8(path: Path) -> str:
    import os

    name = os.fsdecode(os.fsencode(path) + b"l\xe9.wav")
    with open(name, "wb") as out:
        out.write(wav(P))
    return name


def arrays() -> Iterator[Case]:
    """Arrays, lists, tensors, and rates that are none."""
    import torch

    floats, whole = RIGHT, np.frombuffer(P, "<i2").reshape(-1, 2).T.copy()
    bf16 = torch.from_numpy(floats).bfloat16()
    scaled = {
        "int16": (whole, READ, ""),
        "int16 tensor": (torch.from_numpy(whole), READ, ""),
        "int32": (whole.astype(np.int32) << 16, READ, ""),
        "int16 values in int32": (whole.astype(np.int32), WARNED, "int32 samples with a peak of"),
        "int16 values in int64": (whole.astype(np.int64), WARNED, "taken as 16-bit samples"),
        "a list of int16 values": (whole.tolist(), WARNED, "taken as 16-bit samples"),
        "int16 values in float32": (whole.astype(np.float32), WARNED, "taken as 16-bit samples"),
        "int16 values in a float tensor": (torch.from_numpy(whole).float(), WARNED, "taken as 16-bit samples"),
        "float64": (floats.astype(np.float64), READ, ""),
        "a list of floats": (floats.tolist(), READ, ""),
        "a tensor that requires grad": (torch.from_numpy(floats).requires_grad_(), READ, ""),
        "a list of tensors that require grad": (list(torch.from_numpy(floats).requires_grad_()), READ, ""),
        "a Fortran array": (np.asfortranarray(floats), READ, ""),
        "big-endian": (floats.astype(">f4"), READ, ""),
    }
    for name, (array, outcome, words) in scaled.items():
        right = None if name == "int16 values in int32" else floats
        yield Case(name, outcome, words, array=array, rate=RATE, right=right)
    yield Case("a bfloat16 tensor", READ, array=bf16, rate=RATE, right=bf16.float().numpy())
    yield Case(
        "float16", READ, array=floats.astype(np.float16), rate=RATE, right=floats.astype(np.float16).astype(np.float32)
    )
    both = np.repeat([[192], [64]], 999, axis=1).astype(np.uint8)  # two channels that differ: equal ones are warned of
    yield Case("uint8", READ, array=both, rate=RATE, right=(both.astype(np.float32) - 128) / 128)
    yield Case("overshoot of 12 dB", READ, array=4 * floats / np.abs(floats).max(), rate=RATE)
    yield Case("a peak of 20", WARNED, "peak 20, full scale is 1", array=20 * floats / np.abs(floats).max(), rate=RATE)
    refused = {
        "int16 values that are not whole": (32767.3 * floats, "peak .* full scale is 1"),
        "24-bit values in int64": (whole.astype(np.int64) << 8, "full scale is not known"),
        "small values in int64": (np.ones((2, 999), np.int64), "full scale is not known"),
        "uint16": (whole.view(np.uint16), "dtype uint16"),
        "bool": (whole > 0, "dtype bool"),
        "complex": (floats.astype(np.complex64), "dtype complex64"),
        "1e30": (1e30 * floats, "peak .*e\\+29"),
        "1e300": (1e300 * floats.astype(np.float64), "peak .*e\\+299"),
        "infinity": (np.where(floats > 0.3, np.inf, floats), "inf at channel"),
        "unequal lists": ([[0.1] * 999, [0.1] * 998], r"lists of unequal length \(999, 998\)"),
        "unequal arrays": ([floats[0], floats[1, 1:]], "lists of unequal length"),
        "a list of texts": ([["a"], ["b"]], "no array of numbers"),
        "None": (None, "the recording is None; give the path of one sound file, or an array"),
        "a dictionary": ({"samples": floats}, "none of which is a recording"),
        "a sparse tensor": (torch.from_numpy(floats).to_sparse(), "expected dense samples"),
        "(samples, 2)": (floats.T, "transpose it"),
        "five samples": (floats[:, :5], "expected 10 ms or more"),
        "no samples at all": (floats[:, :0], "holds no samples"),
    }
    for name, (array, words) in refused.items():
        yield Case(f"array: {name}", REFUSED, words, array=array, rate=RATE)
    for rate in (
        None,
        float("nan"),
        float("inf"),
        -float("inf"),
        1e30,
        10**30,
        0,
        0.5,
        1,
        32,
        192,
        -32000,
        True,
        "32000",
        [32000],
        2e6,
    ):
        words = "if kHz are meant, give" if rate in (32, 192) and rate is not True else "sampling_rate is"
        yield Case(f"no rate: {rate!r}", REFUSED, words, array=floats, rate=rate)
    for rate in (32000.0, np.int64(32000), np.float32(32000), np.array(32000), torch.tensor(32000)):
        yield Case(f"rate {rate!r}", READ, array=floats, rate=rate, right=floats)
    yield Case("an hour", REFUSED, "max_seconds", array=np.zeros((2, 3_600_001), np.int8), rate=1000)


def cases() -> list[Case]:
    """All of them."""
    return [*cut_files(), *forged_files(), *odd_files(), *no_sound(), *arrays()]
