"""MISPEL's two steps: encoders and decoders learn embeddings, then the decoders alone learn to agree."""

from collections.abc import Mapping
from typing import Any

import torch
from ignite.engine import Engine
from torch import Tensor, nn

from .losses import DecoderLoss, EmbeddingLoss
from .network import Mispel


class EmbeddingStage(nn.Module):
    """Step 1. Makes losses of a batch of `PairedSlices`."""

    def __init__(self, network: Mispel, loss: EmbeddingLoss) -> None:
        super().__init__()
        self.network = network
        self.loss = loss

    def forward(self, batch: dict[str, Any], iteration: int) -> dict[str, Tensor]:
        """The losses by name."""
        embeddings = self.network.embed(batch["image"]).float()
        return self.loss(batch["image"], self.network.decode(embeddings), embeddings, self.network.gammas)


class DecoderStage(nn.Module):
    """Step 2. The same, on frozen encoders: structure cannot change any more, only how it is weighted."""

    def __init__(self, network: Mispel, loss: DecoderLoss) -> None:
        super().__init__()
        self.network = network
        self.loss = loss
        network.encoders.requires_grad_(False)

    def forward(self, batch: dict[str, Any], iteration: int) -> dict[str, Tensor]:
        """The losses by name."""
        with torch.no_grad():
            embeddings = self.network.embed(batch["image"]).float()
        return self.loss(batch["image"], self.network.decode(embeddings), embeddings, self.network.gammas)


class DecodeSlices:
    """An evaluator's iteration: the decoded slices of a batch as `pred` (B, M, H, W), and their `losses` by name."""

    def __init__(self, network: Mispel, loss: EmbeddingLoss | DecoderLoss) -> None:
        self.network = network
        self.loss = loss

    def __call__(self, engine: Engine, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Decode `image` (B, M, H, W)."""
        self.network.eval()
        images = batch["image"].to(next(self.network.parameters()).device)
        with torch.inference_mode():
            embeddings = self.network.embed(images)
            outputs = self.network.decode(embeddings)
            losses = self.loss(images, outputs, embeddings, self.network.gammas)
        return {**batch, "pred": outputs.cpu(), "losses": {name: float(loss) for name, loss in losses.items()}}
