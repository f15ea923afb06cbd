"""One vector for a volume without attention: what the paper takes in its place to show what attention is worth."""

import torch
from torch import Tensor, nn

from ...base.arguments import check_whole
from .encoder import SliceEncoder
from .equidistant_slices import equidistant_slices

_AXIAL = 2


class AxialMean(nn.Module):
    """Describes volumes (B, 1, X, Y, Z) by the mean of what the `encoder`, which never learns, says of axial slices."""

    def __init__(self, encoder: SliceEncoder, slices: int = 24) -> None:
        super().__init__()
        check_whole("slices", slices)
        self.encoder = encoder.requires_grad_(False)
        self.slices = slices

    def forward(self, volumes: Tensor, masks: Tensor) -> Tensor:
        """Vectors (B, D); slices are those that the `masks`, of the volumes' shape, reach into."""
        pairs = zip(volumes, masks, strict=True)
        images = torch.stack([equidistant_slices(v[0], m[0], _AXIAL, self.slices) for v, m in pairs])
        return self.encoder(images.flatten(0, 1)[:, None]).unflatten(0, images.shape[:2]).float().mean(1)
