"""From a volume to noise and back, without chance: DDIM over MONAI's scheduler.

The paper counts times from 1 to T and has a volume without noise at 0; a scheduler counts from 0, so that its time is
one less. Up and down have steps of their own, which both divide the time at which they meet.
"""

from collections.abc import Callable

import torch
from monai.networks.schedulers import DDIMScheduler
from torch import Tensor

from ...base.arguments import check_whole
from ...base.errors import InputError

# Called with the number of the step that is done.
Told = Callable[[int], None]
# Called with noisy volumes, time, gradient maps and contrasts; gives the noise.
Predictor = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


class DdimSampler:
    """Inverts volumes up to the time `middle` in `steps_up` steps, and samples back from there in `steps_down`."""

    def __init__(self, scheduler: DDIMScheduler, middle: int = 175, steps_up: int = 35, steps_down: int = 25) -> None:
        for name, value in (("middle", middle), ("steps_up", steps_up), ("steps_down", steps_down)):
            check_whole(name, value)
        if middle > scheduler.num_train_timesteps:
            raise InputError(
                f"`middle` must be at most the {scheduler.num_train_timesteps} times of the scheduler, got {middle}"
            )
        self.scheduler = scheduler
        self.middle = middle
        self.steps_up = steps_up
        self.steps_down = steps_down
        self._stride("steps_up", steps_up)
        self._stride("steps_down", steps_down)

    @property
    def steps(self) -> int:
        """How often a model is called on the way up and down."""
        return self.steps_up + self.steps_down

    @torch.no_grad()
    def invert(
        self, model: Predictor, volumes: Tensor, condition: Tensor, contrast: Tensor, told: Told | None = None
    ) -> Tensor:
        """The noisy volumes at `middle` that volumes (B, 1, X, Y, Z) become by the model's own noise."""
        stride = self._stride("steps_up", self.steps_up)
        # A volume without noise is its own estimate, so that the first step is Eq. (1) with the model's noise.
        noise = _predict(model, volumes, stride - 1, condition, contrast)
        noisy = self.scheduler.add_noise(volumes, noise, torch.tensor([stride - 1]))
        for number, time in enumerate(range(stride - 1, self.middle, stride), start=1):
            if told is not None:
                told(number)
            if time < self.middle - 1:
                noise = _predict(model, noisy, time, condition, contrast)
                noisy, _ = self.scheduler.reversed_step(noise, time, noisy)  # Eq. (13)
        return noisy

    def sample(
        self,
        model: Predictor,
        noisy: Tensor,
        condition: Tensor,
        contrast: Tensor,
        told: Told | None = None,
        learned_steps: int | None = None,
    ) -> Tensor:
        """The volumes (B, 1, X, Y, Z) that noisy ones at `middle` become; None of `learned_steps` is all of them.

        Gradients go back through the last `learned_steps`.
        """
        stride = self._stride("steps_down", self.steps_down)
        first = 0 if learned_steps is None else self.steps_down - learned_steps
        for number, time in enumerate(range(self.middle - 1, -1, -stride)):
            with torch.set_grad_enabled(torch.is_grad_enabled() and number >= first):
                noise = _predict(model, noisy, time, condition, contrast)
                noisy, _ = self.scheduler.step(noise, time, noisy)  # Eq. (12), Eq. (14)
            if told is not None:
                told(number + 1)
        return noisy

    def _stride(self, name: str, steps: int) -> int:
        """Times between steps, which the scheduler is set to."""
        times = self.scheduler.num_train_timesteps
        stride, rest = divmod(self.middle, steps)
        # The scheduler knows a stride as the whole part of all times by a number of steps.
        if rest or times // (times // max(stride, 1)) != stride:
            raise InputError(
                f"`{name}` must divide `middle` into steps that the scheduler of {times} times can take, such as 35 "
                f"and 25 of 175, got {steps} of {self.middle}"
            )
        self.scheduler.set_timesteps(times // stride)
        return stride


def _predict(model: Predictor, noisy: Tensor, time: int, condition: Tensor, contrast: Tensor) -> Tensor:
    times = torch.full((len(noisy),), time, device=noisy.device)
    return model(noisy, times, condition, contrast)
