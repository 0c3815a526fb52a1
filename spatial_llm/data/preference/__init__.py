"""Pairs of a preferred and a rejected answer to one question about one recording: files of them, and how they are made."""
