"""Intensities divided by a percentile and clipped.

The percentile is that of all voxels, zeros included, so it depends on the grid. Published HACA3+ weights expect the
working grid, not yet padded, an `epsilon` of 1e-5, and `ScaleByPercentiled` before `RemoveBackgroundd`. An epsilon
makes the result depend on the unit of intensity, and is 0 otherwise.
"""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from torch import Tensor

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from .channels import map_available


def scale_by_percentile(
    volume: Tensor, percentile: float = 95.0, epsilon: float = 0.0, upper: float = 5.0, name: str = "the volume"
) -> tuple[Tensor, float]:
    """Divide a volume of any shape and clip it to 0 and `upper`; return it with the divisor.

    Formula: x / (P(x) + epsilon). A refusal speaks of `name`.
    """
    reference = float(np.percentile(volume.numpy(force=True), percentile))
    if reference <= 0:
        raise InputError(
            f"the {percentile:g}th percentile of {name} must be positive, got {reference:g}: too few voxels are bright"
        )
    divisor = reference + epsilon
    return (volume / divisor).clamp_(0, upper), divisor


class ScaleByPercentiled(MapTransform):
    """Scale each available contrast of an image (C, X, Y, Z) on its own and put the divisors (C,) beside it.

    `available` (C,) says which contrasts there are. The others stay as they are and their divisor is 1, so that
    image * divisor gives every contrast back but for what was clipped.
    """

    def __init__(
        self,
        keys: KeysCollection = "image",
        percentile: float = 95.0,
        epsilon: float = 0.0,
        upper: float = 5.0,
        scale_key: str = "scale",
        available_key: str = "available",
    ) -> None:
        """Check the arguments."""
        super().__init__(keys)
        if len(self.keys) != 1:
            raise InputError(f"`keys` must be one key, `scale_key` holds the divisors of one image, got {self.keys}")
        if not 0 < percentile <= 100:
            raise InputError(f"`percentile` must be above 0 and at most 100, got {percentile}")
        if not epsilon >= 0:
            raise InputError(f"`epsilon` must not be negative, got {epsilon}")
        if not upper > 0:
            raise InputError(f"`upper` must be positive, got {upper}")
        self.settings = {"percentile": percentile, "epsilon": epsilon, "upper": upper}
        self.scale_key = scale_key
        self.available_key = available_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace the image by a new one."""
        result = dict(data)
        (key,) = self.key_iterator(result)
        divisors = dict.fromkeys(CONTRASTS, 1.0)

        def scale(volume: Tensor, name: str) -> Tensor:
            scaled, divisors[name] = scale_by_percentile(volume, name=name, **self.settings)
            return scaled

        result[key] = map_available(result[key], result[self.available_key], scale)
        result[self.scale_key] = torch.tensor(list(divisors.values()))
        return result
