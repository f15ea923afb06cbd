"""3D networks that make one volume of the three that were decoded in axial, coronal and sagittal slices.

HACA3's normalises its features over a whole cube; the other one normalises nothing.
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


class PlaneFusionNet(nn.Module):
    """The median of the planes, and what neighbouring voxels of all of them say beside it.

    (B, 3, X, Y, Z) -> (B, 1, X, Y, Z), never negative. There is no normalisation, so that a voxel depends on those
    within `reach` of it alone. It starts as the median.
    """

    def __init__(self, planes: int = 3, base: int = 16, layers: int = 3) -> None:
        super().__init__()
        self.reach = layers
        widths = [planes + 1, *[base] * (layers - 1)]
        hidden = [_unnormalized_block(i, o) for i, o in pairwise(widths)]
        last = nn.Conv3d(base, 1, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, 0.0)  # type: ignore[arg-type]
        self.correction = nn.Sequential(*hidden, last)

    def forward(self, volumes: Tensor) -> Tensor:
        """One volume of those of all planes."""
        median = volumes.median(dim=1, keepdim=True).values
        # How planes differ says more than how bright they are, and nothing of which contrast it is.
        return (median + self.correction(torch.cat([volumes - median, median], dim=1))).relu()


def _unnormalized_block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv3d(inputs, outputs, 3, padding=1), nn.LeakyReLU(LEAK))


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv3d(inputs, outputs, 3, padding=1), nn.InstanceNorm3d(outputs), nn.LeakyReLU(LEAK))
