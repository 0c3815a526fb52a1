"""Continues the training of an encoder with finer patches than it began with.

Coarse patches train fast, because there are few of them, but they leave two sounds no separate place. As in FlexiViT (Beyer
et al., CVPR 2023) the patch embedding is resampled, so that what was learned is kept; here to whole parts of a patch, where
no interpolation is needed.
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import TypeVar

from spatial_llm.encoders.modeling_base import SpatialEncoderPreTrainedModel
from spatial_llm.errors import SpatialLLMError

Encoder = TypeVar("Encoder", bound=SpatialEncoderPreTrainedModel)


def with_finer_patches(model: Encoder, patch_size: Sequence[int]) -> Encoder:
    """Returns a new model with the weights of `model` and patches of `patch_size` (frames, mel bins).

    Every other tensor stays; the positions are those of the finer grid. The weight of a pixel of the new patch is the sum
    over the pixels of the old one that it may stand for, so that a plane that repeats from one new patch to the next within
    the old one has the same embedding in every new patch as before, except for the position.

    Args:
        model: `SpatialASTForLocalization` or `DSpASTForLocalization`, or one of their encoders without heads.
        patch_size: divides that of the model, frames by frames and mel bins by mel bins.

    Raises:
        SpatialLLMError: it does not.
    """
    old, new = model.config.patch_size, list(patch_size)
    if len(new) != 2 or min(new) < 1 or any(before % now for before, now in zip(old, new, strict=True)):
        raise SpatialLLMError(
            f"patch_size {new} is to follow on {old}; expected (frames, mel bins) that divide those, since what a patch "
            "had learned is kept."
        )
    config = deepcopy(model.config)
    config.patch_size = new
    finer = type(model)(config)
    state, fresh = model.state_dict(), finer.state_dict()
    for name in fresh:
        if name.endswith("patch_embeddings.projection.weight"):
            rows, columns = (before // now for before, now in zip(old, new, strict=True))
            parts = state[name].unflatten(3, (columns, new[1])).unflatten(2, (rows, new[0]))
            state[name] = parts.sum(dim=(2, 4))
        elif name.endswith("patch_embeddings.positions"):
            state[name] = fresh[name]
    finer.load_state_dict(state)
    return finer.train(model.training)
