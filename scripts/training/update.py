"""One iteration of training, the same for every stage."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from monai.engines import SupervisedTrainer
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from ..base.errors import InputError
from ..base.seeds import derive_seed
from ..inferers.precision import PRECISIONS


class TrainingUpdate:
    """Losses of a batch, their gradients, and after every `accumulation` batches a step of optimizer and `scheduler`.

    The engine's network is a stage: a module that makes losses, `total` among them, of a batch and the number of the
    iteration. Whatever it draws depends on `seed`, the iteration and the process, so that a resumed run draws the same.
    A total that is not finite ends the run before it reaches the weights.
    """

    def __init__(
        self,
        precision: str = "fp32",
        accumulation: int = 1,
        largest_gradient: float | None = None,
        scheduler: LRScheduler | None = None,
        seed: int = 0,
    ) -> None:
        if precision not in PRECISIONS:
            raise InputError(f"`precision` must be one of {', '.join(PRECISIONS)}, got {precision}")
        if accumulation < 1:
            raise InputError(f"`accumulation` must be at least 1, got {accumulation}")
        self.dtype = PRECISIONS[precision]
        self.accumulation = accumulation
        self.largest_gradient = largest_gradient
        self.scheduler = scheduler
        self.seed = seed

    def __call__(self, engine: SupervisedTrainer, batch: Mapping[str, Any]) -> dict[str, float]:
        """Train on a batch; the losses by name."""
        iteration = engine.state.iteration
        torch.manual_seed(derive_seed(self.seed, iteration, dist.get_rank() if dist.is_initialized() else 0))
        device = engine.state.device
        ready = {k: v.to(device, non_blocking=True) if isinstance(v, Tensor) else v for k, v in batch.items()}
        engine.network.train()
        with torch.autocast(device.type, self.dtype, enabled=self.dtype != torch.float32):
            losses = engine.network(ready, iteration)
        values = {name: float(loss.detach()) for name, loss in losses.items()}
        refuse_not_finite(values, batch, iteration)
        (losses["total"] / self.accumulation).backward()
        last = engine.state.epoch_length is not None and iteration % engine.state.epoch_length == 0
        if last or iteration % self.accumulation == 0:
            self._step(engine.network, engine.optimizer)
        return values

    def _step(self, stage: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        if self.largest_gradient is not None:
            nn.utils.clip_grad_norm_(stage.parameters(), self.largest_gradient)
        optimizer.step()
        optimizer.zero_grad()
        if self.scheduler is not None:
            self.scheduler.step()


def refuse_not_finite(losses: Mapping[str, float], batch: Mapping[str, Any], iteration: int) -> None:
    """Name the batch whose losses are not finite, before they reach the weights."""
    if torch.isfinite(torch.tensor(losses["total"])):
        return
    images = [f"{subject} on {scanner}" for subject, scanner in zip(batch["subject"], batch["scanner"], strict=True)]
    if "slice" in batch:
        slices = zip(images, batch["orientation"], batch["slice"], strict=True)
        images = [f"{image}, {orientation} {int(place)}" for image, orientation, place in slices]
    parts = ", ".join(f"{name} {value:g}" for name, value in losses.items())
    raise InputError(f"losses must be finite, iteration {iteration} has {parts}; its images are {'; '.join(images)}")
