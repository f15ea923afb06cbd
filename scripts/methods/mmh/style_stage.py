"""MMH's first stage of training: noise is found, edges are kept, and styles drawn together."""

from collections.abc import Mapping
from typing import Any

import torch
from ignite.engine import Engine
from monai.networks.schedulers import DDPMScheduler
from torch import Tensor, nn

from ...base.arguments import check_whole
from .grid import check_range
from .losses import Denoised, UnifiedLoss
from .network import Mmh
from .pictures import picture_columns
from .sampling import DdimSampler
from .style import StyleStatistics


def foreground(volumes: Tensor) -> Tensor:
    """Where volumes of the network's grid show something."""
    # Half a gray value of 1000: background is -1 but for rounding.
    return volumes > -0.999


class StyleStage(nn.Module):
    """Makes losses of volumes of the network's grid, at times that are drawn from the first `times`.

    The paper draws from all. No model is asked for one beyond the middle time of its sampler; it learns sooner without.
    """

    def __init__(
        self,
        network: Mmh,
        loss: UnifiedLoss,
        scheduler: DDPMScheduler,
        statistics: StyleStatistics,
        times: int = 1000,
    ) -> None:
        super().__init__()
        check_whole("times", times)
        self.network = network
        self.loss = loss
        self.scheduler = scheduler
        self.statistics = statistics
        self.times = min(times, scheduler.num_train_timesteps)

    def forward(self, batch: Mapping[str, Any], iteration: int) -> dict[str, Tensor]:
        """The losses by name; the records of styles follow what is made."""
        volumes = batch["image"]
        check_range(volumes, ", ".join(batch["name"]))
        time = torch.randint(self.times, (len(volumes),), device=volumes.device)
        made = self.denoise(volumes, batch["contrast"], time, torch.randn_like(volumes), follow=True)
        return self.loss(made, iteration)

    def denoise(self, volumes: Tensor, contrast: Tensor, time: Tensor, noise: Tensor, follow: bool) -> Denoised:
        """What the model makes of volumes (B, 1, X, Y, Z) with noise of a time (B,), from 0."""
        model = self.network.model
        edges = self.network.condition(volumes)
        noisy = self.scheduler.add_noise(volumes, noise, time)  # Eq. (1)
        found = model(noisy, time, edges, contrast).float()
        kept = self.scheduler.alphas_cumprod.to(volumes)[time].view(-1, 1, 1, 1, 1)
        estimate = (noisy - (1 - kept).sqrt() * found) / kept.sqrt()  # Eq. (4)
        style = self.statistics(estimate, foreground(volumes))
        if follow:
            # After the model was told the records of before.
            model.records.update(style, contrast, self.loss.reliable(time + 1))
        return Denoised(
            noise, found, time + 1, edges, self.network.condition(estimate), style, model.records.of(contrast)
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
            made = self.stage.denoise(volumes, contrast, times, noise, follow=False)
            for name, value in self.stage.loss(made, 10**9).items():
                sums[name] = sums.get(name, 0.0) + float(value) / len(self.times)
        return {**batch, "losses": sums, **self._picture(engine, network, volumes, contrast)}

    def _picture(self, engine: Engine, network: Mmh, volumes: Tensor, contrast: Tensor) -> dict[str, Tensor]:
        """Those of the first volumes; of the others the volumes themselves, for nobody sees them."""
        made, edges = volumes, network.condition(volumes)
        if engine.state.iteration <= self.pictures:
            noisy = self.sampler.invert(network.model, volumes, edges, contrast)
            made = self.sampler.sample(network.model, noisy, edges, contrast)
        return picture_columns(volumes, edges, made)
