"""What a training step asks of each slice: whether anything is to change, and what of the sources remains."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class TaskLaw:
    """How tasks are drawn.

    Each slice goes to `targets` of its contrasts. The source of the target's contrast is withheld with the probability
    `withheld`, and of what is left each one with `dropout`; one always remains. With the probability `curve_alone` a
    sample keeps its curve alone, and with `closed` its gate is closed, so that the way for identity learns to stand by
    itself; with `own` the target is the source's own scanner, and nothing is to change.
    """

    targets: int = 2
    withheld: float = 0.3
    dropout: float = 0.15
    curve_alone: float = 0.1
    closed: float = 0.5
    own: float = 0.1

    def chosen(self, available: Tensor) -> Tensor:
        """The contrasts (N, targets) that slices with sources (N, C) go to."""
        return torch.rand(available.shape, device=available.device).argsort(1)[:, : self.targets]

    def stays(self, batch: Mapping[str, Tensor], rows: Tensor, chosen: Tensor) -> Tensor:
        """Who (N,) is to stay on the own scanner: the truth is then the source, and the code another slice's."""
        good = (batch["available"][rows, chosen] != 0) & (batch["severity"][rows, chosen] == 0)
        return good & (torch.rand(len(rows), device=rows.device) < self.own)

    def left(self, available: Tensor, chosen: Tensor) -> Tensor:
        """Which sources (N, C) remain for each target (N,)."""
        left = available * (torch.rand_like(available) >= self.dropout)
        rows = torch.arange(len(chosen), device=chosen.device)
        left[rows, chosen] = available[rows, chosen] * (torch.rand(len(chosen), device=chosen.device) >= self.withheld)
        return torch.where(left.any(1, keepdim=True), left, available)

    def kept(self, left: Tensor) -> Tensor:
        """How many times gain, residual and gate of each sample count, (N, 3)."""
        kept = (torch.rand(len(left), 1, device=left.device) >= self.curve_alone).to(left.dtype).repeat(1, 3)
        kept[:, 2] *= (torch.rand(len(left), device=left.device) >= self.closed).to(left.dtype)
        return kept
