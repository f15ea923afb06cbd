"""What a scanner does to the slices of one scan: resolution, fields, motion, and the curve of intensities.

Everything linear is a filter along one axis of the slice: worked out for frequencies, turned into a kernel, and applied as a
matrix from each side. C contrasts, H rows, W columns; a filter has so many bins at frequencies from 0 to 1/2 per voxel.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from .model import pattern_model

if TYPE_CHECKING:
    from .slice_artifacts import Artifact

# Cosines per axis in which fields are written.
ORDER = 4


def frequencies(bins: int) -> np.ndarray:
    """Of the bins of a filter, cycles per voxel."""
    return np.linspace(0, 0.5, bins)


def encoding_filters(kept: np.ndarray, apodization: np.ndarray, sharpening: np.ndarray, bins: int) -> np.ndarray:
    """Filters (..., bins): the share `kept` of k-space, its window and the vendor's edge filter, as in `kspace.py`."""
    frequency, end = frequencies(bins), kept[..., None] / 2
    window = 1 - apodization[..., None] * (0.5 - 0.5 * np.cos(np.pi * np.minimum(frequency / end, 1)))
    edge = 1 + sharpening[..., None] * (2 * frequency) ** 2
    # k-space ends within one bin.
    return window * edge * np.clip((end - frequency) * 2 * (bins - 1) + 0.5, 0, 1)


def slab_filters(thickness: np.ndarray, bins: int) -> np.ndarray:
    """Filters (..., bins) of averaging over a thickness and interpolating linearly between slices; 0 is a point."""
    return np.sinc(frequencies(bins) * thickness[..., None]) ** 3


def ghost_filter(ghosts: int, intensity: float, lines: int, bins: int) -> np.ndarray:
    """A comb: every n-th of the lines of k-space is weaker by `intensity`, but for its centre."""
    number = np.round(frequencies(bins) * lines)
    return 1 - intensity * ((number % ghosts == 0) & (number > 0))


def gaussian_slab_filter(thickness: float, bins: int) -> np.ndarray:
    """Thick slices with a Gaussian profile of that width at half maximum, interpolated back."""
    variance = (thickness**2 - 1) / (8 * np.log(2))
    frequency = frequencies(bins)
    return np.exp(-2 * np.pi**2 * variance * frequency**2) * np.sinc(frequency * (thickness - 1)) ** 2


def matrices(filters: Tensor, shift: np.ndarray | None, size: int) -> Tensor:
    """Matrices (C, size, size) that apply filters (C, bins) along an axis and move the image by `shift` (C,) voxels."""
    bins = filters.shape[1]
    if shift is not None and shift.any():
        turn = torch.from_numpy(-2 * np.pi * shift[:, None] * frequencies(bins)).float()
        filters = torch.polar(filters, turn)
    kernel = torch.fft.irfft(filters, n=2 * (bins - 1))
    # Element (i, j) is kernel[i - j]: with its rows upside down, a matrix of overlapping pieces of the reversed kernel.
    reversed_kernel = torch.cat([kernel[:, :size].flip(1), kernel[:, -size + 1 :].flip(1)], dim=1)
    return reversed_kernel.unfold(1, size, 1).flip(1)


def cosines(places: Tensor) -> Tensor:
    """Cosines (..., ORDER) at `places`, shares of an axis from 0 to 1; of unit mean square over it."""
    scale = torch.full((ORDER,), 2**0.5)
    scale[0] = 1
    return scale * torch.cos(torch.pi * places[..., None] * torch.arange(ORDER))


def lattice_fields(weights: Tensor, cells: int) -> Tensor:
    """Fields (N, cells^3) by their weights (N, 4, 4, 4), at the middle of the cells of a lattice over the grid."""
    basis = cosines((torch.arange(cells) + 0.5) / cells)
    for _ in range(3):
        # The axis that is worked out goes last, so after three times they are in their order.
        weights = torch.tensordot(weights, basis, dims=([1], [1]))
    return weights.flatten(1)


def lattice_radius(cells: int) -> Tensor:
    """Square of the distance from the grid's middle (cells^3,), 1 at its faces."""
    square = ((2 * torch.arange(cells) + 1) / cells - 1).square()
    return (square[:, None, None] + square[:, None] + square).flatten()


def transmit_pattern(radius: Tensor, lopsided: Tensor) -> Tensor:
    """As the transmit field of `acquisition.py`: brighter in the middle, lopsided in each scanner's own way."""
    model = pattern_model()
    return 1 - model["transmit_falloff"] * radius + model["transmit_lopsided"] * lopsided


def bend(values: Tensor, gamma: Tensor | float, shoulder: Tensor | float, softness: float = 1.0) -> Tensor:
    """A rising curve that leaves 0 and 1 where they are: a power, and a share of saturation."""
    saturating = (values * (1 + softness)).div_(values + softness)
    power = values.clamp(min=1e-6).pow_(gamma)
    return power.add_(saturating.sub_(power).mul_(shoulder))


def crop(image: Tensor, drawn: np.ndarray) -> None:
    """End the field of view of images (C, H, W) early, in place; `drawn` (C, 3) as in `SlicePlan.crop`."""
    for row in np.flatnonzero(drawn[:, 0]):
        share, axis, at_end = drawn[row]
        size = image.shape[1 + int(axis)]
        lost = round(float(share) * size)
        image[row].narrow(int(axis), size - lost if at_end else 0, lost).zero_()


def motion(image: Tensor, artifact: "Artifact") -> None:
    """Let people move, in place: lines of k-space of the images (C, H, W) that move come from several poses."""
    for row in np.flatnonzero(artifact.moves):
        axis, (angles, shifts, pose) = int(artifact.axis[row]), artifact.poses(row, image.shape[1:])
        moved = _posed(image[row], angles, shifts)
        lines = torch.fft.fft(moved, dim=1 + axis)
        chosen = torch.from_numpy(pose)[None] == torch.arange(len(angles))[:, None]
        lines *= chosen[:, :, None] if axis == 0 else chosen[:, None, :]
        image[row] = torch.fft.ifft(lines.sum(dim=0), dim=axis).abs()


def _posed(image: Tensor, angles: np.ndarray, shifts: np.ndarray) -> Tensor:
    """The image (H, W) turned by `angles` (P,) in radians and moved by `shifts` (P, 2) voxels: (P, H, W)."""
    height, width = image.shape
    cos, sin = np.cos(angles), np.sin(angles)
    across = np.stack([cos, -sin * height / width, 2 * shifts[:, 1] / width], axis=-1)
    down = np.stack([sin * width / height, cos, 2 * shifts[:, 0] / height], axis=-1)
    theta = torch.from_numpy(np.stack([across, down], axis=1)).float()
    grid = torch.nn.functional.affine_grid(theta, [len(angles), 1, height, width], align_corners=False)
    repeated = image.expand(len(angles), 1, height, width)
    return torch.nn.functional.grid_sample(repeated, grid, align_corners=False)[:, 0]
