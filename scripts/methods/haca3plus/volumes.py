"""From volumes to what the network takes: percentiles, codes of volumes, slices cut to what they show."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .network import PERCENTILES, HarmonizationNet


def foreground_percentiles(
    volume: Tensor, threshold: float = 1e-2, percentiles: Sequence[float] = PERCENTILES
) -> Tensor:
    """Percentiles (P,) of a normalised volume's voxels above `threshold`; numpy selects where torch would sort."""
    values = volume[volume > threshold].numpy(force=True)
    return torch.as_tensor(np.percentile(values, percentiles), dtype=torch.float32, device=volume.device)


def volume_code(
    network: HarmonizationNet, slices: Sequence[Tensor], percentiles: Tensor, contrast: int, batch: int = 4
) -> Tensor:
    """The code (D,) of a volume of which some slices, stacks (S, H, W) of each plane, are given.

    It is the mean of the slices' codes, each weighted by how much foreground it shows.
    """
    codes, areas = [], []
    one_hot = torch.eye(network.contrasts, device=percentiles.device)[contrast]
    for stack in slices:
        for some in stack.unsqueeze(1).split(batch):
            cut = some[..., *shown_box(some, network.step)]
            given = [each.expand(len(cut), -1) for each in (percentiles, one_hot)]
            codes.append(network.encode(cut, *given))
            areas.append(network.foreground(cut).sum((1, 2, 3)))
    weights = torch.cat(areas).float()
    return (torch.cat(codes) * weights.unsqueeze(1)).sum(0) / weights.sum()


def shown_box(slices: Tensor, step: int) -> tuple[slice, slice]:
    """Rows and columns around all that slices (B, C, H, W) show, at multiples of `step`.

    What the network makes of slices cut to them is what it makes of the whole, for H and W that are multiples of it.
    """
    shown = slices.amax((0, 1)) > 0
    box = []
    for axis in (0, 1):
        places = shown.any(1 - axis).nonzero().flatten()
        first, last = (int(places[0]), int(places[-1])) if len(places) else (0, 0)
        box.append(slice(first // step * step, (last // step + 1) * step))
    return box[0], box[1]
