"""The generator: an image of a structure code, whose features get the mean and deviation that the style asks for.

Letters in shapes: B images, C channels, K labels, N numbers of noise, X, Y and Z the size of a volume.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .sizes import Sizes


class StyleInput(nn.Module):
    """A linear layer of noise and labels; each label's weights bear its name, so that those of others do not fit."""

    def __init__(self, labels: Sequence[str], noise: int, hidden: int) -> None:
        super().__init__()
        self.noise = nn.Linear(noise, hidden)
        self.columns = nn.ParameterDict({to_key(label): nn.Parameter(torch.empty(hidden)) for label in labels})
        self.finish_seeding()

    def finish_seeding(self) -> None:
        """Labels are 1 or -1, and each should matter."""
        for column in self.columns.values():
            nn.init.normal_(column, std=len(self.columns) ** -0.5)

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """(B, N) and (B, K) to hidden units."""
        result: Tensor = self.noise(noise) + labels @ torch.stack(list(self.columns.values()))
        return result


class AdaptiveBlock(nn.Module):
    """A residual block whose instance norms (AdaIN) take scale and shift (B, C) from the style."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv3d(width, width, 3, padding=1)
        self.second = nn.Conv3d(width, width, 3, padding=1)

    def forward(self, features: Tensor, style: Iterator[Tensor]) -> Tensor:
        """(B, C, X, Y, Z) to the same shape; `style` gives the next scale or shift."""
        inner = adapt(self.first(features), next(style), next(style)).relu()
        return features + adapt(self.second(inner), next(style), next(style))


def adapt(features: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """AdaIN: zero mean and unit deviation, then those that the style asks for; a scale of 0 changes nothing."""
    normal = F.instance_norm(features)
    return normal * (1 + scale[:, :, None, None, None]) + shift[:, :, None, None, None]


class Generator(nn.Module):
    """G: structure (B, C, X', Y', Z') and style to values between -1 and 1 (B, 1, X, Y, Z)."""

    def __init__(self, sizes: Sizes, labels: Sequence[str]) -> None:
        super().__init__()
        # A scale and a shift for each of a block's two norms.
        self.parts = 4 * sizes.blocks
        self.style = StyleInput(labels, sizes.noise, sizes.hidden)
        self.mix = nn.Sequential(nn.ReLU(), nn.Linear(sizes.hidden, sizes.hidden), nn.ReLU())
        self.ask = nn.Linear(sizes.hidden, self.parts * sizes.deepest)
        self.blocks = nn.ModuleList([AdaptiveBlock(sizes.deepest) for _ in range(sizes.blocks)])
        widths = [sizes.width * 2**number for number in range(sizes.halvings, -1, -1)]
        self.rise = nn.Sequential(
            *(_doubling(inner, outer, sizes.up_kernel) for inner, outer in zip(widths, widths[1:], strict=False))
        )
        self.last = nn.Conv3d(sizes.width, 1, sizes.edge_kernel, padding=sizes.edge_kernel // 2)

    def forward(self, structure: Tensor, noise: Tensor, labels: Tensor) -> Tensor:
        """Put an image together."""
        style = iter(self.ask(self.mix(self.style(noise, labels))).chunk(self.parts, dim=1))
        features = structure
        for block in self.blocks:
            features = block(features, style)
        result: Tensor = self.last(self.rise(features)).tanh()
        return result


def _doubling(inner: int, outer: int, kernel: int) -> nn.Sequential:
    """Twice as large; one group is layer normalization, which leaves the channels' differences that AdaIN made."""
    conv = nn.Conv3d(inner, outer, kernel, padding=kernel // 2)
    return nn.Sequential(nn.Upsample(scale_factor=2), conv, nn.GroupNorm(1, outer), nn.ReLU())


def to_key(label: str) -> str:
    """The name of a label's parameter, which may hold no dots."""
    return label.replace("%", "%25").replace(".", "%2E")


def to_label(key: str) -> str:
    """The label of a parameter's name."""
    return key.replace("%2E", ".").replace("%25", "%")
