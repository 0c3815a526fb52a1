"""What the encoders drop at random, in training only: bands, patches, residuals.

Every module returns its input unchanged in eval mode, and where its config says 0. Source: the released training code of
Spatial-AST (SpecAugment of 48 bands and 192 frames, a quarter of the time rows and of the frequency columns masked,
drop-path rising linearly to 0.1).
"""

import torch
from torch import nn
from torchaudio.transforms import FrequencyMasking, TimeMasking

from spatial_llm.encoders.configuration_base import SpatialEncoderConfig


class SpecAugment(nn.Module):
    """Blanks one band and one stretch of a fused plane (B, C, T frames, M mel bins), the same ones for the whole batch."""

    def __init__(self, config: SpatialEncoderConfig) -> None:
        super().__init__()
        self.masks = nn.Sequential()
        if config.spec_augment_mel_bins:
            self.masks.append(FrequencyMasking(config.spec_augment_mel_bins))
        if config.spec_augment_frames:
            self.masks.append(TimeMasking(config.spec_augment_frames))

    def forward(self, plane: torch.Tensor) -> torch.Tensor:
        if not self.training or not len(self.masks):
            return plane
        return self.masks(plane.transpose(-2, -1)).transpose(-2, -1)  # torchaudio: (..., frequency, time)


class PatchMask(nn.Module):
    """Keeps int(rows * (1 - mask_rows)) random time rows of each sample, and of them int(columns * (1 - mask_columns))
    random frequency columns: (B, rows * columns, D) -> (B, kept, D). The patches already contain their positions, so the
    order of those that are kept has no meaning and stays shuffled."""

    def __init__(self, config: SpatialEncoderConfig) -> None:
        super().__init__()
        self.grid = rows, columns = config.token_layout.grid
        self.kept = int(rows * (1 - config.mask_rows)), int(columns * (1 - config.mask_columns))

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        if not self.training or self.kept == self.grid:
            return patches
        rows, columns = (
            torch.rand(patches.shape[0], size, device=patches.device).argsort(dim=1)[:, :kept]
            for size, kept in zip(self.grid, self.kept, strict=True)
        )
        index = (rows[:, :, None] * self.grid[1] + columns[:, None, :]).flatten(1)
        return patches.gather(1, index[:, :, None].expand(-1, -1, patches.shape[2]))


class DropPath(nn.Module):
    """Stochastic depth (Huang et al., 2016): sets a share of the samples of (B, ...) to 0 and scales the others up so that
    the mean stays."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, branch: torch.Tensor) -> torch.Tensor:
        if not self.training or not self.share:
            return branch
        kept = torch.rand(branch.shape[0], *[1] * (branch.ndim - 1), device=branch.device) >= self.share
        return branch * kept.to(branch.dtype) / (1 - self.share)
