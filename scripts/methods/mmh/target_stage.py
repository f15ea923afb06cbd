"""MMH's second stage of training: a copy of the model learns the style of a target domain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine
from torch import Tensor, nn

from ...base.arguments import check_whole
from ...base.contrasts import CONTRASTS
from ...base.errors import InputError
from ...base.weights import load_weights
from .axial_mean import AxialMean
from .domain import TargetDomain
from .grid import check_range
from .losses import TargetLoss, gradient_loss
from .network import Mmh
from .pictures import picture_columns
from .sampling import DdimSampler
from .style import StyleStatistics, foreground
from .tri_planar import TriPlanarAttention
from .volumes import Remembered


def start_target(network: Mmh, initial: Path | str | None, advice: str) -> Mmh:
    """Fill the first stage from the file `initial`, that `advice` says how to get, and begin the target's with it."""
    if initial is None:
        raise InputError(f"`initial_weights` must be the weights of the first stage, got None; {advice}")
    load_weights(Mmh(network.grid, network.condition, network.model), initial, advice)
    network.begin_target()
    return network


@dataclass(frozen=True, eq=False)
class Side:
    """Volumes (B, 1, X, Y, Z) and what does not change of them while the copy learns.

    `edges` are their gradient maps, `unified` what the first stage makes of them, and `noisy` that at the middle time.
    """

    volumes: Tensor
    mask: Tensor
    contrast: Tensor
    edges: Tensor
    unified: Tensor
    noisy: Tensor


class TargetStage(nn.Module):
    """Makes losses of pairs of volumes, a source and one of the target domain.

    The first stage does not learn, so what it makes of a volume is computed once and kept, for the last `kept` volumes.
    Gradients go back through the last `learned_steps` of the sampler's way down, which is what memory allows.
    With `own_style` the copy is told the mean style of the domain, else it keeps the one common to all.
    """

    def __init__(
        self,
        network: Mmh,
        loss: TargetLoss,
        sampler: DdimSampler,
        attention: TriPlanarAttention | AxialMean,
        statistics: StyleStatistics,
        domain: TargetDomain,
        learned_steps: int = 1,
        own_style: bool = True,
        kept: int = 200,
    ) -> None:
        super().__init__()
        check_whole("learned_steps", learned_steps)
        if learned_steps > sampler.steps_down:
            raise InputError(
                f"`learned_steps` must be at most the sampler's `steps_down`, {sampler.steps_down}, got {learned_steps}"
            )
        if attention.encoder.name != network.style_encoder:
            raise InputError(
                f"`style_encoder` must be the name of the encoder, {attention.encoder.name}, got "
                f"{network.style_encoder}"
            )
        self.network = network
        self.loss = loss
        self.sampler = sampler
        self.attention = attention
        self.statistics = statistics
        self.learned_steps = learned_steps
        self.remembered: Remembered[tuple[Tensor, Tensor]] = Remembered(kept)
        network.known_contrast(domain.contrast)
        if own_style:
            network.last.records.set(domain.style, CONTRASTS.index(domain.contrast))

    def forward(self, batch: Mapping[str, Any], iteration: int) -> dict[str, Tensor]:
        """The losses by name."""
        return self.judge(batch)[0]

    def judge(self, batch: Mapping[str, Any]) -> tuple[dict[str, Tensor], Tensor, Side]:
        """The losses of a batch by name, the sources in the target's style, and what is known of the sources."""
        source = self._side(batch["image"], batch["contrast"], batch["name"])
        target = self._side(batch["target"], batch["contrast"], batch["target_name"])
        made, kept = (self._adapt(side) for side in (source, target))
        wanted = self._describe(target.volumes, target) - self._describe(target.unified, target)  # Eq. (18)
        moved = self._describe(made, source) - self._describe(source.unified, source)  # Eq. (18)
        own = self._describe(kept, target) - self._describe(target.unified, target)
        pairs = ((source, made), (target, kept))
        gradient = torch.stack([gradient_loss(s.edges, self.network.condition(m)) for s, m in pairs]).mean()
        statistics = torch.stack([self._style_error(s, m) for s, m in pairs]).mean()
        return self.loss(wanted, moved, own, gradient, statistics), made, source

    def _side(self, volumes: Tensor, contrast: Tensor, names: Sequence[str]) -> Side:
        check_range(volumes, ", ".join(names))
        edges = self.network.condition(volumes)
        found = [
            self.remembered.get(name, partial(self._begin, volumes[[index]], edges[[index]], contrast[[index]]))
            for index, name in enumerate(names)
        ]
        # Autocast knows no half precision on a CPU.
        unified, noisy = (torch.stack([part.to(volumes) for part in parts]) for parts in zip(*found, strict=True))
        return Side(volumes, foreground(volumes), contrast, edges, unified, noisy)

    @torch.no_grad()
    def _begin(self, volume: Tensor, edges: Tensor, contrast: Tensor) -> tuple[Tensor, Tensor]:
        """What the first stage makes of one volume, and that as noise, (1, X, Y, Z) in half precision."""
        noisy = self.sampler.invert(self.network.upwards(volume), volume, edges, contrast)
        unified = self.sampler.sample(self.network.model.downwards(volume), noisy, edges, contrast).clamp(-1, 1)
        again = self.sampler.invert(self.network.upwards(unified), unified, edges, contrast)
        return unified[0].half().cpu(), again[0].half().cpu()

    def _adapt(self, side: Side) -> Tensor:
        """The volumes in the target's style."""
        model = self.network.last.downwards(side.unified)
        return self.sampler.sample(model, side.noisy, side.edges, side.contrast, learned_steps=self.learned_steps)

    def _describe(self, volumes: Tensor, side: Side) -> Tensor:
        """Psi, (B, D)."""
        found: Tensor = self.attention(volumes, side.mask)
        return found

    def _style_error(self, side: Side, made: Tensor) -> Tensor:
        """L_E towards the style of the target."""
        record = self.network.last.records.of(side.contrast)
        return self.loss.statistics_loss(self.statistics(made, side.mask), record)


class AdaptVolumes:
    """An evaluator's iteration: the `losses` by name of pairs that training does not see, and a picture of them."""

    def __init__(self, stage: TargetStage) -> None:
        self.stage = stage

    @torch.no_grad()
    def __call__(self, engine: Engine, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Judge `image` and `target` (B, 1, X, Y, Z)."""
        device = next(self.stage.network.parameters()).device
        ready = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in batch.items()}
        self.stage.eval()
        losses, made, source = self.stage.judge(ready)
        columns = picture_columns(source.volumes, source.edges, made)
        return {**batch, "losses": {name: float(loss) for name, loss in losses.items()}, **columns}
