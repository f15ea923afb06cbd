"""Encoders of a slice's artifacts: that of HACA3, and one that learns in a tenth of the time.

Artifacts change how strong the detail of a slice is at each scale, by hundredths of its brightness. HACA3's encoder
normalises every feature by its own strength, and must learn to average over the patches of its last layers.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from .unet import LEAK, ConvBlock


class ArtifactEncoder(nn.Module):
    """HACA3's: (B, 1, H, W) -> eta (B, eta)."""

    def __init__(self, field_of_view: int = 224, eta: int = 2) -> None:
        super().__init__()
        self.features = nn.Sequential(ConvBlock(1, 16, kernel=5, padding=2), ConvBlock(16, 64))
        self.summary = nn.Sequential(
            ConvBlock(64 + 1, 32, kernel=32, stride=32, padding=0), nn.Conv2d(32, eta, field_of_view // 32)
        )

    def forward(self, image: Tensor) -> Tensor:
        """The code."""
        return self.summary(torch.cat([self.features(image), image], dim=1)).flatten(1)


class PooledArtifactEncoder(nn.Module):
    """Means and logarithms of variances over the foreground, of features at five scales: (B, 1, H, W) -> eta (B, eta).

    The first features see the image and, `gain` times as strong, what a blur takes from it.
    """

    def __init__(
        self,
        eta: int = 2,
        widths: tuple[int, ...] = (16, 24, 32, 48, 64),
        hidden: int = 64,
        gain: float = 20.0,
        foreground_threshold: float = 1e-2,
    ) -> None:
        super().__init__()
        self.gain = gain
        self.foreground_threshold = foreground_threshold
        inputs = (2, *widths[:-1])
        self.scales = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, o, 3, stride=1 if n == 0 else 2, padding=1), nn.LeakyReLU(LEAK, inplace=True))
            for n, (i, o) in enumerate(zip(inputs, widths, strict=True))
        )
        self.summary = nn.Sequential(nn.Linear(2 * sum(widths), hidden), nn.LeakyReLU(LEAK), nn.Linear(hidden, eta))

    def forward(self, image: Tensor) -> Tensor:
        """The code."""
        weight = (image > self.foreground_threshold).float()
        detail = (image - avg_pool2d(image, 3, 1, 1)) * self.gain
        features = torch.cat([image, detail * weight.to(image.dtype)], dim=1)
        statistics: list[Tensor] = []
        for scale in self.scales:
            features = scale(features)
            if features.shape[-1] != weight.shape[-1]:
                weight = avg_pool2d(weight, 2)
            statistics += _over_foreground(features.float(), weight)
        return self.summary(torch.cat(statistics, dim=1).to(image.dtype))


def _over_foreground(features: Tensor, weight: Tensor) -> list[Tensor]:
    """Mean and log-variance (B, C) of features (B, C, H, W), pixels weighted by (B, 1, H, W)."""
    total = weight.sum((2, 3)).clamp(min=1.0)
    mean = (features * weight).sum((2, 3)) / total
    deviation = features - mean[:, :, None, None]
    return [mean, ((deviation * deviation * weight).sum((2, 3)) / total + 1e-6).log()]
