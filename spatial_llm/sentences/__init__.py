"""Texts as vectors: by a frozen sentence encoder or from a file; training aligns encoders with them, scoring compares answers."""
