"""Where a simulation knows the tissues, anatomy classes can be shown what they are (not in the papers)."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ...training.scans import UNKNOWN


def tissue_loss(logits: Tensor, foreground: Tensor, tissues: Tensor) -> Tensor:
    """Mean cross-entropy of each source's anatomy with the tissues, over the pixels that it shows and that have one.

    Sources' `logits` (B, C, K, H, W) and `foreground` (B, C, H, W), and `tissues` (B, 1, H, W): 0 outside the brain, a
    class below K inside, UNKNOWN where nobody knows. Without any tissue it is 0.
    """
    wanted = torch.where(foreground & (tissues > 0), tissues.long(), UNKNOWN)
    total = cross_entropy(logits.flatten(0, 1), wanted.flatten(0, 1), ignore_index=UNKNOWN, reduction="sum")
    return total / (wanted != UNKNOWN).sum().clamp(min=1)
