"""alpha: how much each source counts at each pixel, foreground-aware as in HACA3+.

With the target's query q, the sources' keys k_i and what their anatomy encoders say of themselves at a pixel, c_i,

    alpha_i = m_i exp(s_i) / sum_j m_j exp(s_j),  s_i = f_q(q) . f_k(k_i) / (sqrt(F) tau) + c_i    (6)

where m_i is 1 where source i is available and shows foreground: the case distinction of HACA3+ in one line. Where no
source shows any, the available ones count alike.
"""

import torch
from torch import Tensor, nn

from .blocks import LEAK


class PlusAttention(nn.Module):
    """alpha (B, C, H, W) of a query (B, Q) and keys (B, C, K)."""

    def __init__(self, query: int, key: int, hidden: int = 64, features: int = 16, temperature: float = 1.0) -> None:
        super().__init__()
        self.query = nn.Sequential(nn.Linear(query, hidden), nn.LeakyReLU(LEAK), nn.Linear(hidden, features))
        self.key = nn.Sequential(nn.Linear(key, hidden), nn.LeakyReLU(LEAK), nn.Linear(hidden, features))
        self.scale = features**-0.5 / temperature
        # Far below any score, and finite: where no source shows anything the weights stay finite too.
        self.never = -1e4

    def forward(self, query: Tensor, keys: Tensor, confidence: Tensor, shown: Tensor, available: Tensor) -> Tensor:
        """`confidence` and `shown` (B, C, H, W), the latter 0 or 1; `available` (B, C)."""
        scores = (self.query(query).unsqueeze(1) * self.key(keys)).sum(-1).float() * self.scale
        scores = scores.unsqueeze(-1).unsqueeze(-1) + confidence.float()
        alpha = scores.masked_fill(shown == 0, self.never).softmax(1)  # Eq. (6)
        equal = (available / available.sum(1, keepdim=True).clamp(min=1.0)).unsqueeze(-1).unsqueeze(-1)
        return torch.where((shown != 0).any(1, keepdim=True), alpha, equal.to(alpha.dtype))
