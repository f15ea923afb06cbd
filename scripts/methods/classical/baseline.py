"""What the classical methods have in common: they map an image onto a target image of the same contrast."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ...base.contrasts import CONTRASTS
from ...base.errors import InputError


class TargetStyle(NamedTuple):
    """What a method keeps of target images: their contrast, and one row of `style` for each of them."""

    contrast: str
    style: Tensor


class Baseline(nn.Module, ABC):
    """A method without weights, called like a network.

    It sees only the source of the target's contrast. Foreground is where that image is above 0; the output is 0 outside
    it, nowhere negative, and in the target's intensity units. Volumes are described and matched in double precision,
    since units may be such that single precision cannot square them.
    """

    @abstractmethod
    def describe(self, volume: Tensor, inside: Tensor, contrast: str) -> Tensor:
        """The style of a target volume (X, Y, Z) whose foreground is `inside`."""

    @abstractmethod
    def match(self, volume: Tensor, inside: Tensor, target: TargetStyle) -> Tensor:
        """The values that the foreground voxels of a source volume (X, Y, Z) take in the style of one target."""

    def encode_target(self, image: Tensor, contrast: str) -> TargetStyle:
        """Describe target images (B, 1, X, Y, Z) of one contrast."""
        if contrast not in CONTRASTS:
            raise InputError(f"contrast must be one of {', '.join(CONTRASTS)}, got `{contrast}`")
        volumes = image[:, 0]
        styles = [
            self.describe(volume.double(), _foreground(volume, f"target `{contrast}`"), contrast) for volume in volumes
        ]
        return TargetStyle(contrast, torch.stack(styles))

    def forward(self, image: Tensor, target: TargetStyle) -> Tensor:
        """Give stacked sources (B, 4, X, Y, Z) the style of one target, or of one target each, as (B, 1, X, Y, Z)."""
        source = image[:, CONTRASTS.index(target.contrast)]
        styles = target.style.expand(len(source), *target.style.shape[1:])
        output = torch.zeros_like(source)
        for volume, style, result in zip(source, styles, output, strict=True):
            inside = _foreground(volume, f"source `{target.contrast}`")
            matched = self.match(volume.double(), inside, TargetStyle(target.contrast, style)).clamp(min=0)
            result[inside] = matched.to(result.dtype)
        return output[:, None]


def percentiles(values: Tensor, percents: Sequence[float]) -> Tensor:
    """Percentiles of `values`; numpy selects where torch would sort, four times faster on a whole brain."""
    return torch.as_tensor(np.percentile(values.cpu().numpy(), percents), dtype=values.dtype, device=values.device)


def _foreground(volume: Tensor, name: str) -> Tensor:
    inside = volume > 0
    if not inside.any():
        raise InputError(f"{name} must have voxels above 0, but it is missing or empty")
    lowest, highest = volume.where(inside, torch.inf).min(), volume.max()
    if lowest == highest:
        raise InputError(f"{name} must have different values above 0, but all are {float(highest):g}")
    return inside
