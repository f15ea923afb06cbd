"""The way for identity: the source of the target's contrast, corrected, and where it fails the decoded image.

Symbols: x_c is the source of the target's contrast and m_c its foreground, d the decoded image, y = curve(x_c). With a
gain field g at low resolution, a residual r and a gate w, all three 0 before anything is learned,

    r = (share mean(y) + floor) tanh(r')                                       (8), the mean over a neighbourhood
    w = (sigmoid(w' + b) - sigmoid(b)) / (1 - sigmoid(b))                      (9)
    x* = m_c ((1 - w) (exp(g) y + r) + w d) + (1 - m_c) d                      (10)

so that the first answer is the classical one wherever there is such a source, and HACA3's where there is none.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d, pixel_shuffle, pixel_unshuffle

from .blocks import Condition, MaskedUNet, zero


class Corrected(NamedTuple):
    """x* (B, 1, H, W) and what it is made of: the gain's logarithm, the residual and the gate."""

    image: Tensor
    gain: Tensor
    residual: Tensor
    gate: Tensor


class IdentityPath(nn.Module):
    """Finds g, r and w from what the curve and the decoder made, for codes (B, N) of source and target."""

    def __init__(
        self,
        codes: int,
        features: int,
        widths: list[int],
        condition: int = 96,
        gain_limit: float = 0.5,
        residual_share: float = 0.5,
        residual_floor: float = 0.05,
        neighbourhood: int = 9,
        gate_bias: float = -2.0,
    ) -> None:
        super().__init__()
        self.condition = Condition(codes, condition)
        self.body = MaskedUNet(4 * 4 + features, widths, condition)
        self.gain = zero(nn.Conv2d(widths[-1], 1, 1))
        self.head = zero(nn.Conv2d(widths[0], 2 * 4, 3, padding=1))
        self.low = float(2 ** len(widths))
        self.gain_limit = gain_limit
        self.residual_share = residual_share
        self.residual_floor = residual_floor
        self.neighbourhood = neighbourhood
        self.gate_bias = gate_bias

    def forward(
        self,
        curved: Tensor,
        decoded: Tensor,
        alpha: Tensor,
        shown: Tensor,
        visible: Tensor,
        features: Tensor,
        codes: Tensor,
        kept: Tensor,
    ) -> Corrected:
        """All (B, 1, H, W) but `features` (B, F, H / 2, W / 2); g, r and w are taken `kept` (B, 1 or 3) times."""
        seen = pixel_unshuffle(torch.cat([curved, decoded, alpha * visible, shown], dim=1), 2)
        seen = torch.cat([seen.to(features.dtype), features], dim=1).contiguous(memory_format=torch.channels_last)
        fine, coarse = self.body(seen, self.condition(codes), max_pool2d(visible, 2))
        gain = self._gain(coarse, max_pool2d(visible, int(self.low)))
        heads = pixel_shuffle(self.head(fine), 2).float()
        local = avg_pool2d(curved, self.neighbourhood, 1, self.neighbourhood // 2)
        residual = (self.residual_share * local + self.residual_floor) * heads[:, :1].tanh()  # Eq. (8)
        rest = 1 / (1 + torch.exp(torch.tensor(-self.gate_bias)))
        gate = (torch.sigmoid(heads[:, 1:] + self.gate_bias) - rest) / (1 - rest)  # Eq. (9)
        times = kept.expand(-1, 3).unsqueeze(-1).unsqueeze(-1)
        gain, residual, gate = gain * times[:, :1], residual * times[:, 1:2], gate * times[:, 2:]
        own = (1 - gate) * (gain.exp() * curved + residual) + gate * decoded
        return Corrected((shown * own + (1 - shown) * decoded).relu() * visible, gain, residual, gate)  # Eq. (10)

    def _gain(self, features: Tensor, mask: Tensor) -> Tensor:
        """g (B, 1, H, W), interpolated between places that show something."""
        coarse = self.gain_limit * torch.tanh(self.gain(features).float() / self.gain_limit)
        both = interpolate(torch.cat([coarse * mask, mask], dim=1), scale_factor=self.low, mode="bilinear")
        return both[:, :1] / both[:, 1:].clamp(min=1e-3)
