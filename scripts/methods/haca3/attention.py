"""How much each source contributes to the fused anatomy, per pixel: the part in which HACA3 and HACA3+ differ.

Both score a source by how well its code k = (theta, eta) answers the target's code q (HACA3, Eqs. 3-4):

    alpha = softmax(f_q(q) . f_k(k) / (sqrt(dim k) * temperature))

and differ in what becomes of alpha (B, C) where a source shows only background.

Arguments are `query` (B, D), `keys` (B, C, D), `foreground` (B, C, H, W) and `available` (B, C); weights (B, C, H, W)
sum to 1 over the sources.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from ...layers.unet import LEAK


class CodeAttention(nn.Module):
    """alpha (B, C): attention of a query over the keys of the available sources."""

    def __init__(
        self,
        code: int = 4,
        hidden: int = 128,
        features: int = 16,
        training_temperature: float = 10.0,
        temperature: float = 5.0,
    ) -> None:
        super().__init__()
        self.query = _projection(code, hidden, features)
        self.key = _projection(code, hidden, features)
        self.scale = code**-0.5
        self.training_temperature = training_temperature
        self.temperature = temperature
        # Far below any score, and finite: where no source is available the weights stay finite too.
        self.never = -1e4

    def forward(self, query: Tensor, keys: Tensor, available: Tensor) -> Tensor:
        """`query` (B, D or more), `keys` (B, C, D) and `available` (B, C) to weights (B, C); levels do not count."""
        scores = (self.query(query[:, : keys.shape[2]]).unsqueeze(1) * self.key(keys)).sum(-1) * self.scale
        temperature = self.training_temperature if self.training else self.temperature
        return (scores / temperature).masked_fill(available == 0, self.never).softmax(-1)


class SourceAttention(nn.Module, ABC):
    """What the network asks of its attention."""

    @abstractmethod
    def forward(self, query: Tensor, keys: Tensor, foreground: Tensor, available: Tensor) -> Tensor:
        """The weights (B, C, H, W)."""

    @abstractmethod
    def visible(self, foreground: Tensor, available: Tensor) -> Tensor:
        """Where the output may differ from 0, (B, 1, H, W)."""


class ScalarAttention(SourceAttention):
    """HACA3: one weight per source and slice; what the first source does not show stays empty."""

    def __init__(self, alpha: nn.Module) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, query: Tensor, keys: Tensor, foreground: Tensor, available: Tensor) -> Tensor:
        """The same weights at every pixel."""
        alpha = self.alpha(query, keys, available)
        return alpha.unsqueeze(-1).unsqueeze(-1).expand(-1, -1, foreground.shape[2], foreground.shape[3])

    def visible(self, foreground: Tensor, available: Tensor) -> Tensor:
        """The foreground of each subject's first available source."""
        first = available.to(torch.int64).argmax(1)
        return foreground[torch.arange(len(first), device=first.device), first].unsqueeze(1)


class ForegroundAttention(SourceAttention):
    """HACA3+: a source has weight only where it shows foreground (Fig. 1c).

    `smoothing` averages neighbouring weights that differ by more than `smoothing_threshold`, as public code does with
    published weights. It lets a source without foreground reach up to half the weight beside its border.
    """

    def __init__(self, alpha: nn.Module, smoothing: bool = False, smoothing_threshold: float = 0.2) -> None:
        super().__init__()
        self.alpha = alpha
        self.smoothing = smoothing
        self.smoothing_threshold = smoothing_threshold

    def forward(self, query: Tensor, keys: Tensor, foreground: Tensor, available: Tensor) -> Tensor:
        """The weights alpha of the sources that show foreground, renormalised; equal ones where none does."""
        shown = (foreground & (available != 0).unsqueeze(-1).unsqueeze(-1)).to(keys.dtype)
        weights = self.alpha(query, keys, available).unsqueeze(-1).unsqueeze(-1) * shown
        equal = (available / available.sum(1, keepdim=True).clamp(min=1.0)).unsqueeze(-1).unsqueeze(-1)
        total = weights.sum(1, keepdim=True)
        # Never divided by 0, not even where the result is not taken: the gradient of that is not a number.
        weights = torch.where(total > 0, weights / torch.where(total > 0, total, 1.0), equal)
        return self._smooth(weights) if self.smoothing else weights

    def visible(self, foreground: Tensor, available: Tensor) -> Tensor:
        """Wherever some available source shows foreground."""
        return (foreground & (available != 0).unsqueeze(-1).unsqueeze(-1)).any(1, keepdim=True)

    def _smooth(self, weights: Tensor) -> Tensor:
        padded = pad(weights, [1, 1, 1, 1], mode="replicate")
        above, below = padded[:, :, :-2, 1:-1], padded[:, :, 2:, 1:-1]
        left, right = padded[:, :, 1:-1, :-2], padded[:, :, 1:-1, 2:]
        smooth = weights
        for neighbour in (above, below, left, right):
            differs = (smooth - neighbour).abs() > self.smoothing_threshold
            smooth = torch.where(differs, (smooth + neighbour) / 2, smooth)
        return smooth / smooth.sum(1, keepdim=True)


def _projection(code: int, hidden: int, features: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(code, hidden), nn.LeakyReLU(LEAK), nn.Linear(hidden, features), nn.LayerNorm(features)
    )
