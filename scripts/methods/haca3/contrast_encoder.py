"""Encoders of a slice's contrast: that of HACA3, and one that tells unseen scanners apart after fewer of them.

What a scanner makes of tissue shows in how bright and how varied an image is. HACA3's encoder normalises every feature
by its own strength, and has to find that again in the features' shapes.
"""

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from ...layers.pooled_encoder import PooledEncoder
from ...layers.unet import ConvBlock


class ContrastEncoder(nn.Module):
    """HACA3's: (B, 1, H, W) -> mean and log-variance of theta, each (B, theta)."""

    def __init__(self, field_of_view: int = 224, theta: int = 2) -> None:
        super().__init__()
        self.features = nn.Sequential(
            ConvBlock(1, 32, kernel=17, stride=9, padding=4),
            ConvBlock(32, 64, kernel=4, stride=2, padding=1),
            ConvBlock(64, 64, kernel=4, stride=2, padding=1),
        )
        # 224 pixels come down to 6; the last convolution takes them all.
        remaining = ((field_of_view + 8 - 17) // 9 + 1) // 2 // 2
        self.mean = nn.Sequential(ConvBlock(64, 32), nn.Conv2d(32, theta, remaining))
        self.log_variance = nn.Sequential(ConvBlock(64, 32), nn.Conv2d(32, theta, remaining))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance."""
        features = self.features(image)
        return self.mean(features).flatten(1), self.log_variance(features).flatten(1)


class PooledContrastEncoder(nn.Module):
    """Ours, which sees the image at half its resolution: (B, 1, H, W) -> mean and log-variance, each (B, theta)."""

    def __init__(self, theta: int = 2, widths: tuple[int, ...] = (16, 32, 32, 64)) -> None:
        super().__init__()
        self.pooled = PooledEncoder(2 * theta, widths)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance."""
        mean, log_variance = self.pooled(avg_pool2d(image, 2)).chunk(2, dim=1)
        return mean, log_variance
