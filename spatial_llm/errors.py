"""The errors of this library: one base class, so that a caller can catch everything that is ours in one line.

Every message says what was given, what was expected and what to do, and names the file, record or tensor at fault.
"""


class SpatialLLMError(ValueError):
    """Base of all errors raised on purpose by spatial_llm."""

    def __str__(self) -> str:
        # A file name that is not UTF-8 holds surrogates, which no stream prints: a message must not fail to be shown.
        return printable(super().__str__())


def printable(text: str) -> str:
    """A text that every UTF-8 stream prints: surrogates and the end of string of C are written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")


class AudioError(SpatialLLMError):
    """A recording that cannot be used: missing, mono, empty, not finite, laid out the wrong way round."""


class ManifestError(SpatialLLMError):
    """A manifest, or a line of one, that does not hold what its schema says."""


class CheckpointError(SpatialLLMError):
    """Weights that do not fit the model: a key missing, left over, of another shape, or not finite."""


class SceneError(SpatialLLMError):
    """A scene or room that cannot be simulated as described."""


class CacheError(SpatialLLMError):
    """Encoder output on disk that cannot be used, or would not fit there."""
