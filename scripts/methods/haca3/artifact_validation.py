"""Scores of the artifact encoder for slices that it was not trained on."""

from collections.abc import Mapping
from typing import Any

import torch
from ignite.engine import Engine
from torch import nn


class ScoreSlices:
    """An evaluator's iteration: the severity score of each `anchor` as `clean`, of each `negative` as `degraded`."""

    def __init__(self, encoder: nn.Module) -> None:
        self.encoder = encoder

    def __call__(self, engine: Engine, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Score a batch of triplets."""
        self.encoder.eval()
        device = next(self.encoder.parameters()).device
        with torch.inference_mode():
            clean, degraded = (
                self.encoder(batch[role].to(device)).norm(dim=1).cpu() for role in ("anchor", "negative")
            )
        return {**batch, "clean": clean, "degraded": degraded}
