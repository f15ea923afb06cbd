"""The grid on which the network works: a box in the middle of the working grid, of coarser voxels."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool3d, interpolate, pad

from ...base.arguments import check_whole
from ...base.errors import InputError


class NetworkGrid:
    """Brings volumes of the working grid, from 0 to `upper`, to `shape` voxels of `voxel_mm`, from -1 to 1, and back.

    The box is as the paper's, 144 x 184 x 184 mm. What of an image lies outside of it comes back by the straight line
    that fits best inside.
    """

    def __init__(self, shape: Sequence[int] = (144, 184, 184), voxel_mm: int = 1, upper: float = 1.5) -> None:
        if len(shape) != 3:
            raise InputError(f"`shape` must be three numbers, got {list(shape)}")
        for size in shape:
            check_whole("shape", size)
        check_whole("voxel_mm", voxel_mm)
        if not upper > 0:
            raise InputError(f"`upper` must be above 0, got {upper}")
        self.shape = list(shape)
        self.voxel_mm = voxel_mm
        self.upper = upper

    @property
    def name(self) -> str:
        """Tells it from others."""
        return f"{'x'.join(map(str, self.shape))} voxels of {self.voxel_mm} mm"

    def to_network(self, volumes: Tensor, name: str = "the volume") -> Tensor:
        """Volumes (B, 1, *shape) of volumes (B, 1, X, Y, Z); refuse what is not in range, speaking of `name`."""
        scaled = self._coarse(volumes) * (2 / self.upper) - 1
        check_range(scaled, name)
        return scaled

    def from_network(self, made: Tensor, volumes: Tensor) -> Tensor:
        """What the network `made` of `volumes` (B, 1, X, Y, Z), on their grid and in their range, 0 where they are."""
        fine = self._fine((made.clamp(-1, 1) + 1) * (self.upper / 2), volumes)
        inside = self._fine(torch.ones_like(made), volumes) > 0
        return torch.stack([self._finish(*each) for each in zip(fine, volumes, inside, strict=True)])

    def blurred(self, volumes: Tensor) -> Tensor:
        """What the network can know of volumes (B, 1, X, Y, Z), on their grid."""
        return self._fine(self._coarse(volumes), volumes) * (volumes > 0)

    def _coarse(self, volumes: Tensor) -> Tensor:
        box = [size * self.voxel_mm for size in self.shape]
        return avg_pool3d(_centered(volumes, box), self.voxel_mm)

    def _fine(self, coarse: Tensor, volumes: Tensor) -> Tensor:
        if self.voxel_mm > 1:
            coarse = interpolate(coarse, scale_factor=float(self.voxel_mm), mode="trilinear")
        return _centered(coarse, volumes.shape[2:])

    @staticmethod
    def _finish(fine: Tensor, volume: Tensor, inside: Tensor) -> Tensor:
        known, beyond = (volume > 0) & inside, (volume > 0) & ~inside
        result = fine * (volume > 0)
        if beyond.any() and known.any():
            x, y = volume[known], fine[known]
            slope = ((x - x.mean()) * (y - y.mean())).mean() / x.var(correction=0).clamp(min=1e-6)
            result[beyond] = (slope * (volume[beyond] - x.mean()) + y.mean()).clamp(min=0)
        return result


def check_range(volumes: Tensor, name: str) -> None:
    """Refuse values outside of [-1, 1]."""
    low, high = float(volumes.min()), float(volumes.max())
    # What a mean over voxels may be off by.
    if not (low >= -1 - 1e-4 and high <= 1 + 1e-4):
        raise InputError(
            f"values of {name} must be from -1 to 1 after scaling, got {low:g} to {high:g}; `upper` of the "
            "preprocessing must be that of the network's grid"
        )


def _centered(volumes: Tensor, shape: Sequence[int]) -> Tensor:
    """Cut or filled up with 0 around the middle; filled up and cut again, or the reverse, all is in its place."""
    margins: list[int] = []
    for size, wanted in zip(reversed(volumes.shape[2:]), reversed(shape), strict=True):
        # Of cutting and filling up the first half is the same, which MONAI's ResizeWithPadOrCrop does not do.
        half = abs(wanted - size) // 2 * (1 if wanted > size else -1)
        margins += [half, wanted - size - half]
    return pad(volumes, margins)
