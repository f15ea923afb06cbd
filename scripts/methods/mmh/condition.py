"""The gradient map, which says where edges are and nothing of how bright tissues are."""

from math import ceil

import torch
from torch import Tensor, nn

from ...base.errors import InputError


class GradientMap(nn.Module):
    """G(I) of volumes (B, 1, X, Y, Z): the mean of the forward differences, over their 99th percentile.

    The paper adds `epsilon` to the quotient; here it is added to the divisor, for that alone keeps it from being 0.
    With a `limit` the quotient is cut there and bent by tanh to lie within -`span` and `span`.
    """

    def __init__(
        self, percentile: float = 99.0, epsilon: float = 1e-6, limit: float | None = 5.0, span: float = 0.5
    ) -> None:
        super().__init__()
        if not 0 < percentile <= 100:
            raise InputError(f"`percentile` must be above 0 and at most 100, got {percentile}")
        if not epsilon > 0:
            raise InputError(f"`epsilon` must be above 0, got {epsilon}")
        self.percentile = percentile
        self.epsilon = epsilon
        self.limit = limit
        self.span = span

    def forward(self, volumes: Tensor) -> Tensor:
        """The maps, of the volumes' shape."""
        raw = torch.zeros_like(volumes)
        for axis in (2, 3, 4):
            # A forward difference lacks the last place, which is padded with 0.
            raw = raw + torch.cat([volumes.diff(dim=axis), torch.zeros_like(volumes.narrow(axis, 0, 1))], axis) / 3
        sizes = raw.abs().flatten(1)
        place = max(1, ceil(self.percentile / 100 * sizes.shape[1]))
        peak = sizes.kthvalue(place, dim=1).values.view(-1, 1, 1, 1, 1)
        quotient = raw / (peak + self.epsilon)  # Eq. (2)
        if self.limit is None:
            return quotient
        return self.span * quotient.clamp(-self.limit, self.limit).tanh()
