"""The two encoders, and the blocks that they and the generator are built of.

Letters in shapes: B images, C channels, K labels, N numbers of noise, X, Y and Z the size of a volume.
"""

from collections.abc import Callable

from torch import Tensor, nn

from .level_means import LevelMeans
from .sizes import Sizes

Norm = Callable[[int], nn.Module]
LEAK = 0.2


def halving(inner: int, outer: int) -> nn.Conv3d:
    """A convolution that halves a volume."""
    return nn.Conv3d(inner, outer, 4, stride=2, padding=1)


def trunk(sizes: Sizes, halvings: int, norm: Norm | None) -> nn.Sequential:
    """(B, 1, X, Y, Z) to twice as many channels after each halving.

    Without a `norm` negative values leak, or channels die for good, one after the other.
    """
    layers = [nn.Conv3d(1, sizes.width, sizes.edge_kernel, padding=sizes.edge_kernel // 2)]
    widths = [sizes.width * 2**number for number in range(halvings + 1)]
    layers += [halving(inner, outer) for inner, outer in zip(widths, widths[1:], strict=False)]
    if norm is None:
        return nn.Sequential(*(nn.Sequential(layer, nn.LeakyReLU(LEAK)) for layer in layers))
    return nn.Sequential(*(nn.Sequential(layer, norm(layer.out_channels), nn.ReLU()) for layer in layers))


class ResidualBlock(nn.Module):
    """Two convolutions on the way around which the input goes unchanged."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv3d(width, width, 3, padding=1),
            nn.InstanceNorm3d(width),
            nn.ReLU(),
            nn.Conv3d(width, width, 3, padding=1),
            nn.InstanceNorm3d(width),
        )

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, X, Y, Z) to the same shape."""
        result: Tensor = features + self.body(features)
        return result


class StructureEncoder(nn.Sequential):
    """E_b: (B, 1, X, Y, Z) to the structure code c (B, C, X', Y', Z'); instance normalization takes the style away."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__(
            trunk(sizes, sizes.halvings, nn.InstanceNorm3d),
            *(ResidualBlock(sizes.deepest) for _ in range(sizes.blocks)),
        )


class StyleEncoder(nn.Module):
    """E_s: (B, 1, X, Y, Z) to mean and log variance of the noise n (B, N), and labels l (B, K).

    No layer is normalized, since levels and contrasts are the style.
    """

    def __init__(self, sizes: Sizes, labels: int) -> None:
        super().__init__()
        self.noise = sizes.noise
        layers = trunk(sizes, sizes.style_halvings, None)
        widths = [sizes.width * 2**number for number in range(sizes.style_halvings + 1)]
        self.body = LevelMeans(list(layers), widths)
        self.head = nn.Linear(self.body.size, 2 * sizes.noise + labels)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean, log variance, labels."""
        found = self.head(self.body(image, (image > 0).float())[1]).float()
        # Beyond, a variance would be 0 or infinite in single precision.
        return found[:, : self.noise], found[:, self.noise : 2 * self.noise].clamp(-10, 10), found[:, 2 * self.noise :]
