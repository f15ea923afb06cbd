"""The two discriminators: is an image, or a structure code, a real one, and which labels has it.

Letters in shapes: B images, C channels, K labels, X, Y and Z the size of a volume.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...base.arguments import check_whole
from .encoders import LEAK, halving
from .level_means import LevelMeans
from .sizes import Sizes
from .translation import Judged


class _Judge(nn.Module):
    """Convolutions (B, C, X, Y, Z) that end in a map of how real an image is, and labels (B, K) of all that they find.

    There are as many as `widths` less one, and each halves a volume.
    """

    def __init__(self, widths: Sequence[int], labels: int) -> None:
        super().__init__()
        layers = [
            nn.Sequential(halving(inner, outer), nn.LeakyReLU(LEAK))
            for inner, outer in zip(widths, widths[1:], strict=False)
        ]
        self.body = LevelMeans(layers, widths[1:])
        self.real = nn.Conv3d(widths[-1], 1, 1)
        self.labels = nn.Linear(self.body.size, labels)

    def forward(self, volume: Tensor, shown: Tensor) -> tuple[Tensor, Tensor]:
        """The map and the labels."""
        features, means = self.body(volume, shown)
        return self.real(features), self.labels(means)


class ImageDiscriminator(nn.Module):
    """D_a^x and D_p^x at several `scales`, each of which sees a volume half as large as the one before.

    A scale has `width` channels after its first of `halvings`, and twice as many after each further one.
    """

    def __init__(self, labels: int, width: int = 64, halvings: int = 4, scales: int = 2, white: float = 2.0) -> None:
        super().__init__()
        for name, value in (("width", width), ("halvings", halvings), ("scales", scales)):
            check_whole(name, value)
        self.white = white
        widths = [1, *(width * 2**number for number in range(halvings))]
        self.judges = nn.ModuleList([_Judge(widths, labels) for _ in range(scales)])

    def forward(self, image: Tensor) -> Judged:
        """Of images (B, 1, X, Y, Z), none of whose sides is below 2 ** (halvings + scales - 1)."""
        found, image = [], image / self.white
        for judge in self.judges:
            found.append(judge(image, (image > 0).float()))
            image = F.avg_pool3d(image, 2)
        return Judged([real for real, _ in found], [labels for _, labels in found])


class StructureDiscriminator(nn.Module):
    """D_a^b and D_p^b, which see structure codes (B, C, X', Y', Z'), whose convolutions number `layers`."""

    def __init__(self, labels: int, sizes: Sizes, layers: int = 2) -> None:
        super().__init__()
        check_whole("layers", layers)
        width = sizes.deepest
        self.judge = _Judge([width] * (layers + 1), labels)

    def forward(self, structure: Tensor) -> Judged:
        """Of one scale."""
        real, labels = self.judge(structure, torch.ones_like(structure[:, :1]))
        return Judged([real], [labels])
