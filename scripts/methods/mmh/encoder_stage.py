"""Training of the small encoder of slices: it learns to tell scanners apart."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from ignite.engine import Engine
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ...base.arguments import check_whole
from ...base.errors import InputError
from .encoder import SliceEncoder
from .style import foreground


class EncoderStage(nn.Module):
    """Makes losses of volumes: the cross-entropy of the scanner of slices that are drawn from each.

    `slices` are drawn in each of the three views, of those that show something.
    """

    def __init__(self, network: SliceEncoder, scanners: Sequence[str], slices: int = 8) -> None:
        super().__init__()
        check_whole("slices", slices)
        if len(set(scanners)) < 2:
            raise InputError(f"`scanners` must be at least two to be told apart, got {list(scanners)}")
        self.network = network
        self.scanners = list(scanners)
        self.slices = slices
        self.classify = nn.Linear(network.size, len(self.scanners))

    def forward(self, batch: Mapping[str, Any], iteration: int) -> dict[str, Tensor]:
        """The losses by name, and the share of slices whose scanner is found."""
        volumes = batch["image"]
        unknown = set(batch["scanner"]) - set(self.scanners)
        if unknown:
            raise InputError(f"scanners must be among {', '.join(self.scanners)}, got {', '.join(sorted(unknown))}")
        labels = torch.tensor([self.scanners.index(name) for name in batch["scanner"]], device=volumes.device)
        masks = foreground(volumes)
        total, right = [], []
        for axis in range(3):
            slices = torch.stack([self._draw(v[0], m[0], axis) for v, m in zip(volumes, masks, strict=True)])
            logits = self.classify(self.network(slices.flatten(0, 1)[:, None])).float()
            wanted = labels.repeat_interleave(self.slices)
            total.append(cross_entropy(logits, wanted))
            right.append((logits.argmax(1) == wanted).float().mean())
        return {"found": torch.stack(right).mean(), "total": torch.stack(total).mean()}

    def _draw(self, volume: Tensor, mask: Tensor, axis: int) -> Tensor:
        """Slices (Z, H, W) of an axis."""
        shown = mask.movedim(axis, 0).flatten(1).any(1).nonzero().flatten()
        places = shown[torch.randint(len(shown), (self.slices,), device=shown.device)]
        return volume.index_select(axis, places).movedim(axis, 0)


class TellScanners:
    """An evaluator's iteration: the `losses` by name of volumes that training does not see."""

    def __init__(self, stage: EncoderStage) -> None:
        self.stage = stage

    @torch.no_grad()
    def __call__(self, engine: Engine, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Judge `image` (B, 1, X, Y, Z)."""
        device = next(self.stage.parameters()).device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(engine.state.iteration)
            losses = self.stage({**batch, "image": batch["image"].to(device)}, 0)
        return {**batch, "losses": {name: float(loss) for name, loss in losses.items()}}
