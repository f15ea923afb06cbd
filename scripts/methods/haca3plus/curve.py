"""The way for identity's first half: a monotone curve that starts at the classical percentile match.

Symbols: p and q (B, P) are the foreground percentiles of source and target, delta (B, P + 1) the logarithms by which
the network changes the slopes. With p_0 = q_0 = 0 and intervals dp_k = p_k - p_(k-1), dq_k = q_k - q_(k-1), k = 1 .. P,

    slope_k = exp(delta_k) dq_k / dp_k                            (1)
    slope_(P+1) = exp(delta_(P+1)) q_P / p_P                      (2)
    curve(x) = sum_k slope_k min(max(x - p_(k-1), 0), dp_k)       (3), the last of the P + 1 terms without upper limit

which for delta = 0 is the line from percentile to percentile, and never falls whatever delta is.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from .blocks import LEAK, zero


def slopes(source: Tensor, target: Tensor) -> Tensor:
    """The slopes (B, P + 1) of the classical match of percentiles (B, P) to percentiles (B, P)."""
    p, q = pad(source, [1, 0]), pad(target, [1, 0])
    dp, dq = p[:, 1:] - p[:, :-1], (q[:, 1:] - q[:, :-1]).clamp(min=0)
    # Tied percentiles leave an interval of no width, in which no value lies.
    inside = torch.where(dp > 0, dq / torch.where(dp > 0, dp, 1.0), 0.0)
    beyond = q[:, -1:] / p[:, -1:].clamp(min=1e-3)
    return torch.cat([inside, beyond], dim=1)


def apply_curve(image: Tensor, source: Tensor, slope: Tensor) -> Tensor:
    """Eq. (3): images (B, 1, H, W) through curves with knots (B, P) and slopes (B, P + 1)."""
    knots = pad(source, [1, 0])
    above = pad(source, [0, 1], value=1e6)
    low, high = knots.unsqueeze(-1).unsqueeze(-1), above.unsqueeze(-1).unsqueeze(-1)
    parts = torch.minimum(torch.maximum(image, low), high) - low
    return torch.bmm(slope.unsqueeze(1), parts.flatten(2)).unflatten(2, image.shape[2:])


class Unlikeness(nn.Module):
    """kappa (B, 1): how far two scanners' codes (B, N) lie apart, from 0 for the same one to 1.

        kappa = 1 - exp(-sum_n (s_n (a_n - b_n))^2)    (4), each s_n learned

    Every correction is taken kappa times, so that an image harmonized to its own scanner stays as it is.
    """

    def __init__(self, codes: int, start: float = 2.0) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((codes,), start))

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Symmetric in the two."""
        return 1 - torch.exp(-((source - target) * self.scale).square().sum(1, keepdim=True))


class CurveCorrection(nn.Module):
    """delta (B, P + 1) of codes (B, inputs), at first 0 and never beyond `limit`."""

    def __init__(self, inputs: int, percentiles: int, hidden: int = 128, limit: float = 1.5) -> None:
        super().__init__()
        self.limit = limit
        self.layers = nn.Sequential(
            nn.Linear(inputs, hidden), nn.LeakyReLU(LEAK), nn.Linear(hidden, hidden), nn.LeakyReLU(LEAK)
        )
        self.head = zero(nn.Linear(hidden, percentiles + 1))

    def forward(self, codes: Tensor) -> Tensor:
        """The logarithms of the changes."""
        return self.limit * torch.tanh(self.head(self.layers(codes)).float() / self.limit)
