"""Small sound files of every container, as bytes, made by libsndfile or written out by hand."""

import io
import struct

import numpy as np
import soundfile

RATE = 32_000
# kind -> format, subtype, endian of soundfile; kinds that are written by hand stand in `make`.
WRITTEN = {
    "wav": ("WAV", "PCM_16", "FILE"),
    "wav8": ("WAV", "PCM_U8", "FILE"),
    "wav24": ("WAVEX", "PCM_24", "FILE"),
    "wav_float": ("WAV", "FLOAT", "FILE"),
    "wav_double": ("WAV", "DOUBLE", "FILE"),
    "wav_ulaw": ("WAV", "ULAW", "FILE"),
    "wav_adpcm": ("WAV", "IMA_ADPCM", "FILE"),
    "rifx": ("WAV", "PCM_16", "BIG"),
    "rf64": ("RF64", "PCM_16", "FILE"),
    "w64": ("W64", "PCM_16", "FILE"),
    "aiff": ("AIFF", "PCM_16", "FILE"),
    "aifc_float": ("AIFF", "FLOAT", "FILE"),
    "aifc_little": ("AIFF", "PCM_16", "LITTLE"),
    "au": ("AU", "PCM_16", "FILE"),
    "au_little": ("AU", "FLOAT", "LITTLE"),
    "caf": ("CAF", "PCM_16", "FILE"),
    "caf_little": ("CAF", "FLOAT", "LITTLE"),
    "flac": ("FLAC", "PCM_16", "FILE"),
    "flac24": ("FLAC", "PCM_24", "FILE"),
    "flac8": ("FLAC", "PCM_S8", "FILE"),
    "vorbis": ("OGG", "VORBIS", "FILE"),
    "opus": ("OGG", "OPUS", "FILE"),
    "mp3": ("MP3", "MPEG_LAYER_III", "FILE"),
}
KINDS = (*WRITTEN, "wav_list", "wav_streamed", "flac_piped", "mp3_tagged")
CHECKSUMMED = {"flac", "flac24", "flac8", "flac_piped", "vorbis", "opus"}


def sound(samples: int, channels: int = 2, seed: int = 0) -> np.ndarray:
    """(samples, channels) float32 noise at -20 dBFS."""
    return (0.1 * np.random.default_rng(seed).standard_normal((samples, channels))).astype(np.float32)


def make(kind: str, samples: np.ndarray, rate: int = RATE) -> bytes:
    """A file of this kind. `samples`: (samples, channels)."""
    if kind in WRITTEN:
        format, subtype, endian = WRITTEN[kind]
        out = io.BytesIO()
        soundfile.write(out, samples, 48_000 if kind == "opus" else rate, subtype, endian, format)
        return out.getvalue()
    if kind == "wav_list":  # as audio editors write it: INFO after the samples, of odd length and padded
        content = (
            make("wav", samples, rate) + b"LIST" + struct.pack("<I", 17) + b"INFOISFT" + struct.pack("<I", 5) + b"test\0\0"
        )
        return content[:4] + struct.pack("<I", len(content) - 8) + content[8:]
    if kind == "wav_streamed":  # as ffmpeg writes it into a pipe
        content = make("wav", samples, rate)
        return content[:4] + b"\xff" * 4 + content[8:40] + b"\xff" * 4 + content[44:]
    if kind == "flac_piped":  # as ffmpeg writes it into a pipe: neither the number of samples nor their MD5
        content = bytearray(make("flac", samples, rate))
        content[21] &= 0xF0
        content[22:42] = bytes(20)
        return bytes(content)
    assert kind == "mp3_tagged"  # ID3v2 in front, ID3v1 behind
    tag = b"TIT2" + struct.pack(">IH", 6, 0) + b"\0title"
    return b"ID3\3\0\0" + bytes([0, 0, 0, len(tag)]) + tag + make("mp3", samples, rate) + b"TAG" + b"x" * 125
