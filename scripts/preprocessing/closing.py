"""Binary closing of a volume with a ball, exact and fast.

The ball of radius r holds the offsets with x^2 + y^2 + z^2 <= r^2. A voxel is within r of a set if, of the budget r^2,
something is left after the squared distances along the three axes in turn:

- along x, the distance to the set is found by one sweep in each direction;
- along y, the budget left is the largest of r^2 - x^2 - y^2 over all offsets y;
- along z, a budget reaches as many voxels as its square root, less one with each step.

Closing is dilation and then erosion, and erosion is dilation of the complement.
"""

from math import isqrt

import numpy as np
import torch
from torch import Tensor

from ..base.errors import InputError

# What is left of the radius is kept in one byte.
MAXIMAL_RADIUS = 127
# So few that they stay in the processor's cache, so many that threads do not wait for Python's lock.
_PLANES_AT_ONCE = 8


def close_with_ball(mask: Tensor, radius: int) -> Tensor:
    """The closing of a boolean mask (X, Y, Z), as if the volume went on without end and was empty outside."""
    check_radius(radius)
    closed = torch.zeros_like(mask)
    if mask.any():
        box = _bounding_box(mask.numpy(force=True))
        closed[box] = torch.from_numpy(_close(mask[box].numpy(force=True), radius)).to(mask.device)
    return closed


def check_radius(radius: int) -> None:
    """Refuse what is no radius in voxels."""
    if not (isinstance(radius, int) and 1 <= radius <= MAXIMAL_RADIUS):
        raise InputError(f"`radius` must be a whole number of voxels from 1 to {MAXIMAL_RADIUS}, got {radius}")


def _bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """The box of the foreground, which holds its closing too."""
    occupied = (np.flatnonzero(mask.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1)))
    return tuple(slice(int(places[0]), int(places[-1]) + 1) for places in occupied)


def _close(mask: np.ndarray, radius: int) -> np.ndarray:
    inside = slice(radius, -radius)
    beyond = _beyond(_reach_along_x(np.pad(mask, radius), radius), radius)
    return _beyond(_reach_along_x(beyond, radius)[inside], radius)[:, inside, inside]


def _reach_along_x(mask: np.ndarray, radius: int) -> np.ndarray:
    """The radius less the distance to the mask along x, as int8 (X, Y, Z); -1 where that is negative."""
    reach = np.where(mask, np.int8(radius), np.int8(-1))
    for planes in (reach, reach[::-1]):
        for before, plane in zip(planes, planes[1:], strict=False):
            np.maximum(plane, before - np.int8(1), out=plane)
    return reach


def _beyond(reach: np.ndarray, radius: int) -> np.ndarray:
    """Which voxels (X, Y, Z) lie further than the radius from the mask, given their reach along x."""
    beyond = np.empty(reach.shape, dtype=bool)
    for start in range(0, len(reach), _PLANES_AT_ONCE):
        planes = slice(start, start + _PLANES_AT_ONCE)
        budget = radius**2 - (radius - reach[planes].astype(np.int16)) ** 2
        np.less(_spread_along_z(_spread_along_y(budget), radius), 0, out=beyond[planes])
    return beyond


def _spread_along_y(budget: np.ndarray) -> np.ndarray:
    """For each voxel the largest budget around it less the squared distance along y; -1 where none is left."""
    largest = np.maximum(budget, np.int16(-1))
    spent = np.empty_like(budget)
    furthest = isqrt(int(largest.max(initial=0)))
    for distance in range(1, min(furthest, budget.shape[1] - 1) + 1):
        np.subtract(budget, np.int16(distance**2), out=spent)
        np.maximum(largest[:, distance:], spent[:, :-distance], out=largest[:, distance:])
        np.maximum(largest[:, :-distance], spent[:, distance:], out=largest[:, :-distance])
    return largest


def _spread_along_z(budget: np.ndarray, radius: int) -> np.ndarray:
    """For each voxel the longest reach around it less the distance along z; negative where none comes so far."""
    # The root of a whole number rounded down, and -1 for a budget of -1.
    reach = (np.ceil(np.sqrt(budget + np.float32(1))) - 1).astype(np.int8)
    # All rows as one, which is faster: what spills over the end of a row only meets padding.
    row = reach.reshape(-1)
    step = 1
    # Steps of 1, 2, 4 ... add up to every distance.
    while step <= radius:
        spent = row - np.int8(step)
        np.maximum(row[step:], spent[:-step], out=row[step:])
        np.maximum(row[:-step], spent[step:], out=row[:-step])
        step *= 2
    return reach
