"""The second stage: HACA3's harmonizer learns to make one contrast of others, on the frozen artifact encoder."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import torch
from ignite.engine import Engine
from torch import Tensor, nn

from ...base.errors import InputError
from .losses import CycleLoss, Haca3Loss
from .network import Haca3
from .patch_contrast import draw_pairs

logger = logging.getLogger(__name__)


class HarmonizerStage(nn.Module):
    """Makes losses of a batch of the tasks that `tasks.py` draws.

    `loss` compares the output with the target, whose contrast and scanner come from another slice of its volume, the
    `reference`. `cycle` follows from iteration `cycle_start` on, in every `cycle_interval`-th: there each subject also
    goes to the reference of another one in the batch, of which no truth is known, and what comes out is encoded again.

    A pixel outside `mask` has the weight `outside_mask`: a head's skin should not take the network's capacity from the
    brain. Until iteration `window_until`, anatomy and image are learned in windows of `window` pixels a side, with a
    third of the work where 224 are 128; codes always come from whole slices, and so cycles have to wait. Where the
    `last_step` of the training is given, a cycle that would never run is not passed over in silence.
    """

    def __init__(
        self,
        network: Haca3,
        loss: Haca3Loss,
        cycle: CycleLoss | None = None,
        cycle_start: int = 0,
        cycle_interval: int = 1,
        outside_mask: float = 1.0,
        window: int = 128,
        window_until: int = 0,
        last_step: int | None = None,
    ) -> None:
        super().__init__()
        if window < 32 or window % 32:
            raise InputError(f"`window` must be a multiple of 32 and at least 32, got {window}")
        if cycle_interval < 1 or cycle_start < 0:
            raise InputError(
                "`cycle_interval` must be at least 1 and `cycle_start` not negative, "
                f"got {cycle_interval} and {cycle_start}"
            )
        if not 0 <= outside_mask <= 1:
            raise InputError(f"`outside_mask` must be between 0 and 1, got {outside_mask}")
        if last_step is not None and cycle is not None:
            check_cycle(cycle_start, cycle_interval, window_until, last_step)
        self.network = network
        self.loss = loss
        self.cycle = cycle
        self.cycle_start = cycle_start
        self.cycle_interval = cycle_interval
        self.outside_mask = outside_mask
        self.window = window
        self.window_until = window_until
        network.artifact_encoder.requires_grad_(False)

    def forward(self, batch: dict[str, Any], iteration: int) -> dict[str, Tensor]:
        """The losses by name."""
        network, available = self.network, batch["available"]
        keys = self._codes(batch["source"], available)
        windowed = iteration <= self.window_until
        if windowed:
            batch = {**batch, **see_through_windows(batch, self.window)}
        images = batch["source"]
        foreground = network.foreground(images)
        visible = network.attention.visible(foreground, available)
        logits = self._anatomy_logits(images, available)
        mean, log_variance = network.contrast_encoder(batch["reference"])
        theta = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        target = torch.cat([theta, network.artifact_encoder(batch["reference"])], dim=1)
        weights = network.attention(target, keys, foreground, available)
        anatomy = network.with_detail(network.fuse(logits, weights), images, keys, target, weights)
        losses = self.loss(
            network.decode(anatomy, target, visible),
            batch["target"],
            self._weights(visible, batch["mask"]),
            mean,
            log_variance,
            self._each_anatomy(logits, available),
            images,
            draw_pairs(available.cpu(), torch.default_generator).to(images.device),
            logits,
            foreground,
            batch["tissues"],
        )
        if self.cycle is None or windowed or iteration < self.cycle_start or iteration % self.cycle_interval:
            return losses
        other = target.roll(1, dims=0).detach()
        weights = network.attention(other, keys, foreground, available)
        fused = (logits * weights.unsqueeze(2)).sum(1)
        anatomy = network.fuse(fused.unsqueeze(1), fused.new_ones(1, 1, 1, 1))
        output = network.decode(network.with_detail(anatomy, images, keys, other, weights), other, visible)
        cycle = self._cycle_losses(self.cycle, output, fused, other, visible)
        total = losses.pop("total") + cycle.pop("total")
        return {**losses, **{f"cycle_{name}": value for name, value in cycle.items()}, "total": total}

    def _anatomy_logits(self, images: Tensor, available: Tensor) -> Tensor:
        """Logits (B, C, K, H, W)."""
        return _where_available(lambda present: self.network.anatomy_encoder(present).float(), images, available)

    def _codes(self, images: Tensor, available: Tensor) -> Tensor:
        """Codes (B, C, theta + eta)."""
        return _where_available(lambda present: self.network.encode_code(present)[:, 0].float(), images, available)

    def _each_anatomy(self, logits: Tensor, available: Tensor) -> Tensor:
        """The anatomy that each source alone has, as one channel (B, C, 1, H, W)."""
        alone, network = logits.new_ones(1, 1, 1, 1), self.network

        def fuse(present: Tensor) -> Tensor:
            anatomy = network.fuse(present, alone)
            return network.mean_class(anatomy) if network.soft_anatomy else anatomy

        return _where_available(fuse, logits, available)

    def _cycle_losses(
        self, cycle: CycleLoss, output: Tensor, fused: Tensor, target: Tensor, visible: Tensor
    ) -> dict[str, Tensor]:
        network = self.network
        theta, eta = target[:, : network.theta], target[:, network.theta :]
        beta = network.anatomy_encoder(output).float()
        return cycle(
            network.contrast_encoder(output)[0],
            theta,
            network.artifact_encoder(output),
            eta,
            beta.softmax(1) * visible,
            fused.softmax(1) * visible,
        )

    def _weights(self, visible: Tensor, mask: Tensor) -> Tensor:
        """How much each pixel counts, (B, 1, H, W)."""
        return visible * torch.where(mask != 0, 1.0, self.outside_mask)


def check_cycle(start: int, interval: int, window_until: int, last_step: int) -> None:
    """Refuse windows that last to the end, and say so where the cycle never runs for another reason."""
    if window_until >= last_step:
        raise InputError(
            f"`window_until` must lie below the last step of the training, {last_step}, got {window_until}: whole "
            "slices would never be learned and the cycle would never run"
        )
    first = max(start, window_until + 1)
    if -(-first // interval) * interval > last_step:
        logger.warning(
            "the cycle never runs: from step %d on (`cycle_start` %d, `window_until` %d) none up to the last, %d, is a "
            "multiple of `cycle_interval`, %d",
            first,
            start,
            window_until,
            last_step,
            interval,
        )


def see_through_windows(batch: dict[str, Any], size: int) -> dict[str, Tensor]:
    """What a window of `size` pixels a side shows of each sample, around a random place of its mask."""
    found: dict[str, list[Tensor]] = {name: [] for name in ("source", "target", "mask", "tissues")}
    for index, mask in enumerate(batch["mask"][:, 0]):
        places = mask.nonzero()
        center = places[torch.randint(len(places), ())] if len(places) else torch.tensor(mask.shape) // 2
        top, left = (
            min(max(int(place) - size // 2, 0), length - size) for place, length in zip(center, mask.shape, strict=True)
        )
        for name, windows in found.items():
            windows.append(batch[name][index, :, top : top + size, left : left + size])
    return {name: torch.stack(windows) for name, windows in found.items()}


def _where_available(function: Callable[[Tensor], Tensor], values: Tensor, available: Tensor) -> Tensor:
    """`function` (N, 1, ...) -> (N, ...) of the sources' `values` (B, C, ...); absent ones cost nothing."""
    present = available != 0
    found = function(values[present].unsqueeze(1))
    result = found.new_zeros(*available.shape, *found.shape[1:])
    result[present] = found
    return result


class HarmonizeSlices:
    """An evaluator's iteration: the harmonized slices of a batch as `pred`, beside what the batch has."""

    def __init__(self, network: Haca3) -> None:
        self.network = network

    def __call__(self, engine: Engine, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Harmonize `source` (B, 4, H, W) to the contrast and the scanner of `reference` (B, 1, H, W)."""
        self.network.eval()
        device = next(self.network.parameters()).device
        with torch.inference_mode():
            target = self.network.encode_code(batch["reference"].to(device))[:, 0]
            image = self.network(batch["source"].to(device), target, batch["available"].to(device))
        return {**batch, "pred": image.cpu()}
