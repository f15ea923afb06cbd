"""No harmonization: the source as it is."""

import torch
from torch import Tensor

from .baseline import Baseline, TargetStyle


class NoHarmonization(Baseline):
    """Passes the source of the target's contrast on, in its own intensity units; what is below 0 becomes 0."""

    def describe(self, volume: Tensor, inside: Tensor, contrast: str) -> Tensor:
        """Nothing of the target is used."""
        return torch.empty(0)

    def match(self, volume: Tensor, inside: Tensor, target: TargetStyle) -> Tensor:
        """The source's own values."""
        return volume[inside]
