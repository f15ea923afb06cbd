"""What a scanner would make of this person: the target's percentiles, carried over by the levels of tissue.

Percentiles of two people differ by how much fluid, gray and white matter they have, even on one scanner. Levels of
tissue hardly do. With levels s of the source's volume and t of the target's, of T tissues in the order of s,

    q = curve(p) through (0, 0), (s_1, t_1) .. (s_T, t_T)    (11), as in Eqs. (1) to (3) with delta = 0

are percentiles that the target's scanner would give to the source's person, whose percentiles are p. Three levels say
less than eleven percentiles do. So where the target shows the same person, what is aimed at are its own percentiles r,

    u = a r + (1 - a) q                                                                                    (12)

with a = 1 for two scans that show as many voxels and whose percentiles are about what levels say, and 0 for two people:
a falls from 1 to 0 while the logarithm of the ratio of the two extents rises through `SAME_EXTENT`, and likewise, as a
second factor, while mean |r - q| / mean(q) rises through `ALIKE`.

Scans of two people by one scanner differ too, and following that would bring the other person's looks over. So what
differs less is only made as bright as the target. With e = p mean(u) / mean(p), what is aimed at is

    b u + (1 - b) e,  b rising from 0 to 1 while mean |u - e| / mean(u) rises through                      (13)
                      `SAME_SCANNER`, or, as far as a is 1, through `SAME_PERSON`

The network corrects the curve c (1 - a) times, with c rising from 0 to 1 while mean |u - e| / mean(u) rises through
`SAME_PERSON`: it learned to correct q, r needs no correction, and between two scans by one scanner there is nothing to
correct.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d, pixel_shuffle

from .curve import apply_curve, slopes

TISSUES = ("csf", "gm", "wm")
"""The first channels of beta."""
SAME_EXTENT = (0.015, 0.03)
"""Of pairs of scans of one person 95 in 100 lie below 0.012, of two people half above 0.069 (T1w)."""
ALIKE = (0.06, 0.12)
"""Levels are wrong by about as much. Most pairs of people differ by less too, so extents must tell them apart."""
SAME_SCANNER = (0.03, 0.06)
"""Of pairs of people of one scanner 95 in 100 lie below 0.031, of two scanners half above 0.062 (T1w)."""
SAME_PERSON = (0.01, 0.02)
"""Two scans of one person by one scanner differ by less than the second."""
# Of a volume's pixels that are looked at, so much must be inside of a tissue for its level to be known.
_LEAST_SHARE = 2e-4
# How much faster than its source a curve may rise from one tissue to another.
_STEEPEST = 4.0
# Pixels that count less than this are left out, to save time.
_LEAST_WEIGHT = 1e-3


def interiors(beta: Tensor, shown: Tensor) -> Tensor:
    """How much pixels (B, T, H, W) count for the level of each tissue: those inside of it, away from its edge.

    That is the fourth power of the least share of the tissue in `beta` (B, K, 4, H / 2, W / 2) among a pixel and its
    eight neighbours, as far as the slice is `shown` (B, 1, H, W). At an edge another tissue is mixed in, and of fluid,
    which is bright or dark beside all others, people have more edges the less they have of it.
    """
    shares = pixel_shuffle(beta[:, :3].flatten(1, 2), 2).float() * shown
    return (-max_pool2d(-shares, 3, 1, 1)).square().square()


def volume_levels(pixels: Tensor, weights: Tensor, area: Tensor) -> Tensor:
    """Levels (T,) of a volume: medians of `pixels` (N,) by `weights` (T, N), 0 where not known.

    Of the slices that the pixels are from `area` (B,) is shown.
    """
    values, found = pixels.float().cpu(), []
    for weight in weights.cpu():
        inside = weight > _LEAST_WEIGHT
        value, order = values[inside].sort()
        until = weight[inside][order].cumsum(0)
        known = len(value) > 0 and until[-1] > _LEAST_SHARE * area.sum().cpu()
        found.append(value[(until < until[-1] / 2).sum()] if known else values.new_zeros(()))
    return torch.stack(found).to(pixels.device)


def carry_over(percentiles: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Eq. (11): percentiles (N, P) of source volumes as the target's scanner would give them, by levels (N, T).

    Levels that either lacks are 0 and do not count.
    """
    source, target = _joined(source, target)
    known = (source > 0) & (target > 0)
    order = torch.where(known, source, torch.full_like(source, float("inf"))).argsort(1)
    s, t, here = (each.gather(1, order) for each in (source, target, known))
    # What is not known comes last and repeats the last one that is: an interval of no width.
    last = (here.sum(1, keepdim=True) - 1).clamp(min=0)
    place = torch.minimum(torch.arange(s.shape[1], device=s.device).expand_as(order), last)
    s, t = s.gather(1, place), t.gather(1, place)
    moved = apply_curve(percentiles[:, None, None], s, slopes(s, t))[:, 0, 0]
    return torch.where(known.any(1, keepdim=True), moved, percentiles)


