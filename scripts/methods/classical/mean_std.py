"""Mean and standard deviation matching."""

import torch
from torch import Tensor

from .baseline import Baseline, TargetStyle


class MeanStdMatching(Baseline):
    """Shifts and scales the foreground so that its mean and standard deviation are the target's."""

    def describe(self, volume: Tensor, inside: Tensor, contrast: str) -> Tensor:
        """Standard deviation and mean of the foreground."""
        return torch.stack(torch.std_mean(volume[inside]))

    def match(self, volume: Tensor, inside: Tensor, target: TargetStyle) -> Tensor:
        """(source - source mean) / source std * target std + target mean."""
        values = volume[inside]
        std, mean = torch.std_mean(values)
        target_std, target_mean = target.style
        return (values - mean) * (target_std / std) + target_mean
