"""The third stage: the fusion net learns to make one volume of three planes."""

from typing import Any

from ignite.engine import Engine
from torch import Tensor, inference_mode, nn
from torch.nn import functional

from ..networks.fusion import FusionNet


class FusionStage(nn.Module):
    """Makes losses of a batch of `FusionVolumes`; a voxel outside `mask` has the weight `outside_mask`."""

    def __init__(self, network: FusionNet, outside_mask: float = 0.25) -> None:
        super().__init__()
        self.network = network
        self.outside_mask = outside_mask

    def forward(self, batch: dict[str, Any], iteration: int) -> dict[str, Tensor]:
        """The losses by name."""
        error = functional.l1_loss(self.network(batch["planes"]).float(), batch["target"], reduction="none")
        weight = batch["visible"] * (batch["mask"] + self.outside_mask * (1 - batch["mask"]))
        total = (error * weight).sum() / weight.sum()
        return {"reconstruction": total, "total": total}


class FuseVolumes:
    """An evaluator's iteration: the fused volume of a batch as `pred`, the median of its planes as `median`."""

    def __init__(self, network: FusionNet) -> None:
        self.network = network

    def __call__(self, engine: Engine, batch: dict[str, Any]) -> dict[str, Any]:
        """Fuse `planes` (B, 3, Z, Y, X)."""
        self.network.eval()
        device = next(self.network.parameters()).device
        with inference_mode():
            fused = self.network(batch["planes"].to(device)).cpu()
        median = batch["planes"].median(1, keepdim=True).values
        return {**batch, "pred": fused * batch["visible"], "median": median * batch["visible"]}
