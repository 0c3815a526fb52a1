"""What a sound file's own header and framing say, found without a decoder: rate, channels, samples, and whether the file
holds what it promises.

Why not leave it to libsndfile: it reads a file that was cut as a shorter one without a word, stops at the first half of
a chained Ogg, and walks a forged chunk list for ever. Every walker here does bounded work: it always advances, and no
size in a header is used before it is compared with the size of the file.
"""

from spatial_llm.audio.containers.identify import inspect
from spatial_llm.audio.containers.source import Sound, Source

__all__ = ["Sound", "Source", "inspect"]
