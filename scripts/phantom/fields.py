"""Smooth random fields, the one source of spatial randomness in the phantom."""

from collections.abc import Sequence
from functools import lru_cache

import torch

Shape = Sequence[int]


@lru_cache(maxsize=64)
def _bspline_basis(size: int, spacing: float) -> torch.Tensor:
    """Cubic B-splines with knots every `spacing` voxels, sampled on `size` voxels; (size, knots), unit mean square."""
    knots = int(size / spacing) + 4
    distance = (torch.arange(size)[:, None] / spacing - torch.arange(knots)[None] + 1.5).abs()
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = (2 - distance).clamp(min=0) ** 3 / 6
    basis = torch.where(distance < 1, near, far)
    return basis / basis.square().sum(dim=1).mean().sqrt()


def smooth_field(shape: Shape, spacing: float, generator: torch.Generator) -> torch.Tensor:
    """Return a Gaussian random field (X, Y, Z) of about unit variance, smooth over `spacing` voxels."""
    bases = [_bspline_basis(size, float(spacing)) for size in shape]
    weights = torch.randn([basis.shape[1] for basis in bases], generator=generator)
    # Three matrix products in place of a convolution: the cost hardly depends on the spacing.
    for basis in bases:
        weights = torch.tensordot(weights, basis, dims=([0], [1]))
    return weights


def white_field(shape: Shape, generator: torch.Generator) -> torch.Tensor:
    """Return independent standard normal values (X, Y, Z)."""
    return torch.randn(tuple(shape), generator=generator)


def seeded(*parts: int) -> torch.Generator:
    """Return a generator whose stream depends on every one of `parts`, in order."""
    state = 0
    for part in parts:
        state = (state * 6364136223846793005 + int(part) + 1442695040888963407) % 2**63
    return torch.Generator().manual_seed(state)
