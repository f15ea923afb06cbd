"""d: the image that the fused anatomy has in the target's contrast, HACA3's decoder."""

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, pixel_shuffle

from .blocks import Condition, MaskedUNet


class PlusDecoder(nn.Module):
    """beta* (B, K, 4, H / 2, W / 2) in the target's style (B, S): an image (B, 1, H, W), and its features.

        d = max(sum_k b_k(style) beta*_k + U(beta*, style), 0)    (7)

    What a contrast makes of a pixel's tissue by itself is b; the U-Net U is left with what its surroundings say.
    """

    def __init__(self, anatomy: int, style: int, widths: list[int], condition: int = 96) -> None:
        super().__init__()
        self.condition = Condition(style, condition)
        self.body = MaskedUNet(4 * anatomy, widths, condition)
        self.brightness = nn.Linear(condition, anatomy)
        self.head = nn.Conv2d(widths[0], 4, 3, padding=1)
        # No pixel starts where the rectifier passes no gradient.
        nn.init.constant_(self.head.bias, 0.7)  # type: ignore[arg-type]

    def forward(self, beta: Tensor, style: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """`visible` (B, 1, H, W) is 1 where some source shows foreground, and beta* is 0 elsewhere."""
        condition = self.condition(style)
        seen = beta.flatten(1, 2).contiguous(memory_format=torch.channels_last)
        features, _ = self.body(seen, condition, max_pool2d(visible, 2))
        brightness = self.brightness(condition).to(beta.dtype)
        painted = torch.einsum("bk,bkshw->bshw", brightness, beta)
        return pixel_shuffle(painted.float() + self.head(features).float(), 2).relu() * visible, features
