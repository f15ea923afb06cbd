"""Training the artifact encoder by itself, and scoring slices that it was not trained on."""

from collections.abc import Mapping
from typing import Any

import torch
from ignite.engine import Engine
from torch import Tensor, nn

from ...sampler.artifacts import ARTIFACTS
from .losses import severity_loss
from .network import HarmonizationNet


class ScoreStage(nn.Module):
    """Makes the loss of eta of a batch as the slice sampler draws it; the rest of the network stays as it is.

    Half of the sources or more are to have an artifact. `rest` and `alike` are weights, see `severity_loss`.
    """

    def __init__(self, network: HarmonizationNet, rest: float = 0.1, alike: float = 0.1) -> None:
        super().__init__()
        self.network = network
        self.rest, self.alike = rest, alike
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(name.startswith("artifact_encoder."))

    def forward(self, batch: Mapping[str, Any], iteration: int = 0) -> dict[str, Tensor]:
        """The loss as `total`, the same in every `iteration`."""
        present = batch["available"].flatten() != 0
        clean, source = (eta_of(self.network, batch, name)[present] for name in ("source_other", "source"))
        severity = batch["severity"].flatten()[present].to(clean.dtype)
        return {"total": severity_loss(clean, source, severity, self.rest, self.alike)}


class ScoreHeldOut:
    """An evaluator's iteration: scores |eta| of clean slices, and of slices with an artifact of known kind and degree.

    Its outcome has, of all sources with an artifact, `degraded`, and `clean`, of another slice of the same volume.
    """

    def __init__(self, network: HarmonizationNet) -> None:
        self.network = network

    def __call__(self, engine: Engine, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Score a batch."""
        self.network.eval()
        device = next(self.network.parameters()).device
        given = {name: value.to(device) for name, value in batch.items() if isinstance(value, Tensor)}
        with torch.inference_mode():
            clean, degraded = (eta_of(self.network, given, name).norm(dim=1) for name in ("source_other", "source"))
        chosen = ((given["available"] != 0) & (given["severity"] > 0)).flatten()
        kinds = given["artifact"].flatten()[chosen].tolist()
        return {
            "clean": clean[chosen].cpu(),
            "degraded": degraded[chosen].cpu(),
            "severity": given["severity"].flatten()[chosen].cpu(),
            "kind": [ARTIFACTS[kind] for kind in kinds],
        }


def eta_of(network: HarmonizationNet, batch: Mapping[str, Tensor], name: str) -> Tensor:
    """eta (B C, E) of the images `name` (B, C, H, W) of a batch, which the sources' scanner made."""
    slices = batch[name].flatten(0, 1).unsqueeze(1)
    shown = network.foreground(slices).to(slices.dtype)
    eta: Tensor = network.artifact_encoder(slices, shown, batch["source_percentiles"].flatten(0, 1)[:, 5:6])
    return eta.float()
