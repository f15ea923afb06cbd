"""Histogram matching by landmarks (Nyul, Udupa & Zhang 2000), with one target image as the standard scale."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ...base.errors import InputError
from .baseline import Baseline, TargetStyle, percentiles


class NyulMatching(Baseline):
    """Maps the foreground percentiles of the source onto those of the target, linearly in between.

    Below the first landmark the map goes to 0 at 0, so that foreground stays foreground; above the last one it
    continues the last segment.
    """

    def __init__(self, landmarks: Sequence[float] = (1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99)) -> None:
        """`landmarks` are the percentiles of the foreground that are matched, rising."""
        super().__init__()
        rising = all(low < high for low, high in zip(landmarks, landmarks[1:], strict=False))
        if len(landmarks) < 1 or not rising or landmarks[0] < 0 or landmarks[-1] > 100:
            raise InputError(f"`landmarks` must be rising percentiles from 0 to 100, got {list(landmarks)}")
        self.landmarks = tuple(landmarks)

    def extra_repr(self) -> str:
        """The settings, for the record."""
        return f"landmarks={self.landmarks}"

    def describe(self, volume: Tensor, inside: Tensor, contrast: str) -> Tensor:
        """The target's intensities at the landmarks."""
        return self._knots(volume[inside])

    def match(self, volume: Tensor, inside: Tensor, target: TargetStyle) -> Tensor:
        """The source's values, mapped from its own landmarks onto the target's."""
        values = volume[inside]
        return piecewise_linear(values, self._knots(values), target.style)

    def _knots(self, values: Tensor) -> Tensor:
        knots = percentiles(values, self.landmarks)
        return torch.cat([knots.new_zeros(1), knots])


def piecewise_linear(values: Tensor, knots: Tensor, images: Tensor) -> Tensor:
    """The line from knot to knot (K,) that takes each to its image (K,), continued beyond the first and the last."""
    width = knots.diff()
    # Tied landmarks leave a segment of no width, in which no value lies, and which is flat where values lie beyond it.
    slope = torch.where(width > 0, images.diff() / width, 0.0)
    segment = torch.bucketize(values, knots[1:-1], right=True)
    return images[segment] + slope[segment] * (values - knots[segment])
