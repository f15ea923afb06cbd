"""How much two images tell about each other."""

import torch
from torch import Tensor

# Bins at either end that the windows of the outermost values reach into.
_MARGIN = 2


def normalized_mutual_information(fixed: Tensor, moving: Tensor, inside: Tensor, bins: int = 32) -> Tensor:
    """Of values (N,) and (..., N) in [0, 1] at the same points, where `inside` (..., N); differentiable by `moving`.

    Formula: (H(fixed) + H(moving)) / H(fixed, moving), from 1, independent, to 2; higher is better (Studholme 1999).
    The joint histogram is smoothed along `moving` by cubic B-splines (Mattes 2003).
    """
    share = inside / inside.sum(dim=-1, keepdim=True)
    rows = _to_bins(fixed, bins).long()
    places = _to_bins(moving, bins)
    nearest = places.detach().floor()
    weights = _cubic_window(places - nearest) * share[..., None]
    columns = nearest.long()[..., None] + torch.arange(-1, 3)
    # One histogram after the other.
    cells = (rows[:, None] * bins + columns).reshape(-1, 4 * len(fixed))
    cells = cells + bins**2 * torch.arange(len(cells))[:, None]
    joint = torch.zeros(len(cells) * bins**2, dtype=torch.float64)
    joint = joint.index_add(0, cells.flatten(), weights.double().flatten())
    joint = joint.reshape(*moving.shape[:-1], bins, bins)
    return (_entropy(joint.sum(dim=-2)) + _entropy(joint.sum(dim=-1))) / _entropy(joint.flatten(-2))


def _to_bins(values: Tensor, bins: int) -> Tensor:
    return _MARGIN + values * (bins - 2 * _MARGIN - 1)


def _cubic_window(t: Tensor) -> Tensor:
    """The four weights (..., 4) of a cubic B-spline at a place `t` (...) between two knots."""
    pieces = [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    return torch.stack(pieces, dim=-1) / 6


def _entropy(shares: Tensor) -> Tensor:
    # At 0 its slope is infinite.
    return torch.special.entr(shares + torch.finfo(shares.dtype).tiny).sum(dim=-1)
