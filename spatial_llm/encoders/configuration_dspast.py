"""Sizes of a DSpAST encoder (arXiv 2509.13927)."""

from typing import Any

from huggingface_hub.dataclasses import strict

from spatial_llm.audio.cues import DSPAST_CUES, ILD, LOGMEL_LEFT, LOGMEL_RIGHT
from spatial_llm.encoders.configuration_base import SpatialEncoderConfig
from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.errors import SpatialLLMError

BRANCHES = ("distance", "direction", "event")  # the order of the checkpoints; the paper's figure lists the event first


@strict
class DSpASTConfig(SpatialEncoderConfig):
    """Configuration of DSpAST (arXiv 2509.13927): six cues, a gate per task, three passes through one shared trunk.

    Fields as `SpatialEncoderConfig`. `hidden_size` is split into one third per branch, so it is a multiple of 3.
    The default loss weights are those of stages 2 and 3 (arXiv 2509.13927).

    Args:
        feature_attention: whether each branch weighs the cues by its gate; False is the paper's ablation without it.
        adacos_target_term: "released": in the sum of AdaCos' scale over the wrong classes, the target's slot contributes
            e^0, as in the released script, by which the checkpoints were trained; "paper": nothing (Zhang et al., 2019).
    """

    model_type = "dspast"

    cues: list[str] | tuple[str, ...] = DSPAST_CUES
    normalized_cues: list[str] | tuple[str, ...] = (LOGMEL_LEFT, LOGMEL_RIGHT, ILD)

    feature_attention: bool = True
    adacos_target_term: str = "released"

    default_loss_weights = {"event": 100, "distance": 2, "azimuth": 1, "elevation": 1}  # noqa: RUF012

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        if self.hidden_size % len(BRANCHES):
            raise SpatialLLMError(
                f"hidden_size {self.hidden_size} cannot be split into {len(BRANCHES)} branches; expected a multiple of 3."
            )

        if self.adacos_target_term not in ("released", "paper"):
            raise SpatialLLMError(f'adacos_target_term is {self.adacos_target_term!r}; give "released" or "paper".')

    @property
    def branch_size(self) -> int:
        """Channels of one branch in `last_hidden_state`."""
        return self.hidden_size // len(BRANCHES)

    @property
    def token_layout(self) -> TokenLayout:
        """Returns the layout as in every encoder; the channels are those of the distance, the direction and the event
        branch."""
        slices = tuple((k * self.branch_size, (k + 1) * self.branch_size) for k in range(len(BRANCHES)))
        return self.layout_of(slices)

    @property
    def slice_names(self) -> tuple[str, ...]:
        """Returns the branches: what the channels of each are trained for."""
        return BRANCHES
