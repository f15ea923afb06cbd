"""The style of images as three statistics, differentiable, and their running mean over what training makes.

Letters in shapes: B volumes, C contrasts, K bins, N voxels. Statistics are those of a brain's voxels, where the paper
takes all: it scales every head to one size, here heads keep theirs, and the share of background would be a style.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ...base.arguments import check_whole
from ...base.contrasts import CONTRASTS
from ...base.errors import InputError

# The kernel of Eq. (6) is taken at so many places for each bandwidth, and is straight between them.
_PLACES = 8
# Beyond so many bandwidths the kernel is as good as 0.
_REACH = 4


@dataclass(frozen=True, eq=False)
class Style:
    """Of each volume: `histogram` (B, K), `mean` (B,) and `deviation` (B,)."""

    histogram: Tensor
    mean: Tensor
    deviation: Tensor

    @property
    def told(self) -> Tensor:
        """What a model is told of it, (B, 2)."""
        return torch.stack([self.mean, self.deviation], dim=1)


def foreground(volumes: Tensor) -> Tensor:
    """Where volumes of the network's grid, from -1 to 1, show something."""
    # Background is -1 but for rounding.
    return volumes > -0.999


def told_of(volumes: Tensor) -> Tensor:
    """What a model is told of the volumes' (B, 1, X, Y, Z) own style, (B, 2)."""
    values = [volume[foreground(volume)].float() for volume in volumes]
    return torch.stack([torch.stack([each.mean(), each.std(correction=0)]) for each in values])


class StyleStatistics(nn.Module):
    """Finds the style of volumes: a histogram of `bins` from `low` to `high`, and mean and standard deviation.

    A voxel counts in all bins, by a Gaussian of its distance whose standard deviation is `bandwidth`.
    """

    kernel: Tensor

    def __init__(self, bins: int = 100, low: float = -1.0, high: float = 1.0, bandwidth: float = 0.02) -> None:
        super().__init__()
        check_whole("bins", bins, 2)
        if not low < high or not bandwidth > 0:
            raise InputError(f"`low` must be below `high`, and `bandwidth` above 0, got {low}, {high} and {bandwidth}")
        self.bins, self.low, self.high, self.bandwidth = bins, low, high, bandwidth
        self._start = low - _REACH * bandwidth
        count = round((high - low + 2 * _REACH * bandwidth) / (bandwidth / _PLACES)) + 1
        self._step = (high - low + 2 * _REACH * bandwidth) / (count - 1)
        places = self._start + self._step * torch.arange(count, dtype=torch.float64)
        centers = torch.linspace(low, high, bins, dtype=torch.float64)
        kernel = torch.exp(-((places[:, None] - centers) ** 2) / (2 * bandwidth**2))  # Eq. (6)
        self.register_buffer("kernel", kernel.float(), persistent=False)

    def forward(self, volumes: Tensor, masks: Tensor) -> Style:
        """The style of volumes (B, 1, X, Y, Z) where `masks` of the same shape are true."""
        found = [self.of_values(volume[mask].float()) for volume, mask in zip(volumes, masks, strict=True)]
        return Style(*(torch.stack(parts) for parts in zip(*found, strict=True)))

    def of_values(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Histogram (K,), mean and standard deviation of values (N,), at least one."""
        if not len(values):
            raise InputError("the style of a volume must be that of at least one voxel, its mask holds none")
        last = len(self.kernel) - 1
        position = ((values - self._start) / self._step).clamp(0, last)
        below = position.detach().floor().clamp(max=last - 1)
        share = position - below
        # Sums over voxels come first, so that the kernel is needed at its places and not for every voxel.
        counts = torch.zeros(last + 1, device=values.device)
        counts = counts.index_add(0, below.long(), 1 - share).index_add(0, below.long() + 1, share)
        histogram = counts @ self.kernel
        return histogram / (histogram.sum() + 1e-12), values.mean(), values.std(correction=0)  # Eq. (7)


def histogram_distance(first: Tensor, second: Tensor) -> Tensor:
    """WD(.) of histograms (..., K): the mean absolute difference of their cumulative sums; 0 if they are the same."""
    return (first - second).cumsum(-1).abs().mean(-1)


class StyleRecords(nn.Module):
    """M: the running style of each contrast, a moving average with `decay` over what training makes.

    Several processes follow the mean of what all of them made. A contrast whose `updates` are 0 is not known.
    """

    histogram: Tensor
    mean: Tensor
    deviation: Tensor
    updates: Tensor

    def __init__(self, bins: int = 100, decay: float = 0.8) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise InputError(f"`decay` must be at least 0 and below 1, got {decay}")
        self.bins, self.decay = bins, decay
        self.register_buffer("histogram", torch.zeros(len(CONTRASTS), bins))
        for name in ("mean", "deviation", "updates"):
            self.register_buffer(name, torch.zeros(len(CONTRASTS)))

    @torch.no_grad()
    def update(self, style: Style, contrasts: Tensor, counted: Tensor) -> None:
        """Follow the styles of volumes of `contrasts` (B,), of those alone that are `counted` (B,)."""
        rows = torch.cat([style.histogram, style.mean[:, None], style.deviation[:, None]], dim=1).float()
        rows = torch.cat([rows, torch.ones_like(rows[:, :1])], dim=1) * counted[:, None]
        sums = rows.new_zeros(len(CONTRASTS), rows.shape[1]).index_add(0, contrasts, rows)
        if dist.is_initialized():
            dist.all_reduce(sums)
        numbers = sums[:, -1]
        for index in numbers.nonzero().flatten().tolist():
            row = sums[index] / numbers[index]
            decay = self.decay if self.updates[index] > 0 else 0.0
            self._follow(index, row, decay)

    def set(self, style: Style, contrast: int) -> None:
        """The mean style of volumes as that of a contrast."""
        row = torch.cat([style.histogram.mean(0), style.mean.mean()[None], style.deviation.mean()[None]])
        self._follow(contrast, row, 0.0)

    def _follow(self, index: int, row: Tensor, decay: float) -> None:
        self.histogram[index].mul_(decay).add_((1 - decay) * row[: self.bins])  # Eq. (9)
        self.mean[index].mul_(decay).add_((1 - decay) * row[self.bins])
        self.deviation[index].mul_(decay).add_((1 - decay) * row[self.bins + 1])
        self.updates[index] += 1

    def of(self, contrasts: Tensor) -> Style:
        """The records of contrasts (B,), copied."""
        return Style(self.histogram[contrasts], self.mean[contrasts], self.deviation[contrasts])

    @property
    def known(self) -> Sequence[str]:
        """The contrasts that have records."""
        return [contrast for contrast, count in zip(CONTRASTS, self.updates.tolist(), strict=True) if count > 0]

    def finish_seeding(self) -> None:
        """Some style for each contrast, for a demonstration without weights."""
        self.histogram.fill_(1 / self.bins)
        self.mean.copy_(torch.linspace(-0.5, 0.5, len(CONTRASTS)))
        self.deviation.fill_(0.2)
        self.updates.fill_(1)
