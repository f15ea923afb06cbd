"""A slice in a few numbers: how strong features are over the foreground, and how much they vary there."""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from .unet import LEAK


class PooledEncoder(nn.Module):
    """Means and logarithms of variances over the foreground, of features at several scales.

    (B, 1, H, W) -> (B, outputs). The first features see the image and, `gain` times as strong, what a blur takes from
    it. Nothing is normalised: what a feature's strength says is kept.
    """

    def __init__(
        self,
        outputs: int,
        widths: tuple[int, ...],
        hidden: int = 64,
        gain: float = 1.0,
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
        self.summary = nn.Sequential(nn.Linear(2 * sum(widths), hidden), nn.LeakyReLU(LEAK), nn.Linear(hidden, outputs))

    def forward(self, image: Tensor) -> Tensor:
        """The numbers."""
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
