"""`AddedModule`: the base class of what this library adds inside the language model."""

from torch import nn

# Name of the attribute under which a layer or its attention holds an added module. One name, so that quantisation, which
# knows modules by patterns of names, leaves them all out.
ADDED = "audio_fusion"


class AddedModule(nn.Module):
    """Base class of a module that this library adds inside the language model, at any depth, such as a gated
    cross-attention.

    Its parameters train while the language model around them is frozen, they are saved and loaded with the projector, and
    the language model's fingerprint leaves them out. It must contain new parameters only, no layer of the language model. A
    composite adds it in `extend_language_model`, so that it exists before weights are loaded.
    """

    def init_weights(self) -> None:
        """Fills parameters and buffers with their initial values, by `transformers.initialization`, which skips loaded
        tensors.

        A language model that is built from its config initialises every module inside it by its own rule; this runs
        afterwards. By default it does nothing.
        """
