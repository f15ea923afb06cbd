"""How much local structure an image lacks: 1 - SSIM, which is large for a blurred image whose mean error is small.

Formula and constants are those of `metrics/ssim.py`, here with gradients, for slices.
"""

import torch
from torch import Tensor, nn

from ...layers.loss_precision import in_float32


class StructuralLoss(nn.Module):
    """1 - SSIM, the mean over the pixels where `visible` is true, then over samples. Pixels outside count as 0 in both.

    The window is a Gaussian of 2 `radius` + 1 pixels.
    """

    window: Tensor

    def __init__(
        self, data_range: float = 1.0, sigma: float = 1.5, radius: int = 5, k1: float = 0.01, k2: float = 0.03
    ) -> None:
        super().__init__()
        offsets = torch.arange(-radius, radius + 1)
        weights = torch.exp(-0.5 * (offsets / sigma) ** 2)
        self.register_buffer("window", weights / weights.sum(), persistent=False)
        self.c1, self.c2 = (k1 * data_range) ** 2, (k2 * data_range) ** 2

    @in_float32
    def forward(self, output: Tensor, target: Tensor, visible: Tensor) -> Tensor:
        """All (B, 1, H, W)."""
        x, y = output * visible, target * visible
        mean_x, mean_y, square_x, square_y, product = self._average(torch.stack([x, y, x * x, y * y, x * y]))
        variances = square_x - mean_x**2 + square_y - mean_y**2
        covariance = product - mean_x * mean_y
        luminance = (2 * mean_x * mean_y + self.c1) / (mean_x**2 + mean_y**2 + self.c1)
        ssim = luminance * (2 * covariance + self.c2) / (variances + self.c2)
        missing = ((1 - ssim) * visible).flatten(1).sum(1)
        return (missing / visible.flatten(1).sum(1).clamp(min=1)).mean()

    def _average(self, images: Tensor) -> Tensor:
        """By matrices, since a GPU's convolutions round to 10 bits, too coarse for differences of squares."""
        rows, columns = (self._matrix(size) for size in images.shape[-2:])
        return rows @ images @ columns

    def _matrix(self, size: int) -> Tensor:
        """Symmetric (size, size): each row holds the window about its diagonal, cut off at the border."""
        radius = len(self.window) // 2
        places = torch.arange(size, device=self.window.device)
        distance = (places.unsqueeze(0) - places.unsqueeze(1)).abs()
        return torch.where(distance <= radius, self.window[(distance + radius).clamp(max=2 * radius)], 0.0)
