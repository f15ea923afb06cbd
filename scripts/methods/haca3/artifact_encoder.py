"""Encoders of a slice's artifacts: that of HACA3, and one that learns in a tenth of the time.

Artifacts change how strong the detail of a slice is at each scale, by hundredths of its brightness. HACA3's encoder
normalises every feature by its own strength, and must learn to average over the patches of its last layers.
"""

import torch
from torch import Tensor, nn

from ...layers.pooled_encoder import PooledEncoder
from ...layers.unet import ConvBlock


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


class PooledArtifactEncoder(PooledEncoder):
    """Ours: features at five scales, and a gain for the detail: (B, 1, H, W) -> eta (B, eta)."""

    def __init__(
        self,
        eta: int = 2,
        widths: tuple[int, ...] = (16, 24, 32, 48, 64),
        hidden: int = 64,
        gain: float = 20.0,
        foreground_threshold: float = 1e-2,
    ) -> None:
        super().__init__(eta, widths, hidden, gain, foreground_threshold)
