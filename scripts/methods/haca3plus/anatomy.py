"""beta: what a source shows, in soft channels that are the same whatever its contrast."""

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, pixel_shuffle, pixel_unshuffle

from .blocks import Condition, MaskedUNet, zero
from .curve import apply_curve, slopes


class AnatomyEncoder(nn.Module):
    """Slices of one contrast (B, 1, H, W) to logits of beta (B, K, 4, H / 2, W / 2) and a confidence (B, 1, H, W).

    A pixel's logits stand in one of the four places of its square of two by two, where convolutions have them at hand.
    The first `tissues` of the K = tissues + free channels are classes, of which a softmax is taken, the `free` ones
    hold whatever else a brain has. Beside the slice the network sees each pixel's rank among the volume's foreground,
    which no monotone change of contrast changes; `levels` are the ranks of the percentiles in a code. H and W are
    multiples of `step`.
    """

    levels: Tensor

    def __init__(
        self,
        tissues: int,
        free: int,
        widths: list[int],
        levels: list[float],
        contrasts: int = 4,
        condition: int = 64,
    ) -> None:
        super().__init__()
        self.channels = tissues + free
        self.condition = Condition(len(levels) + contrasts, condition)
        self.body = MaskedUNet(4 * 2, widths, condition)
        self.head = nn.Conv2d(widths[0], 4 * self.channels, 1)
        self.confidence = zero(nn.Conv2d(widths[0], 4, 1))
        self.register_buffer("levels", torch.tensor([level / 100 for level in levels]))

    def forward(self, image: Tensor, percentiles: Tensor, contrast: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """`percentiles` (B, P), `contrast` (B, 4) one-hot, `mask` (B, 1, H, W) the foreground of all sources."""
        rank = apply_curve(image, percentiles, slopes(percentiles, self.levels.expand_as(percentiles))).clamp(max=1.5)
        seen = pixel_unshuffle(torch.cat([image, rank], dim=1), 2).contiguous(memory_format=torch.channels_last)
        condition = self.condition(torch.cat([percentiles, contrast], dim=1))
        features, _ = self.body(seen, condition, max_pool2d(mask, 2))
        logits = self.head(features).unflatten(1, [self.channels, 4])
        return logits, pixel_shuffle(self.confidence(features), 2).float()


def activate(logits: Tensor, tissues: int) -> Tensor:
    """beta (B, K, ...) of logits: shares of tissues that add up to 1, and free channels between -1 and 1."""
    return torch.cat([logits[:, :tissues].softmax(1), logits[:, tissues:].tanh()], dim=1)
