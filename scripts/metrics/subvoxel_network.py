"""A U-Net that works on voxels of twice the size of those that it labels, and knows where tissues are expected."""

from collections.abc import Sequence

import torch
from monai.networks.nets import DynUNet
from monai.networks.utils import pixelshuffle, pixelunshuffle
from torch import Tensor, nn

FACTOR = 2
BLOCK = FACTOR**3


class SubvoxelUNet(nn.Module):
    """Image (B, 1, X, Y, Z) and prior (B, K, X/2, Y/2, Z/2) -> logits (B, `classes`, X, Y, Z); sides are even.

    The 8 voxels of a block are 8 channels of one larger voxel, and so are their logits at the end: nothing of the image
    is lost, at an eighth of the cost. `features` are the filters of MONAI's DynUNet, level by level.

    So that the same weights serve every contrast, brightness is given on two scales of the window itself: one leads
    from gray to white matter, the other from fluid to white matter, and each ends `furthest` times as far from the
    middle as these. How bright the tissues are is told by where the prior expects them, by the sums of its maps
    `fluid`, `grey` and `white`.

    To the logits of the U-Net a small network, `width` wide, adds those by each voxel's own brightness and prior, which
    are learned long before the U-Net knows of single voxels.
    """

    def __init__(
        self,
        classes: int,
        priors: int,
        fluid: Sequence[int],
        grey: Sequence[int],
        white: Sequence[int],
        features: Sequence[int],
        width: int = 32,
        furthest: float = 4.0,
        least_difference: float = 0.03,
    ) -> None:
        super().__init__()
        self.tissues = [list(maps) for maps in (fluid, grey, white)]
        self.furthest, self.least_difference = furthest, least_difference
        deeper = len(features) - 1
        self.net = DynUNet(
            spatial_dims=3,
            in_channels=2 * BLOCK + priors,
            out_channels=classes * BLOCK,
            kernel_size=[3] * len(features),
            strides=[1] + [2] * deeper,
            upsample_kernel_size=[2] * deeper,
            filters=list(features),
        )
        self.voxelwise = nn.Sequential(
            nn.Conv3d(2 + priors, width, 1),
            nn.LeakyReLU(0.1),
            nn.Conv3d(width, width, 1),
            nn.LeakyReLU(0.1),
            nn.Conv3d(width, classes, 1),
        )

    def forward(self, image: Tensor, prior: Tensor) -> Tensor:
        """Logits of every voxel."""
        return unpack(self.label_packed(pack(image, prior)))

    def label_packed(self, packed: Tensor) -> Tensor:
        """Logits (B, 8 classes, x, y, z) of larger voxels, from what `pack` makes of a window."""
        image, prior = packed[:, :BLOCK], packed[:, BLOCK:]
        fluid, grey, white = self._brightness(image, prior)
        scales = [self._on_scale(image, other, white) for other in (grey, fluid)]
        logits: Tensor = self.net(torch.cat([*scales, prior], dim=1)) + self._label_voxelwise(scales, prior)
        return logits

    def _label_voxelwise(self, scales: Sequence[Tensor], prior: Tensor) -> Tensor:
        """Logits (B, 8 classes, x, y, z) by each voxel's own brightness on both scales and its prior."""
        each = torch.stack(tuple(scales), dim=2)
        seen = torch.cat([each, prior[:, None].expand(-1, BLOCK, -1, -1, -1, -1)], dim=2)
        found = self.voxelwise(seen.flatten(0, 1)).unflatten(0, (-1, BLOCK))
        return found.transpose(1, 2).flatten(1, 2)

    def _brightness(self, image: Tensor, prior: Tensor) -> list[Tensor]:
        """How bright each tissue is, (B, 1, 1, 1, 1) each: least squares of the image as a mixture by the prior."""
        shares = torch.stack([prior[:, maps].sum(dim=1).flatten(1) for maps in self.tissues], dim=1).float()
        values = image.mean(dim=1).flatten(1).float()
        # A window may show hardly anything of a tissue.
        products = shares @ shares.transpose(1, 2) + torch.eye(len(self.tissues), device=image.device)
        found = torch.linalg.solve(products, shares @ values[:, :, None])
        return [level[:, None, None, None] for level in found.unbind(dim=1)]

    def _on_scale(self, image: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Brightness from `low` to `high`, between -1 and 1; of two that are alike, as if they differed a little."""
        difference = high - low
        sign = torch.where(difference < 0, -1.0, 1.0)
        spread = sign * difference.abs().clamp(min=self.least_difference)
        return ((2 * image - low - high) / spread / self.furthest).clamp(-1, 1)


def pack(image: Tensor, prior: Tensor) -> Tensor:
    """Channels (B, 8 + K, X/2, Y/2, Z/2) of larger voxels."""
    return torch.cat([pixelunshuffle(image, 3, FACTOR), prior], dim=1)


def unpack(logits: Tensor) -> Tensor:
    """Logits (B, classes, X, Y, Z) of voxels from those of larger ones (B, 8 classes, X/2, Y/2, Z/2)."""
    found: Tensor = pixelshuffle(logits, 3, FACTOR)
    return found