def _joined(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Levels (N, T) that a curve can join, which neither falls nor rises more than `_STEEPEST` times as fast.

    Else it would turn a contrast round, or blow noise up. Gray and white matter that it cannot join are taken as one
    tissue. Fluid, of which there is least, so that its level is the least sure, does not count then.
    """
    apart = _joins(source, target, 1, 2)
    matter = [torch.where(apart, each[:, 1:], each[:, 1:].mean(1, keepdim=True)) for each in (source, target)]
    source, target = (torch.cat([each[:, :1], rest], 1) for each, rest in zip((source, target), matter, strict=True))
    fluid = _joins(source, target, 0, 1) & _joins(source, target, 0, 2)
    return torch.cat([torch.where(fluid, source[:, :1], 0.0), source[:, 1:]], 1), target


def _joins(source: Tensor, target: Tensor, one: int, other: int) -> Tensor:
    """Whether a curve can join two tissues (N, 1); so it can if either is not known."""
    run, rise = source[:, [one]] - source[:, [other]], target[:, [one]] - target[:, [other]]
    unknown = (source[:, [one, other]] == 0).any(1, keepdim=True) | (target[:, [one, other]] == 0).any(1, keepdim=True)
    return unknown | ((run * rise >= 0) & (rise.abs() <= _STEEPEST * run.abs()))


class Brightness(NamedTuple):
    """Of volumes the `percentiles` (N, P), the `levels` of tissues (N, T) and the `extent` (N, 1), 0 where not known.

    The extent is the number of voxels that a volume shows.
    """

    percentiles: Tensor
    levels: Tensor
    extent: Tensor


class Aim(NamedTuple):
    """Percentiles (N, P) to choose from: u and e of Eq. (13), and (N, 1) how far `apart` they are and a of Eq. (12)."""

    wanted: Tensor
    kept: Tensor
    apart: Tensor
    alike: Tensor


def weigh(source: Brightness, target: Brightness) -> Aim:
    """What source volumes could be brought to."""
    moved = carry_over(source.percentiles, source.levels, target.levels)
    alike = _same_extent(source.extent, target.extent) * (1 - _ramp(_apart(target.percentiles, moved), ALIKE))
    wanted = alike * target.percentiles + (1 - alike) * moved  # Eq. (12)
    gain = wanted.mean(1, keepdim=True) / source.percentiles.mean(1, keepdim=True).clamp(min=1e-6)
    kept = source.percentiles * gain
    return Aim(wanted, kept, _apart(kept, wanted), alike)


class Aimed(NamedTuple):
    """Percentiles (N, P) that source volumes are brought to, and (N, 1) how far.

    `changed` is b of Eq. (13), and `corrected` how far the network may correct the curve to the percentiles.
    """

    percentiles: Tensor
    changed: Tensor
    corrected: Tensor


def aimed_at(source: Brightness, target: Brightness) -> Aimed:
    """Eqs. (12) and (13). Without levels the target's percentiles are aimed at."""
    aim = weigh(source, target)
    limits = [aim.alike * same + (1 - aim.alike) * other for same, other in zip(SAME_PERSON, SAME_SCANNER, strict=True)]
    known = ((source.levels > 0) & (target.levels > 0)).any(1, keepdim=True)
    changed = torch.where(known, _ramp(aim.apart, limits), 1.0)
    corrected = (1 - aim.alike) * torch.where(known, _ramp(aim.apart, SAME_PERSON), 1.0)
    wanted = torch.where(known, aim.wanted, target.percentiles)
    return Aimed(changed * wanted + (1 - changed) * aim.kept, changed, corrected)  # Eq. (13)


def _same_extent(one: Tensor, other: Tensor) -> Tensor:
    """From 1 for equal extents (N, 1) to 0 for those of two people, and 0 where one is not known."""
    ratio = (one.clamp(min=1).log() - other.clamp(min=1).log()).abs()
    return torch.where((one > 0) & (other > 0), 1 - _ramp(ratio, SAME_EXTENT), 0.0)


def _apart(one: Tensor, other: Tensor) -> Tensor:
    """How far percentiles (N, P) lie from `other` ones, (N, 1)."""
    return (one - other).abs().mean(1, keepdim=True) / other.mean(1, keepdim=True).clamp(min=1e-6)


def _ramp(value: Tensor, limits: Sequence[float | Tensor]) -> Tensor:
    low, high = limits
    return ((value - low) / (high - low)).clamp(0, 1)
