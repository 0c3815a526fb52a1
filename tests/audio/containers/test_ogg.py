"""Checksums of pages against a plain computation, and a page number that wraps."""

import struct

import numpy as np

from spatial_llm.audio.containers.ogg import _checksum
from tests.audio.makers import make, sound


def crc(data: bytes) -> int:
    value = 0
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value >> 31 else 0)) & 0xFFFFFFFF
    return value


def test_checksums_are_those_of_the_format():
    for size in (0, 1, 27, 300):
        data = np.random.default_rng(size).bytes(size)
        assert _checksum(data) == crc(data)
    page = make("vorbis", sound(100))[:58]
    assert struct.unpack("<I", page[22:26])[0] == crc(page[:22] + bytes(4) + page[26:])
