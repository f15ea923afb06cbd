"""The code of a volume, and what it says of the slices that it was made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...images.orientations import plane_view
from ..haca3.features import SliceFeatures
from .network import HarmonizationNet
from .plane_slices import Subject


@dataclass(frozen=True, eq=False)
class VolumeCode:
    """The code `mean` (1, D) of a volume, and those `rows` (R, D) of the slices that it is the mean of.

    `orientations`, `indices` and `areas`, in pixels of foreground, are those of the slices; the percentiles of all are
    the volume's. `levels` (1, T) are those of its tissues, 0 where not known, and `extent` (1, 1) is the number of
    voxels that it shows.
    """

    mean: Tensor
    rows: Tensor
    orientations: tuple[str, ...]
    indices: tuple[int, ...]
    areas: Tensor
    levels: Tensor
    extent: Tensor


def evenly_spread(areas: Tensor, number: int) -> Tensor:
    """At most `number` indices of slices, evenly spread over those that show at least half of what the fullest does."""
    full = (areas * 2 >= areas.max()).nonzero().flatten().cpu()
    return full[torch.linspace(0, len(full) - 1, min(number, len(full))).round().long()]


def code_features(
    subject: Subject,
    codes: Sequence[VolumeCode],
    network: HarmonizationNet,
    shares: Sequence[Tensor] | None,
    trust: Mapping[str, float] | None = None,
) -> SliceFeatures:
    """A row for each slice of each source that its code was made of.

    `shares` (S, C) are those of each orientation, of one target; visible are the pixels of the whole subject.
    """
    orientation: list[str] = []
    columns: list[tuple[Tensor, ...]] = []
    planes = list(dict.fromkeys(codes[0].orientations))
    inside = subject.visible[subject.box]
    pixels = [plane_view(inside, plane).sum((1, 2)).cpu() for plane in planes]
    for channel, code in zip(subject.channels, codes, strict=True):
        index = torch.tensor(code.indices)
        visible, share = torch.zeros_like(index), torch.full((len(index),), torch.nan)
        for number, plane in enumerate(planes):
            rows = torch.tensor([each == plane for each in code.orientations])
            places = index[rows] - subject.low[plane]
            visible[rows] = pixels[number][places]
            if shares is not None:
                share[rows] = shares[number].cpu()[places, channel]
        numbers = code.rows[:, : network.layout.eta_end].cpu()
        channels = torch.full((len(index),), channel)
        columns.append((index, channels, code.areas.cpu().long(), visible, share, numbers))
        orientation += code.orientations
    indices, channels, areas, visible, share, numbers = (torch.cat(column) for column in zip(*columns, strict=True))
    theta = network.layout.theta_end
    return SliceFeatures(
        tuple(orientation), indices, channels, areas, visible, share, code=numbers, theta=theta, trust=trust
    )
