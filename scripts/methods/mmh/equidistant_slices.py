"""Which slices of a volume its style is looked for in."""

import torch
from torch import Tensor

from ...base.errors import InputError


def equidistant_slices(volume: Tensor, mask: Tensor, axis: int, count: int) -> Tensor:
    """Slices (count, H, W) of a volume (X, Y, Z) along an axis, from the first to the last that its mask reaches."""
    others = [each for each in range(volume.ndim) if each != axis]
    shown = mask.any(dim=others[1]).any(dim=others[0]).nonzero().flatten()
    if not len(shown):
        raise InputError("a volume must show something to have a style, its mask is empty")
    places = torch.linspace(float(shown[0]), float(shown[-1]), count, device=volume.device).round().long()
    return volume.index_select(axis, places).movedim(axis, 0)
