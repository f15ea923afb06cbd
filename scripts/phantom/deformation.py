"""Random diffeomorphic warps: a smooth stationary velocity field, integrated by scaling and squaring."""

from collections.abc import Mapping
from functools import lru_cache

import torch
import torch.nn.functional as F

from .fields import Shape, smooth_field

# The velocity is smooth over many millimetres, so a coarser lattice loses nothing.
STRIDE = 4


def _sample(maps: torch.Tensor, coordinates: torch.Tensor) -> torch.Tensor:
    """Sample `maps` (C, X, Y, Z) at voxel `coordinates` (3, ...) by linear interpolation; edges are repeated."""
    sizes = torch.tensor(maps.shape[1:], dtype=torch.float32)
    unit = torch.stack([2 * axis / (size - 1) - 1 for axis, size in zip(coordinates, sizes, strict=True)][::-1], dim=-1)
    return F.grid_sample(maps[None], unit[None], padding_mode="border", align_corners=True)[0]


def sample(maps: torch.Tensor, coordinates: torch.Tensor) -> torch.Tensor:
    """Sample maps (C, X, Y, Z) at voxel coordinates (3, X', Y', Z') linearly; integer maps by the nearest voxel."""
    if maps.dtype.is_floating_point:
        return _sample(maps, coordinates)
    index = [axis.round().long().clamp(0, size - 1) for axis, size in zip(coordinates, maps.shape[1:], strict=True)]
    return maps[:, index[0], index[1], index[2]]


def identity(shape: Shape) -> torch.Tensor:
    """Voxel coordinates (3, X, Y, Z) of every voxel; one tensor for all callers, not to be changed in place."""
    return _identity(tuple(shape))


@lru_cache(maxsize=2)
def _identity(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.stack(torch.meshgrid(*[torch.arange(n, dtype=torch.float32) for n in shape], indexing="ij"))


def draw_velocity(shape: Shape, amplitude_mm: Mapping[str, float], generator: torch.Generator) -> torch.Tensor:
    """Return a velocity (3, x, y, z) in voxels on the coarse lattice; `amplitude_mm` maps smoothness to strength."""
    coarse = [(n + STRIDE - 1) // STRIDE for n in shape]
    velocity = torch.zeros(3, *coarse)
    for spacing, amplitude in amplitude_mm.items():
        for axis in range(3):
            velocity[axis] += amplitude * smooth_field(coarse, float(spacing) / STRIDE, generator)
    return velocity


def coarse(maps: torch.Tensor) -> torch.Tensor:
    """Every `STRIDE`-th voxel of maps (C, X, Y, Z): the lattice of the velocity."""
    return maps[:, ::STRIDE, ::STRIDE, ::STRIDE]


def integrate(velocity: torch.Tensor, shape: Shape, steps: int = 6) -> torch.Tensor:
    """Exponential map of the velocity: a displacement (3, X, Y, Z) in voxels that folds nowhere."""
    grid = identity(velocity.shape[1:])
    flow = velocity / 2**steps
    for _ in range(steps):
        flow = flow + _sample(flow, grid + flow / STRIDE)
    fine = identity(shape) / STRIDE
    return _sample(flow, fine)


def jacobian_determinant(coordinates: torch.Tensor) -> torch.Tensor:
    """Determinant of the map's derivative by forward differences, (X-1, Y-1, Z-1)."""
    core = coordinates[:, :-1, :-1, :-1]
    dx = coordinates[:, 1:, :-1, :-1] - core
    dy = coordinates[:, :-1, 1:, :-1] - core
    dz = coordinates[:, :-1, :-1, 1:] - core
    # Written out, because a cross product along the first axis is slow.
    minors = (dy[1] * dz[2] - dy[2] * dz[1], dy[2] * dz[0] - dy[0] * dz[2], dy[0] * dz[1] - dy[1] * dz[0])
    return dx[0] * minors[0] + dx[1] * minors[1] + dx[2] * minors[2]
