"""SSIM as a loss takes it: differentiable, its three factors apart, each with an exponent of its own.

    l = (2 mx my + C1) / (mx^2 + my^2 + C1)    luminance
    c = (2 sx sy + C2) / (sx^2 + sy^2 + C2)    contrast
    s = (sxy + C3) / (sx sy + C3)              structure
    SSIM = l^alpha c^beta s^gamma, with C1 = (k1 L)^2, C2 = (k2 L)^2, C3 = C2 / 2 and L = data_range.

Letters in shapes: B images, X, Y and Z the size of a volume.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ...base.errors import InputError

# In place of 0, where roots and powers have no finite slope.
_TINY = 1e-8


class Factors(NamedTuple):
    """Luminance, contrast and structure, as maps (B, 1, X, Y, Z) of windows or as one number (B,) for each volume."""

    luminance: Tensor
    contrast: Tensor
    structure: Tensor


@dataclass(frozen=True)
class Ssim:
    """How two volumes are compared: by local windows of `window` voxels along each axis, or as a whole if it is None.

    `exponents` are alpha, beta and gamma. A structure below 0 has no power that is not whole, and counts as 0 then.
    """

    exponents: tuple[float, float, float] = (1.0, 1.0, 1.0)
    window: int | None = 7
    data_range: float = 1.0
    k1: float = 0.01
    k2: float = 0.03

    def __post_init__(self) -> None:
        """Refuse wrong settings."""
        if self.window is not None and (self.window < 3 or self.window % 2 == 0):
            raise InputError(f"`window` must be an odd number of at least 3, or null, got {self.window}")
        if len(self.exponents) != 3 or min(self.exponents) < 0:
            raise InputError(f"`exponents` must be three numbers of at least 0, got {list(self.exponents)}")
        if not self.data_range > 0:
            raise InputError(f"`data_range` must be above 0, got {self.data_range}")

    def factors(self, first: Tensor, second: Tensor, shown: Tensor) -> Factors:
        """Of volumes (B, 1, X, Y, Z); only a comparison as a whole needs to know which voxels are `shown`."""
        first, second = first.float(), second.float()
        average = (lambda values: mean_of(values, shown)) if self.window is None else self._window_mean
        mean_x, mean_y = average(first), average(second)
        variance_x = (average(first.square()) - mean_x.square()).clamp(min=_TINY)
        variance_y = (average(second.square()) - mean_y.square()).clamp(min=_TINY)
        covariance = average(first * second) - mean_x * mean_y
        deviations = (variance_x * variance_y).sqrt()
        c2 = (self.k2 * self.data_range) ** 2
        c3 = c2 / 2
        return Factors(
            self.luminance(mean_x, mean_y),
            (2 * deviations + c2) / (variance_x + variance_y + c2),
            (covariance + c3) / (deviations + c3),
        )

    def luminance(self, mean_x: Tensor, mean_y: Tensor) -> Tensor:
        """The factor l of two means."""
        c1 = (self.k1 * self.data_range) ** 2
        return (2 * mean_x * mean_y + c1) / (mean_x.square() + mean_y.square() + c1)

    def combine(self, factors: Factors) -> Tensor:
        """SSIM of its factors."""
        powers = [_power(factor, exponent) for factor, exponent in zip(factors, self.exponents, strict=True)]
        return powers[0] * powers[1] * powers[2]

    def _window_mean(self, values: Tensor) -> Tensor:
        """The mean of each voxel's window; beyond the border volumes are 0."""
        assert self.window is not None
        for axis in range(3):
            size = [self.window if axis == other else 1 for other in range(3)]
            values = F.avg_pool3d(values, size, stride=1, padding=[each // 2 for each in size])
        return values


def mean_of(values: Tensor, shown: Tensor) -> Tensor:
    """The mean (B,) of the voxels (B, 1, X, Y, Z) that are shown."""
    inside = shown.float()
    return (values * inside).flatten(1).sum(1) / inside.flatten(1).sum(1).clamp(min=1)


def _power(factor: Tensor, exponent: float) -> Tensor:
    if exponent == 1:
        return factor
    return factor.pow(int(exponent)) if exponent == int(exponent) else torch.clamp(factor, min=_TINY).pow(exponent)
