"""What the segmenter learns, and how well it does with people whom it has not seen."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from ignite.engine import Engine
from torch import Tensor, nn

from ..base.regions import REGIONS
from ..inferers.precision import PRECISIONS, autocast
from ..metrics.volumes import dice


class SegmenterStage(nn.Module):
    """Makes the loss of labelled images by a `loss` of logits (B, C, X, Y, Z) and labels (B, 1, X, Y, Z)."""

    def __init__(self, network: nn.Module, loss: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.network = network
        self.loss = loss

    def forward(self, batch: Mapping[str, Any], iteration: int) -> dict[str, Tensor]:
        """The loss."""
        return {"total": self.loss(self.network(batch["image"], batch["prior"]).float(), batch["label"].long())}


class SegmentHeldOut:
    """An evaluator's iteration: the mean Dice of the regions that a batch shows, by the name `dice`."""

    def __init__(self, network: nn.Module, precision: str = "fp32") -> None:
        self.network = network
        self.dtype = PRECISIONS[precision]

    @torch.no_grad()
    def __call__(self, engine: Engine, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Judge a batch."""
        device = next(self.network.parameters()).device
        with autocast(self.dtype, device):
            logits = self.network(batch["image"].to(device), batch["prior"].to(device))
        found = logits.argmax(dim=1, keepdim=True).byte().cpu().numpy()
        truth = batch["label"].numpy()
        shown = [region for region in range(1, len(REGIONS) + 1) if (truth == region).any()]
        overlap = dice(_regions(found), _regions(truth), len(REGIONS))
        return {**batch, "losses": {"dice": float(overlap[[region - 1 for region in shown]].mean())}}


def _regions(labels: Any) -> Any:
    """Labels of the regions alone."""
    return labels * (labels <= len(REGIONS))
