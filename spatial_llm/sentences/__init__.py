"""Texts as vectors, by a frozen sentence encoder or from a file: encoders are aligned with them, answers compared."""
