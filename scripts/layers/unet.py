"""The 2D U-Net behind HACA3's anatomy encoder and its decoder."""

import torch
from torch import Tensor, nn

LEAK = 0.1


class ConvBlock(nn.Sequential):
    """Convolution, instance normalisation without parameters, LeakyReLU: (B, inputs, H, W) -> (B, outputs, H', W')."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, padding: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, padding),
            nn.InstanceNorm2d(outputs),
            nn.LeakyReLU(LEAK, inplace=True),
        )


class DoubleConv(nn.Sequential):
    """Two blocks, the second as wide as the first."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(ConvBlock(inputs, outputs), ConvBlock(outputs, outputs))


class UpBlock(nn.Module):
    """Doubles the resolution, concatenates what the same level's encoder saw, and halves the channels."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.enlarge = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.lift = ConvBlock(inputs, inputs // 2)
        self.merge = DoubleConv(inputs, inputs // 2)

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        """`deep` (B, inputs, H/2, W/2) and `skip` (B, inputs/2, H, W) to (B, inputs/2, H, W)."""
        return self.merge(torch.cat([skip, self.lift(self.enlarge(deep))], dim=1))


class UNet(nn.Module):
    """(B, inputs, H, W) -> (B, outputs, H, W), H and W multiples of 2 ** levels; `base` channels after the first layer.

    The encoder of level l has base * 2 ** (l + 1) channels.
    """

    def __init__(self, inputs: int, outputs: int, base: int, levels: int = 4) -> None:
        super().__init__()
        widths = [base * 2**level for level in range(levels + 2)]
        self.stem = nn.Conv2d(inputs, base, 3, padding=1)
        self.down = nn.ModuleList(DoubleConv(widths[level], widths[level + 1]) for level in range(levels))
        self.halve = nn.MaxPool2d(2)
        self.bottleneck = DoubleConv(widths[levels], widths[levels + 1])
        self.up = nn.ModuleList(UpBlock(widths[level + 2]) for level in reversed(range(levels)))
        self.head = nn.Sequential(
            nn.Conv2d(2 * base, base, 3, padding=1),
            nn.LeakyReLU(LEAK, inplace=True),
            nn.Conv2d(base, outputs, 3, padding=1),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Features without a final activation."""
        features = self.stem(image)
        skips: list[Tensor] = []
        for block in self.down:
            features = block(features)
            skips.append(features)
            features = self.halve(features)
        features = self.bottleneck(features)
        for block in self.up:
            features = block(features, skips.pop())
        return self.head(features)
