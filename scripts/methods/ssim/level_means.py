"""What the layers of an encoder find, in numbers that say how a volume looks: labels are told from these.

Letters in shapes: B images, C channels, N channels of all layers, X, Y and Z the size of a volume.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, distributed, nn
from torch.nn.functional import adaptive_avg_pool3d

MOMENTUM = 0.02


class LevelMeans(nn.Module):
    """Runs layers of `widths` channels one after the other, and takes means of each over what a volume shows.

    Scanners differ by a few percent of such means, of which the last layer alone does not show the steepest. So means
    are standardised: by a mean and a variance (N) that follow what training saw, and not by those of a batch, which
    holds two volumes. Several processes follow what all of them saw.
    """

    mean: Tensor
    variance: Tensor
    updates: Tensor

    def __init__(self, layers: Sequence[nn.Module], widths: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.size = sum(widths)
        for layer in self.layers.modules():
            if isinstance(layer, nn.Conv3d):
                # PyTorch's own start lets what is found shrink from layer to layer.
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        self.register_buffer("mean", torch.zeros(self.size))
        self.register_buffer("variance", torch.ones(self.size))
        self.register_buffer("updates", torch.zeros(()))

    def forward(self, volume: Tensor, shown: Tensor) -> tuple[Tensor, Tensor]:
        """What the last layer finds (B, C, X', Y', Z'), and means (B, N) over where `shown` (B, 1, X, Y, Z) is 1."""
        means = []
        for layer in self.layers:
            volume = layer(volume)
            share = adaptive_avg_pool3d(shown, (volume.shape[2], volume.shape[3], volume.shape[4])).to(volume.dtype)
            total = share.sum((2, 3, 4), dtype=torch.float32).clamp(min=1e-6)
            means.append((volume * share).sum((2, 3, 4), dtype=torch.float32) / total)
        found = torch.cat(means, 1)
        if self.training:
            self._follow(found.detach())
        return volume, (found - self.mean) / (self.variance + 1e-6).sqrt()

    @torch.no_grad()
    def _follow(self, found: Tensor) -> None:
        sums = torch.stack([found.sum(0), found.square().sum(0), torch.full_like(found[0], len(found))])
        if distributed.is_initialized():
            distributed.all_reduce(sums)
        self.updates += 1
        # At first a plain mean of all that was seen.
        rate = (1 / self.updates).clamp(min=MOMENTUM)
        mean, square = sums[:2] / sums[2]
        before = self.variance + self.mean.square() if self.updates > 1 else square
        self.mean.lerp_(mean, rate)
        self.variance.copy_((before.lerp(square, rate) - self.mean.square()).clamp(min=0))
