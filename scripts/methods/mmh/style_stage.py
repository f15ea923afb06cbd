"""MMH's first stage of training: noise is found, edges are kept, and styles drawn together."""

from collections.abc import Mapping
from typing import Any

import torch
from ignite.engine import Engine
from monai.networks.schedulers import DDPMScheduler
from torch import Tensor, nn

from ...base.arguments import check_whole
from ...base.errors import InputError
from .grid import check_range
from .losses import Denoised, UnifiedLoss
from .network import Mmh
from .pictures import picture_columns
from .sampling import DdimSampler
from .style import Style, StyleStatistics, foreground


class StyleStage(nn.Module):
    """Makes losses of volumes of the network's grid, at times that are drawn from the first `times`.

    The paper draws from all. No model is asked for one beyond the middle time of its sampler; it learns sooner without.

    A share of volumes, `own_share`, is told its own style in place of the records, and is to have that: so what is told
    comes to decide the style, and a volume can go up in its own one and down in the other. In the paper it is 0.
    """

    def __init__(
        self,
        network: Mmh,
        loss: UnifiedLoss,
        scheduler: DDPMScheduler,
        statistics: StyleStatistics,
        times: int = 1000,
        own_share: float = 0.5,
    ) -> None:
        super().__init__()
        check_whole("times", times)
        if not 0 <= own_share <= 1:
            raise InputError(f"`own_share` must be from 0 to 1, got {own_share}")
        self.network = network
        self.loss = loss
        self.scheduler = scheduler
        self.statistics = statistics
        self.times = min(times, scheduler.num_train_timesteps)
        self.own_share = own_share

    def forward(self, batch: Mapping[str, Any], iteration: int) -> dict[str, Tensor]:
        """The losses by name; the records of styles follow what is made."""
        volumes = batch["image"]
        check_range(volumes, ", ".join(batch["name"]))
        time = torch.randint(self.times, (len(volumes),), device=volumes.device)
        own = torch.rand(len(volumes), device=volumes.device) < self.own_share
        noise = torch.randn_like(volumes)
        return self.loss(self.denoise(volumes, batch["contrast"], time, noise, own, follow=True), iteration)

    def denoise(
        self, volumes: Tensor, contrast: Tensor, time: Tensor, noise: Tensor, own: Tensor, follow: bool
    ) -> Denoised:
        """What the model makes of volumes (B, 1, X, Y, Z) with noise of a time (B,), from 0.

        Those that are to have their `own` style (B,) do not count for the records, which `follow` the others.
        """
        records, mask = self.network.model.records, foreground(volumes)
        style_own = self.statistics(volumes, mask)
        told = torch.where(own[:, None], style_own.told, records.of(contrast).told)
        edges = self.network.condition(volumes)
        noisy = self.scheduler.add_noise(volumes, noise, time)  # Eq. (1)
        found = self.network.model(noisy, time, edges, contrast, style_own.told, told).float()
        kept = self.scheduler.alphas_cumprod.to(volumes)[time].view(-1, 1, 1, 1, 1)
        estimate = (noisy - (1 - kept).sqrt() * found) / kept.sqrt()  # Eq. (4)
        style = self.statistics(estimate, mask)
        if follow:
            # After the model was told the records of before.
            records.update(style, contrast, self.loss.reliable(time + 1) & ~own)
        wanted = _either(own, style_own, records.of(contrast))
        return Denoised(noise, found, time + 1, edges, self.network.condition(estimate), style, wanted)


def _either(first: Tensor, one: Style, other: Style) -> Style:
    """Of each volume the `one` style where it is the `first` (B,), else the `other`."""
    return Style(
        torch.where(first[:, None], one.histogram, other.histogram),
        torch.where(first, one.mean, other.mean),
        torch.where(first, one.deviation, other.deviation),
    )


class DenoiseVolumes:
    """An evaluator's iteration: `losses` by name at fixed `times`, and a picture of what the sampler makes.

    `stage` has the network that is judged.
    """

    def __init__(self, stage: StyleStage, sampler: DdimSampler, times: list[int], pictures: int = 2) -> None:
        self.stage = stage
        self.sampler = sampler
        self.times = times
        self.pictures = pictures
        self.shown = 0

    @torch.no_grad()
    def __call__(self, engine: Engine, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Judge `image` (B, 1, X, Y, Z)."""
        network = self.stage.network.eval()
        device = network.model.records.mean.device
        volumes, contrast = batch["image"].to(device), batch["contrast"].to(device)
        sums: dict[str, float] = {}
        for number, time in enumerate(self.times):
            generator = torch.Generator().manual_seed(1000 * engine.state.iteration + number)
            noise = torch.randn(volumes.shape, generator=generator).to(device)
            times = torch.full((len(volumes),), time, device=device)
            nobody = torch.zeros_like(contrast, dtype=torch.bool)
            made = self.stage.denoise(volumes, contrast, times, noise, nobody, follow=False)
            for name, value in self.stage.loss(made, 10**9).items():
                sums[name] = sums.get(name, 0.0) + float(value) / len(self.times)
        return {**batch, "losses": sums, **self._picture(engine, network, volumes, contrast)}

    def _picture(self, engine: Engine, network: Mmh, volumes: Tensor, contrast: Tensor) -> dict[str, Tensor]:
        """Those of the first volumes; of the others the volumes themselves, for nobody sees them."""
        made, edges = volumes, network.condition(volumes)
        if engine.state.iteration <= self.pictures:
            noisy = self.sampler.invert(network.upwards(volumes), volumes, edges, contrast)
            made = self.sampler.sample(network.model.downwards(volumes), noisy, edges, contrast)
        return picture_columns(volumes, edges, made)
