"""What a scanner would make of this person: the target's percentiles, carried over by the levels of tissue.

Percentiles of two people differ by how much fluid, gray and white matter they have, even on one scanner. Levels of
tissue hardly do. With levels s of the source's volume and t of the target's, of T tissues in the order of s,

    q = curve(p) through (0, 0), (s_1, t_1) .. (s_T, t_T)    (11), as in Eqs. (1) to (3) with delta = 0

are percentiles that the target's scanner would give to the source's person, whose percentiles are p.
"""

import torch
from torch import Tensor
from torch.nn.functional import pixel_shuffle

from .curve import apply_curve, slopes

TISSUES = ("csf", "gm", "wm")
"""The first channels of beta."""
# Of a volume's pixels that are looked at, so much must be of a tissue for its level to be known.
_LEAST_SHARE = 1e-3


def level_sums(image: Tensor, beta: Tensor, shown: Tensor) -> tuple[Tensor, Tensor]:
    """Sums over images (B, 1, H, W) where they are `shown`, and of the weights of pixels, (B, T) each.

    A weight is the fourth power of a tissue's share in `beta` (B, K, 4, H / 2, W / 2): little is learned of a tissue
    where another one is mixed in.
    """
    shares = pixel_shuffle(beta[:, :3].flatten(1, 2), 2)
    weights = shares.float().square().square() * shown
    return (weights * image).sum((2, 3)), weights.sum((2, 3))


def volume_levels(sums: Tensor, weights: Tensor, area: Tensor) -> Tensor:
    """Levels (T,) of a volume by the sums (B, T) of its slices, of which `area` (B,) is shown; 0 where not known."""
    total = weights.sum(0)
    known = total > _LEAST_SHARE * area.sum()
    return torch.where(known, sums.sum(0) / total.clamp(min=1e-6), torch.zeros_like(total))


def carry_over(percentiles: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Eq. (11): percentiles (N, P) of source volumes as the target's scanner would give them, by levels (N, T).

    Levels that either lacks are 0 and do not count. Where the order of tissues is another one on the target's scanner,
    which no curve can follow, what is out of order is evened out.
    """
    known = (source > 0) & (target > 0)
    order = torch.where(known, source, torch.full_like(source, float("inf"))).argsort(1)
    s, t, here = (each.gather(1, order) for each in (source, target, known))
    # What is not known comes last and repeats the last one that is: an interval of no width.
    last = (here.sum(1, keepdim=True) - 1).clamp(min=0)
    place = torch.minimum(torch.arange(s.shape[1], device=s.device).expand_as(order), last)
    s, t = s.gather(1, place), t.gather(1, place)
    rising = (t.cummax(1).values + t.flip(1).cummin(1).values.flip(1)) / 2
    moved = apply_curve(percentiles[:, None, None], s, slopes(s, rising))[:, 0, 0]
    return torch.where(known.any(1, keepdim=True), moved, percentiles)
