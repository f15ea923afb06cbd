"""Psi(V): one vector for a volume, of slices in three planes that a frozen encoder of images describes.

Letters in shapes: B volumes, Z slices of a view, D numbers of a vector.
"""

import torch
from monai.networks.nets.diffusion_model_unet import get_timestep_embedding
from torch import Tensor, nn
from torch.nn.functional import normalize

from ...base.arguments import check_whole
from ...base.errors import InputError
from .encoder import SliceEncoder
from .equidistant_slices import equidistant_slices

_VIEWS = 3


class TriPlanarAttention(nn.Module):
    """Describes volumes (B, 1, X, Y, Z) by `slices` in each of the three views; the `encoder` never learns."""

    def __init__(self, encoder: SliceEncoder, slices: int = 24, heads: int = 8, fusion: float = 0.1) -> None:
        super().__init__()
        check_whole("slices", slices)
        check_whole("heads", heads)
        size = encoder.size
        if size % heads:
            raise InputError(f"`heads` must divide the {size} numbers of the encoder, got {heads}")
        self.encoder = encoder.requires_grad_(False)
        self.slices = slices
        self.views = nn.Parameter(torch.randn(_VIEWS, size) / size**0.5)
        self.query = nn.Parameter(torch.randn(1, 1, size) / size**0.5)
        self.attention = nn.MultiheadAttention(size, heads, batch_first=True)
        self.norm = nn.LayerNorm(size)
        self.perceptron = nn.Sequential(nn.Linear(_VIEWS * size, size), nn.GELU(), nn.Linear(size, size))
        self.fusion = nn.Parameter(torch.tensor(float(fusion)))

    def forward(self, volumes: Tensor, masks: Tensor) -> Tensor:
        """Vectors (B, D); slices are those that the `masks`, of the volumes' shape, reach into."""
        described = [self.view(volumes, masks, number) for number in range(_VIEWS)]
        fused = self.perceptron(torch.cat(described, dim=1))
        return torch.stack(described).mean(0) + self.fusion * fused  # Eq. (17)

    def view(self, volumes: Tensor, masks: Tensor, number: int) -> Tensor:
        """z_v, a vector (B, D) for one view."""
        images = torch.stack(
            [equidistant_slices(v[0], m[0], number, self.slices) for v, m in zip(volumes, masks, strict=True)]
        )
        found = self.encoder(images.flatten(0, 1)[:, None]).unflatten(0, images.shape[:2]).float()
        places = get_timestep_embedding(torch.arange(self.slices, device=found.device), found.shape[-1])
        described = normalize(found + places + self.views[number], dim=-1)  # Eq. (15)
        query = self.query.expand(len(described), -1, -1)
        z: Tensor = self.norm(self.attention(query, described, described, need_weights=False)[0][:, 0])  # Eq. (16)
        return z
