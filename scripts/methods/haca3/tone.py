"""What the few numbers of theta leave unsaid of a target's contrast, a curve says.

The network makes the target's image anew, from nothing but the target. Where tissues come out brighter or darker than
they are there, they do so in every image that is given this target's contrast: the curve that mends the one mends the
others. It is found once for a target, and kept with its code.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...base.errors import InputError
from .network import Haca3

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


def mean_curve(curves: Sequence[ToneCurve]) -> ToneCurve | None:
    """The mean of curves of the same percentiles; None of none."""
    if not curves:
        return None
    made, wanted = (
        tuple(torch.tensor([getattr(curve, side) for curve in curves], dtype=torch.float64).mean(0).tolist())
        for side in ("made", "wanted")
    )
    return ToneCurve(made, wanted)


@dataclass(frozen=True)
class ToneCalibration:
    """Finds the curve of a target, through `percentiles` of what the network makes of it and of what it is.

    Pixels count where both exceed `threshold`.
    """

    percentiles: Sequence[float] = (1, 5, 10, 25, 50, 75, 90, 95, 99)
    threshold: float = 0.05

    def __post_init__(self) -> None:
        """Refuse percentiles that make no curve."""
        marks = [0, *self.percentiles, 100]
        if len(marks) < 3 or marks[1] < 0 or any(a >= b for a, b in zip(marks[1:], marks[2:], strict=False)):
            raise InputError(f"`percentiles` must rise from 0 or above to below 100, got {list(self.percentiles)}")

    def __call__(self, network: Haca3, image: Tensor, contrast: str, code: Tensor) -> ToneCurve | None:
        """The curve of the target image (X, Y, Z); None where nothing can be seen of it."""
        wanted, made = network.redraw_target(image, contrast, code)
        return self.curve(made, wanted)

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
