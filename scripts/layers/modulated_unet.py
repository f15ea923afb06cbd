"""A decoder whose every layer knows the contrast (after Perez et al. 2018, FiLM).

HACA3's decoder gets the code of a contrast as constant maps beside the anatomy, and normalises what its first
convolutions make of them: a constant is subtracted again, but for what the padding at the border leaves of it. Here the
code scales and shifts each feature, and nothing is normalised: a class has the same brightness in every slice and
plane. What the contrast makes of a pixel by itself goes straight to the output, and the convolutions are left with what
its surroundings say.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from .unet import LEAK


class ModulatedConv(nn.Module):
    """Convolution, scale and shift by a condition, LeakyReLU: (B, inputs, H, W) -> (B, outputs, H, W)."""

    def __init__(self, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.modulation = nn.Linear(condition, 2 * outputs)
        self.activation = nn.LeakyReLU(LEAK)

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        """`condition` is (B, condition)."""
        scale, shift = self.modulation(condition).unsqueeze(-1).unsqueeze(-1).chunk(2, dim=1)
        return self.activation(self.convolution(features) * (1 + scale) + shift)

    def finish_seeding(self) -> None:
        """As strong as the features, scales would multiply from layer to layer."""
        self.modulation.weight.data *= 0.1


class ModulatedPair(nn.Module):
    """Two of them, the second as wide as the first."""

    def __init__(self, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        self.first = ModulatedConv(inputs, outputs, condition)
        self.second = ModulatedConv(outputs, outputs, condition)

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        """`condition` is (B, condition)."""
        return self.second(self.first(features, condition), condition)


class ModulatedUNet(nn.Module):
    """An anatomy and constant maps of a code (B, anatomy + code, H, W) -> (B, 1, H, W), as HACA3's decoder has them.

    `anatomy` counts channels of detail too. Level l has base * 2 ** l channels; H and W are multiples of 2 ** levels.
    """

    def __init__(self, anatomy: int = 5, code: int = 2, base: int = 16, levels: int = 2, condition: int = 64) -> None:
        super().__init__()
        self.anatomy = anatomy
        widths = [base * 2**level for level in range(levels + 1)]
        self.condition = nn.Sequential(
            nn.Linear(code, condition), nn.LeakyReLU(LEAK), nn.Linear(condition, condition), nn.LeakyReLU(LEAK)
        )
        self.top = ModulatedPair(anatomy, base, condition)
        self.down = nn.ModuleList(
            ModulatedPair(above, below, condition) for above, below in zip(widths[:-1], widths[1:], strict=True)
        )
        self.enlarge = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.up = nn.ModuleList(
            ModulatedPair(above + below, above, condition)
            for above, below in zip(reversed(widths[:-1]), reversed(widths[1:]), strict=True)
        )
        self.head = nn.Conv2d(base, 1, 1)
        self.brightness = nn.Linear(condition, anatomy)

    def forward(self, image: Tensor) -> Tensor:
        """The image without a final activation."""
        condition = self.condition(image[:, self.anatomy :, 0, 0])
        features = self.top(image[:, : self.anatomy], condition)
        skips: list[Tensor] = []
        for pair in self.down:
            skips.append(features)
            features = pair(avg_pool2d(features, 2), condition)
        for pair in self.up:
            features = pair(torch.cat([skips.pop(), self.enlarge(features)], dim=1), condition)
        painted = (self.brightness(condition).unsqueeze(-1).unsqueeze(-1) * image[:, : self.anatomy]).sum(
            1, keepdim=True
        )
        return self.head(features) + painted

    def finish_seeding(self) -> None:
        """What the contrast makes of a pixel by itself is a correction at first."""
        self.brightness.weight.data *= 0.1
