"""Reads what a sound file's own header and framing state, without a decoder: rate, channels, samples, completeness.

libsndfile is not enough for this: it silently reads a cut file as a shorter one, stops after the first part of a chained
Ogg, and walks a forged chunk list for ever. Every walker here does bounded work: it always advances, and it uses no size
from a header before comparing it with the size of the file.
"""

from spatial_llm.audio.containers.identify import inspect
from spatial_llm.audio.containers.source import Sound, Source

__all__ = ["Sound", "Source", "inspect"]
