"""A U-Net that works on voxels of twice the size of those that it labels, and knows where structures are expected."""

from collections.abc import Sequence

import torch
from monai.networks.nets import BasicUNet
from monai.networks.utils import pixelshuffle, pixelunshuffle
from torch import Tensor, nn

FACTOR = 2
BLOCK = FACTOR**3


class SubvoxelUNet(nn.Module):
    """Image (B, 1, X, Y, Z) and prior (B, `priors`, X/2, Y/2, Z/2) -> logits (B, `classes`, X, Y, Z); sides are even.

    The 8 voxels of a block are 8 channels of one larger voxel, and so are their logits at the end: nothing of the image
    is lost, at an eighth of the cost. `features` are those of MONAI's BasicUNet, whose instance norm makes labels
    independent of the image's unit.
    """

    def __init__(self, classes: int, priors: int, features: Sequence[int]) -> None:
        super().__init__()
        self.net = BasicUNet(
            spatial_dims=3,
            in_channels=BLOCK + priors,
            out_channels=classes * BLOCK,
            features=features,
            norm=("instance", {"affine": True}),
        )

    def forward(self, image: Tensor, prior: Tensor) -> Tensor:
        """Logits of every voxel."""
        return unpack(self.net(pack(image, prior)))


def pack(image: Tensor, prior: Tensor) -> Tensor:
    """Channels (B, 8 + priors, X/2, Y/2, Z/2) of larger voxels."""
    return torch.cat([pixelunshuffle(image, 3, FACTOR), prior], dim=1)


def unpack(logits: Tensor) -> Tensor:
    """Logits (B, classes, X, Y, Z) of voxels from those of larger ones (B, 8 classes, X/2, Y/2, Z/2)."""
    found: Tensor = pixelshuffle(logits, 3, FACTOR)
    return found
