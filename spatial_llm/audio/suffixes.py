"""Suffixes of sound files: those that `read_audio` may read, and those of formats that this library does not decode."""

SOUND_SUFFIXES = frozenset({
    ".wav", ".wave", ".rf64", ".bwf", ".w64", ".flac", ".ogg", ".oga", ".opus", ".spx", ".mp1", ".mp2", ".mp3", ".mpga",
    ".aiff", ".aif", ".aifc", ".au", ".snd", ".caf", ".sph", ".nist", ".voc", ".avr", ".paf", ".pvf", ".sf", ".ircam",
    ".svx", ".8svx", ".iff", ".sd2", ".htk", ".wve",
})  # fmt: skip
UNREAD_SUFFIXES = frozenset({
    ".m4a", ".m4b", ".mp4", ".aac", ".wma", ".asf", ".webm", ".mka", ".mkv", ".mov", ".avi", ".ac3", ".eac3", ".amr",
    ".ape", ".wv", ".tta", ".dsf", ".dff", ".mpc", ".ra", ".3gp", ".raw", ".pcm", ".mid", ".midi", ".shn", ".tak", ".qcp",
    ".gsm",
})  # fmt: skip
