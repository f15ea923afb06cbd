"""3D networks that make one volume of the three that were decoded in axial, coronal and sagittal slices.

HACA3's sees these three alone. What anatomy in five classes cannot hold, the sources show: the other one sees them too.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

# The published network leaks less than HACA3's slices do.
LEAK = 0.01


class FusionNet(nn.Module):
    """HACA3's: (B, 3, Z, Y, X) -> (B, 1, Z, Y, X), never negative."""

    def __init__(self, orientations: int = 3, base: int = 8) -> None:
        super().__init__()
        self.features = nn.Sequential(_block(orientations, base), _block(base, 2 * base))
        self.merge = nn.Sequential(
            nn.Conv3d(orientations + 2 * base, 2 * base, 3, padding=1),
            nn.LeakyReLU(LEAK),
            nn.Conv3d(2 * base, 1, 3, padding=1),
            nn.ReLU(),
        )

    def forward(self, volumes: Tensor) -> Tensor:
        """One volume of those of all orientations."""
        return self.merge(torch.cat([volumes, self.features(volumes)], dim=1))


class SourceFusionNet(nn.Module):
    """The mean of the planes, and what neighbouring voxels of planes and sources say beside it.

    (B, 3 + 4, X, Y, Z) -> (B, 1, X, Y, Z), never negative; sources are 0 where they show nothing. There is no
    normalisation, so that a voxel depends on those within `reach` of it alone. It starts as the mean.
    """

    def __init__(self, planes: int = 3, sources: int = 4, base: int = 16, layers: int = 3) -> None:
        super().__init__()
        self.planes = planes
        self.reach = layers
        widths = [planes + sources, *[base] * (layers - 1)]
        hidden = [_unnormalized_block(i, o) for i, o in pairwise(widths)]
        last = nn.Conv3d(base, 1, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, 0.0)  # type: ignore[arg-type]
        self.correction = nn.Sequential(*hidden, last)

    def forward(self, volumes: Tensor) -> Tensor:
        """One volume of planes and sources."""
        return (volumes[:, : self.planes].mean(1, keepdim=True) + self.correction(volumes)).relu()


def _unnormalized_block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv3d(inputs, outputs, 3, padding=1), nn.LeakyReLU(LEAK))


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv3d(inputs, outputs, 3, padding=1), nn.InstanceNorm3d(outputs), nn.LeakyReLU(LEAK))
