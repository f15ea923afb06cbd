"""The curve that leads from the brightness of one image to that of another one of the same."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..base.errors import InputError

# By which made intensities differ at least, so that the curve has one value everywhere.
_STEP = 1e-6


@dataclass(frozen=True)
class ToneCurve:
    """What is `made` of an intensity, and what is `wanted`: straight from 0 and between, of slope 1 beyond the last."""

    made: tuple[float, ...]
    wanted: tuple[float, ...]

    def __post_init__(self) -> None:
        rising = self.made and all(b > a for a, b in zip((0.0, *self.made), self.made, strict=False))
        if not rising or len(self.made) != len(self.wanted):
            raise InputError(
                f"`tone` must have as many numbers `wanted` as `made`, and these must rise from above 0,"
                f" got {self.made} and {self.wanted}"
            )

    def __call__(self, image: Tensor) -> Tensor:
        """The image with the brightness that is wanted; 0 stays 0."""
        result, shown = torch.zeros_like(image), image > 0
        result[shown] = self._curved(image[shown])
        return result

    def _curved(self, image: Tensor) -> Tensor:
        made, wanted = image.new_tensor([0.0, *self.made]), image.new_tensor([0.0, *self.wanted])
        place = torch.searchsorted(made, image.contiguous(), right=True).clamp(1, len(self.made))
        share = ((image - made[place - 1]) / (made[place] - made[place - 1])).clamp(max=1)
        curved = wanted[place - 1] + share * (wanted[place] - wanted[place - 1])
        return curved + (image - made[-1]).clamp(min=0)


@dataclass(frozen=True)
class CurveFinder:
    """Finds curves through `percentiles` of two images; pixels count where both exceed `threshold`."""

    percentiles: Sequence[float] = (1, 5, 10, 25, 50, 75, 90, 95, 99)
    threshold: float = 0.05

    def __post_init__(self) -> None:
        """Refuse percentiles that make no curve."""
        marks = [0, *self.percentiles, 100]
        if len(marks) < 3 or marks[1] < 0 or any(a >= b for a, b in zip(marks[1:], marks[2:], strict=False)):
            raise InputError(f"`percentiles` must rise from 0 or above to below 100, got {list(self.percentiles)}")

    def curve(self, made: Tensor, wanted: Tensor) -> ToneCurve | None:
        """The curve between two images of the same; None where they have nothing in common."""
        seen = (wanted > self.threshold) & (made > self.threshold)
        if not seen.any():
            return None
        shares = torch.tensor(self.percentiles, dtype=torch.float64) / 100
        ends = [_quantiles(each[seen], shares) for each in (made, wanted)]
        ends[0] = ends[0].cummax(0).values + _STEP * torch.arange(len(shares))
        return ToneCurve(*(tuple(end.tolist()) for end in ends))


def _quantiles(values: Tensor, shares: Tensor) -> Tensor:
    """Of any number of values; torch's own takes 16 million at most."""
    ordered = values.flatten().double().cpu().sort().values
    return ordered[(shares * (len(ordered) - 1)).round().long()]
