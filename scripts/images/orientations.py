"""The slices of a volume in three orientations, in the layout that published HACA3+ weights expect.

A volume on the working grid (x towards left, y towards anterior, z towards superior) is zero-padded symmetrically to a
cube of n voxels a side. Its slices are then, as [slice][row, column],

    axial     [z][y, x]
    coronal   [y][n - 1 - z, x]
    sagittal  [x][n - 1 - z, y]
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from ..base.errors import InputError

# For the axes of a slice stack (slice, row, column) the axes of the volume, and whether the rows are reversed.
_LAYOUT: dict[str, tuple[tuple[int, int, int], bool]] = {
    "axial": ((2, 1, 0), False),
    "coronal": ((1, 2, 0), True),
    "sagittal": ((0, 2, 1), True),
}
ORIENTATIONS: tuple[str, ...] = tuple(_LAYOUT)
# The plane from which the code of a target is read, whatever plane is decoded.
TARGET_ORIENTATION = "coronal"


def to_slices(volume: Tensor, orientation: str, field_of_view: int = 224) -> Tensor:
    """All slices (..., S, H, W) of a volume (..., X, Y, Z), where S, H and W are `field_of_view`."""
    order, reversed_rows = _layout(orientation)
    margins = cube_margins(volume.shape[-3:], field_of_view)
    cube = pad(volume, [side for margin in reversed(margins) for side in margin])
    leading = range(volume.ndim - 3)
    slices = cube.permute(*leading, *(volume.ndim - 3 + axis for axis in order))
    return slices.flip(-2) if reversed_rows else slices


def from_slices(slices: Tensor, orientation: str, shape: Sequence[int]) -> Tensor:
    """The volume (..., X, Y, Z) of the given `shape` (X, Y, Z) of which `to_slices` made (..., S, H, W)."""
    order, reversed_rows = _layout(orientation)
    if len(set(slices.shape[-3:])) != 1:
        raise InputError(f"slices must fill a cube, their shape is {tuple(slices.shape[-3:])}")
    cube = slices.flip(-2) if reversed_rows else slices
    leading = range(slices.ndim - 3)
    # Each layout is a permutation of three axes, undone by the axes in the order of their places.
    cube = cube.permute(*leading, *(slices.ndim - 3 + order.index(axis) for axis in range(3)))
    margins = cube_margins(shape, slices.shape[-1])
    for axis, (low, _), size in zip((-3, -2, -1), margins, shape, strict=True):
        cube = cube.narrow(axis, low, size)
    return cube


def plane_view(volume: Tensor, orientation: str) -> Tensor:
    """The slices (..., S, R, C) of a volume (..., X, Y, Z) without padding and rows in the volume's order: a view."""
    order, _ = _layout(orientation)
    return volume.permute(*range(volume.ndim - 3), *(volume.ndim - 3 + axis for axis in order))


def turn_rows(slices: Tensor, orientation: str) -> Tensor:
    """Rows (..., R, C) of a `plane_view` in the order in which networks see them, and back."""
    return slices.flip(-2) if _layout(orientation)[1] else slices


def frame(slices: Tensor, orientation: str, field_of_view: int) -> Tensor:
    """Some slices (..., R, C) of a `plane_view` as a network sees them, (..., H, W)."""
    _, reversed_rows = _layout(orientation)
    rows, columns = cube_margins(slices.shape[-2:], field_of_view)
    framed = pad(slices, [*columns, *rows])
    return framed.flip(-2) if reversed_rows else framed


def unframe(slices: Tensor, orientation: str, shape: Sequence[int]) -> Tensor:
    """The part (..., R, C) of framed slices (..., H, W) that `frame` was given; `shape` is (R, C)."""
    _, reversed_rows = _layout(orientation)
    (top, _), (left, _) = cube_margins(shape, slices.shape[-1])
    unflipped = slices.flip(-2) if reversed_rows else slices
    return unflipped[..., top : top + shape[0], left : left + shape[1]]


def _layout(orientation: str) -> tuple[tuple[int, int, int], bool]:
    if orientation not in _LAYOUT:
        raise InputError(f"`orientation` must be one of {', '.join(ORIENTATIONS)}, got {orientation}")
    return _LAYOUT[orientation]


def cube_margins(shape: Sequence[int] | torch.Size, field_of_view: int) -> list[tuple[int, int]]:
    """How many voxels are added before and after each axis of `shape` to make it `field_of_view` long."""
    if field_of_view < max(shape):
        raise InputError(
            f"`field_of_view` must be at least {max(shape)} for a volume of {tuple(shape)}, got {field_of_view}"
        )
    lows = [(field_of_view - size) // 2 for size in shape]
    return [(low, field_of_view - size - low) for low, size in zip(lows, shape, strict=True)]
