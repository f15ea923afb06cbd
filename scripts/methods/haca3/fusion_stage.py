"""The third stage: the fusion net learns to make one volume of three planes."""

from typing import Any

import torch
from ignite.engine import Engine
from torch import Tensor, nn
from torch.nn import functional

from .fusing import PlaneFusion
from .fusion_net import PlaneFusionNet


class FusionStage(nn.Module):
    """Makes losses of a batch of `FusionVolumes`; a voxel outside `mask` has the weight `outside_mask`."""

    def __init__(self, network: PlaneFusionNet, outside_mask: float = 0.25) -> None:
        super().__init__()
        self.network = network
        self.outside_mask = outside_mask

    def forward(self, batch: dict[str, Any], iteration: int) -> dict[str, Tensor]:
        """The losses by name."""
        fused = self.network(batch["planes"]).float()
        error = functional.l1_loss(fused, batch["target"], reduction="none")
        weight = batch["visible"] * (batch["mask"] + self.outside_mask * (1 - batch["mask"]))
        total = (error * weight).sum() / weight.sum()
        return {"reconstruction": total, "total": total}


class FuseVolumes:
    """An evaluator's iteration: the fused volume of a batch of one as `pred`, the median of its planes as `median`."""

    def __init__(self, network: PlaneFusionNet) -> None:
        self.network = network
        self.fusion = PlaneFusion(network)

    def __call__(self, engine: Engine, batch: dict[str, Any]) -> dict[str, Any]:
        """Fuse `planes` (1, 3, X, Y, Z)."""
        self.network.eval()
        device = next(self.network.parameters()).device
        with torch.inference_mode():
            fused = self.fusion(list(batch["planes"][0].to(device)), 0, "fp32").cpu()
        median = batch["planes"].median(1, keepdim=True).values
        return {**batch, "pred": fused * batch["visible"], "median": median * batch["visible"]}
