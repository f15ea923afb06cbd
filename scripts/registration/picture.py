"""An image as registration sees it: coarse, smooth, its intensities spread evenly."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

# Of the full width at half maximum of the Gaussian, this many voxels: neighbors overlap, and gradients are smooth.
_WIDTH_IN_VOXELS = 1.5
_QUANTILES = 64
# Of so many voxels quantiles are as good as those of all.
_ENOUGH = 200_000
# What is darker than the mean, mostly air, shares as much of the range.
_DARK_SHARE = 0.25


@dataclass(frozen=True, eq=False)
class Picture:
    """Voxels (X, Y, Z) float32 in [0, 1] and their voxel-to-world affine (4, 4) float64."""

    voxels: Tensor
    affine: Tensor

    def at(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Values (..., N) at world `points` (..., 3, N), and which of those lie inside the field of view."""
        from_world = torch.linalg.inv(self.affine)
        places = from_world[:3, :3] @ points + from_world[:3, 3:]
        # From -1 to 1 over each axis, faces included, in the order z, y, x.
        scaled = 2 * (places.transpose(-1, -2) + 0.5) / torch.tensor(self.voxels.shape) - 1
        grid = scaled.flip(-1).float().reshape(1, 1, 1, -1, 3)
        values = F.grid_sample(self.voxels[None, None], grid, padding_mode="border", align_corners=False)
        return values.reshape(scaled.shape[:-1]), (scaled.abs() <= 1).all(dim=-1)

    def center_of_mass(self) -> Tensor:
        """Where the head is (3, 1): the mean place of all that is not dark."""
        places = (self.voxels > _DARK_SHARE).nonzero().double().mean(dim=0)
        return self.affine[:3, :3] @ places[:, None] + self.affine[:3, 3:]


def make_picture(voxels: np.ndarray, affine: np.ndarray, size_mm: float) -> Picture:
    """Average whole voxels (X, Y, Z) to about `size_mm` along each axis, and smooth."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    factors = [int(f) for f in np.clip(np.rint(size_mm / spacing), 1, voxels.shape)]
    coarse = F.avg_pool3d(torch.from_numpy(np.ascontiguousarray(voxels))[None, None], factors)[0, 0]
    to_fine = np.diag([*factors, 1.0])
    to_fine[:3, 3] = [(factor - 1) / 2 for factor in factors]
    for axis, step in enumerate(spacing * factors):
        coarse = _smooth(coarse, axis, _WIDTH_IN_VOXELS * size_mm / step / np.sqrt(8 * np.log(2)))
    return Picture(torch.from_numpy(_spread(coarse.numpy())), torch.from_numpy(affine @ to_fine))


def _smooth(voxels: Tensor, axis: int, sigma: float) -> Tensor:
    steps = torch.arange(voxels.shape[axis], dtype=torch.float32)
    kernel = torch.exp(-((steps[:, None] - steps) ** 2) / (2 * sigma**2))
    smooth = torch.tensordot(kernel / kernel.sum(dim=1, keepdim=True), voxels, dims=([1], [axis]))
    return torch.movedim(smooth, 0, axis)


def _spread(voxels: np.ndarray) -> np.ndarray:
    """Map intensities so that those of the head are evenly spread: else fat would leave few bins to the brain."""
    head = voxels[voxels > voxels.mean()]
    step = max(1, head.size // _ENOUGH)
    known = np.append(0, np.quantile(head[::step], np.linspace(0, 1, _QUANTILES)))
    wanted = np.append(0, np.linspace(_DARK_SHARE, 1, _QUANTILES))
    return np.interp(voxels, known, wanted).astype(np.float32)
