"""Training the whole network at once: losses of a batch of slices, each harmonized to several contrasts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_unshuffle

from .anatomy import activate
from .losses import image_loss, severity_loss, tissue_loss, weighted_mean
from .network import Drawn, HarmonizationNet, Seen
from .task_law import TaskLaw
from .tissue_levels import carry_over


@dataclass(frozen=True)
class LossWeights:
    """What each loss weighs beside that of the image, and within it those of gradients and of squares.

    `rest` is within the loss of severity; where `severity` is 0, the artifact encoder stays as it is.
    """

    gradient: float = 1.0
    square: float = 2.0
    decoded: float = 0.5
    tissue: float = 0.1
    restraint: float = 0.01
    gate: float = 0.03
    severity: float = 0.0
    rest: float = 0.1

    def of_losses(self) -> dict[str, float]:
        """By a loss's name what it counts in the sum."""
        names = ["decoded", "tissue", "restraint", "gate", *(["severity"] if self.severity else [])]
        return {name: getattr(self, name) for name in names}


class PlusStage(nn.Module):
    """Makes losses of a batch as the slice sampler draws it; the truth is clean.

    Pixels outside of the brain, which the first `brain_tissues` make up, weigh `outside`. The slice is seen through a
    `window`. Levels of tissue are wrong by a factor of that `level_spread`.
    """

    def __init__(
        self,
        network: HarmonizationNet,
        tasks: TaskLaw | None = None,
        weights: LossWeights | None = None,
        window: int = 144,
        outside: float = 0.2,
        brain_tissues: int = 5,
        level_spread: float = 0.02,
    ) -> None:
        super().__init__()
        self.level_spread = level_spread
        self.tasks, self.weights = tasks or TaskLaw(), weights or LossWeights()
        if not 1 <= self.tasks.targets <= network.contrasts:
            raise ValueError(f"`targets` must be from 1 to {network.contrasts}, got {self.tasks.targets}")
        if window % network.step:
            raise ValueError(f"`window` must be a multiple of {network.step}, got {window}")
        self.network = network
        self.window, self.outside, self.brain_tissues = window, outside, brain_tissues
        if not self.weights.severity:
            network.artifact_encoder.requires_grad_(False)

    def forward(self, batch: Mapping[str, Any], iteration: int = 0) -> dict[str, Tensor]:
        """The losses by name, their weighted sum as `total`; they are the same in every `iteration`."""
        batch = self._windows(batch)
        available = batch["available"] = batch["available"].to(batch["source"].dtype)
        sources, seen, severity = self._sources(batch)
        each = [self._harmonize(batch, sources, seen, chosen) for chosen in self.tasks.chosen(available).unbind(1)]
        losses = {name: torch.stack([one[name] for one in each]).mean() for name in each[0]}
        losses["tissue"] = self._tissue(seen, batch, available)
        if severity is not None:
            losses["severity"] = severity
        losses["total"] = losses["image"] + sum(
            weight * losses[name] for name, weight in self.weights.of_losses().items()
        )
        return losses

    def _harmonize(self, batch: Mapping[str, Tensor], sources: Tensor, seen: Seen, chosen: Tensor) -> dict[str, Tensor]:
        """Losses of the images of each slice's `chosen` contrast (B,)."""
        rows = torch.arange(len(chosen), device=chosen.device)
        own = self.tasks.stays(batch, rows, chosen)
        left = torch.where(own.unsqueeze(1), batch["available"], self.tasks.left(batch["available"], chosen))
        shown = seen.shown * left.unsqueeze(-1).unsqueeze(-1)
        seen = seen._replace(shown=shown, visible=shown.amax(1, keepdim=True))
        target = self._targets(batch, rows, chosen, own, left)
        truth = torch.where(own.view(-1, 1, 1), batch["source"][rows, chosen], batch["truth"][rows, chosen])
        drawn = self.network.draw(batch["source"], seen, target, sources, left, self.tasks.kept(left))
        brain = batch["tissue"][:, : self.brain_tissues].sum(1, keepdim=True)
        weight = seen.visible * (self.outside + (1 - self.outside) * brain)
        losses = self._image_losses(drawn, truth.unsqueeze(1), weight)
        # Who has a good source of the contrast should not need the decoded image.
        good = (left[rows, chosen] * (1 - batch["severity"][rows, chosen])).view(-1, 1, 1, 1)
        losses["gate"] = weighted_mean(drawn.gate.abs() * good, weight)
        return losses

    def _sources(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Seen, Tensor | None]:
        """Codes (B, C, D) of the sources, what is seen of them, and the loss of eta if that is learned."""
        network, images, available = self.network, batch["source"], batch["available"]
        size, present = images.shape, (available != 0).flatten()
        contrast = torch.eye(size[1], device=images.device).repeat(size[0], 1)
        percentiles = batch["source_percentiles"].flatten(0, 1)
        shown = network.foreground(images).to(images.dtype).flatten(0, 1).unsqueeze(1)
        blank = torch.zeros(size[0] * size[1], network.layout.eta_end, device=images.device)
        given = torch.cat([blank, percentiles, contrast], dim=1)
        seen = network.see(images, given.unflatten(0, size[:2]), available)
        slices = images.flatten(0, 1).unsqueeze(1)[present]
        beta = activate(seen.logits.detach().float(), network.tissues)
        theta = network.contrast_encoder(slices, beta, shown[present], percentiles[present], contrast[present])
        eta = network.artifact_encoder(slices, shown[present], percentiles[present, 5:6])
        loss = self._severity(batch, eta.float(), present, percentiles) if self.weights.severity else None
        known = torch.cat([theta.float(), eta.float().detach()], dim=1)
        codes = torch.cat([blank.index_copy(0, present.nonzero().squeeze(1), known), percentiles, contrast], dim=1)
        return codes.unflatten(0, size[:2]), seen, loss

    def _severity(self, batch: Mapping[str, Tensor], eta: Tensor, present: Tensor, percentiles: Tensor) -> Tensor:
        """Of all sources, each beside a clean slice of its volume."""
        network = self.network
        clean = batch["source_other"].flatten(0, 1).unsqueeze(1)[present]
        shown = network.foreground(clean).to(clean.dtype)
        anchor = network.artifact_encoder(clean, shown, percentiles[present, 5:6]).float()
        return severity_loss(anchor, eta, batch["severity"].flatten()[present], self.weights.rest)

    def _targets(self, batch: Mapping[str, Tensor], rows: Tensor, chosen: Tensor, own: Tensor, left: Tensor) -> Tensor:
        """Codes (B targets, D) of the target images; their anatomy is looked at, not learned from."""
        network = self.network
        given = [batch[name][rows, chosen] for name in ("source_other", "target_image")]
        slices = torch.where(own.view(-1, 1, 1), given[0], given[1]).unsqueeze(1)
        given = [batch[name][rows, chosen] for name in ("source_percentiles", "target_percentiles")]
        percentiles = torch.where(own.unsqueeze(1), given[0], given[1])
        contrast = torch.eye(network.contrasts, device=slices.device)[chosen]
        shown = network.foreground(slices).to(slices.dtype)
        with torch.no_grad():
            logits, _ = network.anatomy_encoder(slices, percentiles, contrast, shown)
            beta = activate(logits.float(), network.tissues)
        theta = network.contrast_encoder(slices, beta, shown, percentiles, contrast).float()
        blank = theta.new_zeros(len(theta), network.layout.eta_end - network.layout.theta_end)
        levels = [batch[name][rows, chosen] for name in ("source_levels", "target_levels")]
        # A level that is found in an image is not exact.
        source, found = (each * torch.exp(self.level_spread * torch.randn_like(each)) for each in levels)
        carried = carry_over(batch["source_percentiles"][rows, chosen], source, found)
        percentiles = torch.where((own | (left[rows, chosen] == 0)).unsqueeze(1), percentiles, carried)
        return torch.cat([theta, blank, percentiles, contrast], dim=1)

    def _image_losses(self, drawn: Drawn, truth: Tensor, weight: Tensor) -> dict[str, Tensor]:
        restraint = (
            drawn.delta.square().mean() + drawn.gain.square().mean() + weighted_mean(drawn.residual.abs(), weight)
        )
        given = (self.weights.gradient, self.weights.square)
        return {
            "image": image_loss(drawn.image, truth, weight, *given),
            "decoded": image_loss(drawn.decoded, truth, weight, *given),
            "restraint": restraint,
        }

    def _tissue(self, seen: Seen, batch: Mapping[str, Tensor], available: Tensor) -> Tensor:
        """Of every source's logits, where it shows something."""
        shares = pixel_unshuffle(batch["tissue"], 2).unflatten(1, (-1, 4))[seen.present // available.shape[1]]
        shown = pixel_unshuffle(seen.shown.flatten(0, 1).unsqueeze(1)[seen.present], 2).unsqueeze(1)
        return tissue_loss(seen.logits[:, : self.network.tissues], shares, shown)

    def _windows(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """What a window of `window` pixels a side shows of each sample, around a random place of its foreground."""
        size, (height, width) = self.window, batch["source"].shape[2:]
        # Names of people and scanners are no tensors.
        tensors = {name: value for name, value in batch.items() if isinstance(value, Tensor)}
        images = [name for name, value in tensors.items() if value.ndim >= 3 and value.shape[-2:] == (height, width)]
        if height <= size and width <= size:
            return dict(batch)
        pieces: dict[str, list[Tensor]] = {name: [] for name in images}
        for index, brain in enumerate(batch["foreground"]):
            top, left = _place(brain, size)
            for name in images:
                pieces[name].append(batch[name][index, ..., top : top + size, left : left + size])
        return {**batch, **{name: torch.stack(found) for name, found in pieces.items()}}


def _place(brain: Tensor, size: int) -> tuple[int, int]:
    """Top and left of a window that covers as much of the brain (H, W) as it can, at a random place where it may."""
    corner = []
    for axis, length in enumerate(brain.shape):
        shown = brain.amax(1 - axis).nonzero().flatten()
        low, high = (int(shown[0]), int(shown[-1]) + 1) if len(shown) else (0, length)
        first, last = sorted((low, high - size))
        first, last = max(first, 0), max(min(last, length - size), 0)
        corner.append(min(first, last) + int(torch.randint(abs(last - first) + 1, ())))
    return corner[0], corner[1]
