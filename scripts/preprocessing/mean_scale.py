"""Intensities divided by their mean."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from torch import Tensor

from ..base.errors import InputError
from .channels import map_available


class ScaleByMeand(MapTransform):
    """Divide each available contrast of an image (C, X, Y, Z) by its mean where it is not 0.

    So the mean is that of the brain if the image is skull-stripped, whatever grid it lies on.
    """

    def __init__(self, keys: KeysCollection = "image", available_key: str = "available") -> None:
        super().__init__(keys)
        self.available_key = available_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace the image by a new one."""
        result = dict(data)
        for key in self.key_iterator(result):
            result[key] = map_available(result[key], result[self.available_key], _divide)
        return result


def _divide(volume: Tensor, name: str) -> Tensor:
    inside = volume[volume != 0]
    mean = float(inside.mean(dtype=torch.float64)) if len(inside) else 0.0
    if not mean > 0:
        raise InputError(f"the mean of {name} where it is not 0 must be positive, got {mean:g}")
    return volume / mean
