"""The errors of this library: one base class, so that a caller can catch everything that is ours in one line.

Every message says what was given, what was expected and what to do, and names the file, record or tensor at fault.
"""


class SpatialLLMError(ValueError):
    """Base of all errors raised on purpose by spatial_llm."""


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
