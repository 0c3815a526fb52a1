"""Recognizes sound and video that are not read here, but that ffmpeg converts: MP4 and M4A, bare AAC, Windows Media, others.

Sources: ISO/IEC 14496-12 (boxes), ISO/IEC 14496-3, 1.A.2.2 (ADTS frames), ISO/IEC 13818-1 (packets of 188 bytes).
"""

from spatial_llm.audio.containers.source import Source
from spatial_llm.audio.containers.tags import after_id3

HOW = "convert it with ffmpeg -i IN -vn -c:a flac OUT.flac, which keeps both channels"
_STARTS = {
    b"\x1a\x45\xdf\xa3": "Matroska or WebM",
    b"\x30\x26\xb2\x75": "Windows Media (WMA, WMV)",
    b"FLV\x01": "a Flash video",
    b"\0\0\x01\xba": "an MPEG video",
    b"ADIF": "AAC",
    b"#!AMR": "AMR",
    b"wvpk": "WavPack",
    b"MAC ": "Monkey's Audio",
}
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide")  # the first box of a file; without ftyp in old MOV files
_PACKET = 188  # bytes of an MPEG transport stream's packet
RUN = 3  # this many frames or packets in a row do not occur by chance


def convertible(source: Source) -> str | None:
    """Returns what a file is and how to convert it, as the end of a sentence; None if it is nothing known here."""
    name = _name(source)
    return None if name is None else f"{name}; {HOW}"


def _name(source: Source) -> str | None:
    head = source.at(0, 16)
    if head[4:8] in _BOXES:
        return "MP4, M4A or MOV (often AAC inside)"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "an AVI video"
    found = next((name for start, name in _STARTS.items() if head.startswith(start)), None)
    if found is None and source.size > RUN * _PACKET and all(source.at(n * _PACKET, 1) == b"G" for n in range(RUN)):
        return "an MPEG transport stream"
    return "AAC (ADTS)" if found is None and _is_adts(source) else found


def _is_adts(source: Source) -> bool:
    """Returns whether AAC frames follow each other after tags: several in a row, or all of a short file."""
    start = position = after_id3(source)
    for _ in range(RUN):
        frame = source.at(position, 6)
        if len(frame) < 6 or frame[0] != 0xFF or frame[1] & 0xF6 != 0xF0:  # 12 bits of sync, layer 0
            return position == source.size and position > start
        length = (frame[3] & 3) << 11 | frame[4] << 3 | frame[5] >> 5
        if length < 7:
            return False
        position += length
    return True
