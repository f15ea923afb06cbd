"""Intensities divided by a percentile of what an image shows, and clipped."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.transforms import MapTransform
from torch import Tensor

from ...base.errors import InputError
from ...preprocessing.channels import map_available


class ScaleForegroundd(MapTransform):
    """Divide each available contrast of an image (C, X, Y, Z) by a percentile of its voxels above 0; clip to `upper`.

    So it depends neither on the size of the head nor on that of the grid, if the image is skull-stripped.
    """

    def __init__(
        self,
        keys: KeysCollection = "image",
        percentile: float = 99.0,
        upper: float = 1.5,
        available_key: str = "available",
    ) -> None:
        super().__init__(keys)
        if not 0 < percentile <= 100:
            raise InputError(f"`percentile` must be above 0 and at most 100, got {percentile}")
        if not upper > 0:
            raise InputError(f"`upper` must be above 0, got {upper}")
        self.percentile = percentile
        self.upper = upper
        self.available_key = available_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace the image by a new one."""
        result = dict(data)
        for key in self.key_iterator(result):
            result[key] = map_available(result[key], result[self.available_key], self._scale)
        return result

    def _scale(self, volume: Tensor, name: str) -> Tensor:
        shown = volume[volume > 0]
        if not len(shown):
            raise InputError(f"{name} must have voxels above 0, it has none")
        return (volume / float(np.percentile(shown.numpy(force=True), self.percentile))).clamp(0, self.upper)
