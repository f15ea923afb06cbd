"""The 3D network that makes one volume of the three that were decoded in axial, coronal and sagittal slices."""

import torch
from torch import Tensor, nn

# The published network leaks less than HACA3's slices do.
LEAK = 0.01


class FusionNet(nn.Module):
    """(B, 3, Z, Y, X) -> (B, 1, Z, Y, X), never negative."""

    def __init__(self, orientations: int = 3, base: int = 8) -> None:
        super().__init__()
        self.features = nn.Sequential(_block(orientations, base), _block(base, 2 * base))
        self.merge = nn.Sequential(
            nn.Conv3d(orientations + 2 * base, 2 * base, 3, padding=1),
            nn.LeakyReLU(LEAK),
            nn.Conv3d(2 * base, 1, 3, padding=1),
            nn.ReLU(),
        )

    @torch.no_grad()
    def start_as_mean(self) -> None:
        """Let the first of the merged features be the mean of the volumes, and the output that feature."""
        first, last = (layer for layer in self.merge if isinstance(layer, nn.Conv3d))
        orientations = first.in_channels - first.out_channels
        for layer in (first, last):
            nn.init.zeros_(layer.weight[0])
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        nn.init.constant_(first.weight[0, :orientations, 1, 1, 1], 1 / orientations)
        nn.init.ones_(last.weight[0, 0, 1, 1, 1])

    def forward(self, volumes: Tensor) -> Tensor:
        """One volume of those of all orientations."""
        return self.merge(torch.cat([volumes, self.features(volumes)], dim=1))


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv3d(inputs, outputs, 3, padding=1), nn.InstanceNorm3d(outputs), nn.LeakyReLU(LEAK))
