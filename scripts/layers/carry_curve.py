"""Brightness from the network, detail from the source (not in the papers).

A network of large voxels, or of little training, says how bright an image of the target is better than what is where in
it. So what it changes in brightness, from what it has seen of the source to what it has made of that, is taken as one
curve, and the result is the source itself through this curve.
"""

from torch import Tensor

from ..base.errors import InputError
from .tone_curve import CurveFinder


class CurveCarrier:
    """Makes volumes of the source, through the curve that the `finder` finds. Of that `share` is taken."""

    def __init__(self, finder: CurveFinder, share: float = 1.0) -> None:
        if not isinstance(share, int | float) or not 0 <= share <= 1:
            raise InputError(f"`carry_detail` must be true, false or a number from 0 to 1, got {share!r}")
        self.finder = finder
        self.share = float(share)

    def __call__(self, volume: Tensor, source: Tensor, seen: Tensor, made: Tensor) -> Tensor:
        """A `volume`, with the detail of its `source` (both of one shape).

        The curve leads from what the network has `seen` of the source to what it has `made` of that, which may have
        another shape.
        """
        curve = self.finder.curve(seen, made)
        if curve is None:
            return volume
        shown = (volume > 0) & (source > 0)
        return volume.where(~shown, volume + self.share * (curve(source) - volume))
