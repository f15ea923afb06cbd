"""The first stage: the artifact encoder learns how bad a slice is."""

from typing import Any

from torch import Tensor, nn

from .network import Haca3
from .triplet_loss import DynamicMarginTripletLoss


class ArtifactStage(nn.Module):
    """Makes losses of a batch with `anchor`, `positive` and `negative` (B, 1, H, W) and `severity` (B,)."""

    def __init__(self, network: Haca3, loss: DynamicMarginTripletLoss) -> None:
        super().__init__()
        self.encoder = network.artifact_encoder
        self.loss = loss

    def forward(self, batch: dict[str, Any], iteration: int) -> dict[str, Tensor]:
        """The losses by name."""
        codes = [self.encoder(batch[role]) for role in ("anchor", "positive", "negative")]
        return self.loss(*codes, batch["severity"])
