"""Background set to zero: Otsu's threshold, then binary closing with a ball.

Published HACA3+ weights expect `ScaleByPercentiled` before `RemoveBackgroundd`, both on the working grid, before it is
padded: padding and the upper limit of the scale move the threshold. Voxels at the threshold are foreground.
"""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from torch import Tensor

from ..base.errors import InputError
from ..images.intensity_unit import intensity_unit
from .channels import map_available
from .closing import check_radius, close_with_ball


def otsu_threshold(volume: Tensor, bins: int = 256, name: str = "the volume") -> float:
    """The center of the histogram's bin up to which the lower of two classes goes (Otsu 1979).

    Formula: the largest n_1 n_2 (mean_1 - mean_2)^2, with bins of equal width between minimum and maximum. A refusal
    speaks of `name`.
    """
    # Squares of very large or small values would be infinite or 0.
    unit = intensity_unit(float(volume.abs().max()))
    counts, edges = np.histogram((volume if unit == 1 else volume / unit).numpy(force=True), bins)
    if np.count_nonzero(counts) == 1:
        raise InputError(f"{name} must hold more than one value, its voxels are all {volume.flatten()[0]:g}")
    centers = (edges[:-1] + edges[1:]) / 2
    # Single precision, summed from either end, lets near ties fall as they do in scikit-image.
    weights = counts.astype(np.float32)
    lower, upper = np.cumsum(weights)[:-1], np.cumsum(weights[::-1])[-2::-1]
    sums = weights * centers
    lower_mean, upper_mean = np.cumsum(sums)[:-1] / lower, np.cumsum(sums[::-1])[-2::-1] / upper
    return unit * float(centers[np.argmax(lower * upper * (lower_mean - upper_mean) ** 2)])


def remove_background(
    volume: Tensor, radius: int = 20, bins: int = 256, name: str = "the volume", ceiling: float | None = None
) -> Tensor:
    """Set to 0 what lies outside the closing of the voxels (X, Y, Z) at or above Otsu's threshold.

    For the threshold everything brighter than `ceiling` is as bright as that.
    """
    threshold = otsu_threshold(volume if ceiling is None else volume.clamp(max=ceiling), bins, name)
    foreground = close_with_ball(volume >= threshold, radius)
    return torch.where(foreground, volume, 0)


class RemoveBackgroundd(MapTransform):
    """Remove the background of each available contrast of an image (C, X, Y, Z) on its own.

    `available` (C,) says which contrasts there are; the others stay as they are. Without a `ceiling` fat may be so
    bright that Otsu's threshold parts it from the brain.
    """

    def __init__(
        self,
        keys: KeysCollection = "image",
        radius: int = 20,
        bins: int = 256,
        available_key: str = "available",
        ceiling: float | None = None,
    ) -> None:
        """Check the arguments."""
        super().__init__(keys)
        check_radius(radius)
        if not (isinstance(bins, int) and bins >= 2):
            raise InputError(f"`bins` must be a whole number of at least 2, got {bins}")
        self.radius = radius
        self.bins = bins
        self.available_key = available_key
        self.ceiling = ceiling

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace the images by new ones."""
        result = dict(data)
        for key in self.key_iterator(result):
            result[key] = map_available(result[key], result[self.available_key], self._remove)
        return result

    def _remove(self, volume: Tensor, name: str) -> Tensor:
        return remove_background(volume, self.radius, self.bins, name, self.ceiling)
