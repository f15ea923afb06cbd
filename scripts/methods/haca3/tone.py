"""What the few numbers of theta leave unsaid of a target's contrast, a curve says.

The network makes the target's image anew, from nothing but the target. Where tissues come out brighter or darker than
they are there, they do so in every image that is given this target's contrast: the curve that mends the one mends the
others. It is found once for a target, and kept with its code.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...layers.tone_curve import CurveFinder, ToneCurve
from .network import Haca3


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
class ToneCalibration(CurveFinder):
    """Finds the curve of a target, from what the network makes of it to what it is."""

    def __call__(self, network: Haca3, image: Tensor, contrast: str, code: Tensor) -> ToneCurve | None:
        """The curve of the target image (X, Y, Z); None where nothing can be seen of it."""
        wanted, made = network.redraw_target(image, contrast, code)
        return self.curve(made, wanted)
