"""What the networks are built of: convolutions that know a condition and keep the background at 0.

Nothing is normalised over space, and features are 0 wherever no source shows anything: so a slice cut to the box around
its foreground gives the same result as the whole slice, and no result depends on how much background there is.
"""

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu, max_pool2d

LEAK = 0.1


class Condition(nn.Module):
    """Numbers (B, inputs) to the condition (B, outputs) that modulates features."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs, outputs), nn.LeakyReLU(LEAK), nn.Linear(outputs, outputs), nn.LeakyReLU(LEAK)
        )

    def forward(self, numbers: Tensor) -> Tensor:
        """The condition."""
        return self.layers(numbers)


class MaskedConv(nn.Module):
    """Convolution, scale and shift by a condition, LeakyReLU, mask: (B, inputs, H, W) -> (B, outputs, H, W)."""

    def __init__(self, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.modulation = nn.Linear(condition, 2 * outputs)
        nn.init.kaiming_normal_(self.convolution.weight, a=LEAK)
        nn.init.normal_(self.modulation.weight, std=0.1 * condition**-0.5)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, features: Tensor, condition: Tensor, mask: Tensor) -> Tensor:
        """`condition` is (B, condition), `mask` (B, 1, H, W) holds 0 and 1."""
        scale, shift = self.modulation(condition).to(features.dtype).unsqueeze(-1).unsqueeze(-1).chunk(2, dim=1)
        return modulate(self.convolution(features), scale, shift, mask)


def modulate(features: Tensor, scale: Tensor, shift: Tensor, mask: Tensor, leak: float = LEAK) -> Tensor:
    """Features (B, C, H, W) times 1 + `scale` plus `shift` (B, C, 1, 1), rectified, 0 where `mask` (B, 1, H, W) is."""
    return leaky_relu(features * (1 + scale) + shift, leak) * mask


class MaskedUNet(nn.Module):
    """Features of a slice at half its resolution, and those at the lowest one.

    Level l has widths[l] channels at 2 ** -(l + 1) of the slice's resolution. Skips are added to what comes from below.
    """

    def __init__(self, inputs: int, widths: list[int], condition: int) -> None:
        super().__init__()
        above, below = widths[:-1], widths[1:]
        self.first = MaskedConv(inputs, widths[0], condition)
        self.second = MaskedConv(widths[0], widths[0], condition)
        self.down_first = nn.ModuleList(MaskedConv(a, b, condition) for a, b in zip(above, below, strict=True))
        self.down_second = nn.ModuleList(MaskedConv(b, b, condition) for b in below)
        self.narrow = nn.ModuleList(
            nn.Conv2d(b, a, 1, bias=False) for a, b in zip(reversed(above), reversed(below), strict=True)
        )
        self.up = nn.ModuleList(MaskedConv(a, a, condition) for a in reversed(above))

    def forward(self, features: Tensor, condition: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """`features` (B, inputs, H, W) and their `mask` (B, 1, H, W), sides multiples of 2 ** (levels - 1)."""
        mask = mask.to(features.dtype)
        features = self.second(self.first(features, condition, mask), condition, mask)
        skips, masks = [features], [mask]
        for first, second in zip(self.down_first, self.down_second):  # noqa: B905, TorchScript knows no strict
            mask = max_pool2d(mask, 2)
            features = second(first(avg_pool2d(features, 2), condition, mask), condition, mask)
            skips.append(features)
            masks.append(mask)
        lowest = features
        depth = len(skips) - 1
        for narrow, up in zip(self.narrow, self.up):  # noqa: B905
            depth -= 1
            features = skips[depth] + interpolate(narrow(features), scale_factor=2.0, mode="nearest")
            features = up(features, condition, masks[depth])
        return features, lowest


def zero(layer: nn.Linear | nn.Conv2d) -> nn.Linear | nn.Conv2d:
    """The layer with weights and bias of 0, whose output is 0 before it has learned anything."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
