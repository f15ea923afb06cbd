"""What a scanner does to the slices of one scan: resolution, fields, motion, and the curve of intensities.

Everything linear is a filter along one axis of the slice: worked out for frequencies, turned into a kernel, and
applied as a matrix from each side. C contrasts, H rows, W columns; a filter has so many bins at frequencies from 0 to
1/2 per voxel.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..phantom.model import pattern_model

if TYPE_CHECKING:
    from .artifacts import Artifact

# Cosines per axis in which fields are written.
ORDER = 4


@lru_cache(maxsize=4)
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


def matrices(filters: np.ndarray, shift: np.ndarray | None, size: int) -> np.ndarray:
    """Matrices (C, size, size) that apply filters (C, bins) along an axis and move the image by `shift` (C,) voxels."""
    bins = filters.shape[1]
    if shift is not None and shift.any():
        filters = filters * np.exp(-2j * np.pi * shift[:, None] * frequencies(bins))
    kernel = np.fft.irfft(filters, n=2 * (bins - 1)).astype(np.float32)
    # Element (i, j) is kernel[i - j]: each row is a piece of the reversed kernel, one element before the last row's.
    backwards = np.concatenate([kernel[:, size - 1 :: -1], kernel[:, :-size:-1]], axis=1)
    across, along = backwards.strides
    shape, start = (len(kernel), size, size), (size - 1) * along
    return np.ndarray(shape, np.float32, backwards, start, (across, -along, along)).copy()


def filtered(left: np.ndarray, image: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Images (C, H, W) with a matrix for each along rows and along columns; torch's products are the faster ones."""
    first, second = torch.from_numpy(left), torch.from_numpy(right)
    return torch.bmm(torch.bmm(first, torch.from_numpy(image)), second.transpose(1, 2)).numpy()


def cosines(places: np.ndarray) -> np.ndarray:
    """Cosines (..., ORDER) at `places`, shares of an axis from 0 to 1; of unit mean square over it."""
    scale = np.array([1, *[2**0.5] * (ORDER - 1)], dtype=np.float32)
    return scale * np.cos(np.float32(np.pi) * places[..., None] * np.arange(ORDER, dtype=np.float32))


def lattice_fields(weights: np.ndarray, cells: int) -> np.ndarray:
    """Fields (N, cells^3) by their weights (N, 4, 4, 4), at the middle of the cells of a lattice over the grid."""
    basis = cosines((np.arange(cells, dtype=np.float32) + 0.5) / cells).T
    weights = weights.astype(np.float32)
    for _ in range(3):
        # The axis that is worked out goes last, so after three times they are in their order.
        weights = np.tensordot(weights, basis, axes=([1], [0]))
    return weights.reshape(len(weights), -1)


def lattice_radius(cells: int) -> np.ndarray:
    """Square of the distance from the grid's middle (cells^3,), 1 at its faces."""
    square = ((2 * np.arange(cells, dtype=np.float32) + 1) / cells - 1) ** 2
    return (square[:, None, None] + square[:, None] + square).ravel()


def transmit_pattern(radius: np.ndarray, lopsided: np.ndarray) -> np.ndarray:
    """As the transmit field of `acquisition.py`: brighter in the middle, lopsided in each scanner's own way."""
    model = pattern_model()
    return 1 - model["transmit_falloff"] * radius + model["transmit_lopsided"] * lopsided


def bend(values: np.ndarray, gamma: float, shoulder: float, softness: float = 1.0) -> np.ndarray:
    """A rising curve that leaves 0 and 1 where they are: a power, and a share of saturation."""
    power = np.log(np.maximum(values, 1e-6))
    power *= gamma
    np.exp(power, out=power)
    saturating = values * (1 + softness)
    saturating /= values + softness
    saturating -= power
    saturating *= shoulder
    power += saturating
    return power


def crop(image: np.ndarray, drawn: np.ndarray) -> None:
    """End the field of view of images (C, H, W) early, in place; `drawn` (C, 3) as in `SlicePlan.crop`."""
    for row in np.flatnonzero(drawn[:, 0]):
        share, axis, at_end = drawn[row]
        lost = round(float(share) * image.shape[1 + int(axis)])
        if lost:
            along = np.moveaxis(image[row], int(axis), 0)
            along[-lost if at_end else 0 : None if at_end else lost] = 0


def motion(image: np.ndarray, artifact: "Artifact") -> None:
    """Let people move, in place: lines of k-space of the images (C, H, W) that move come from several poses."""
    for row in np.flatnonzero(artifact.moves):
        axis, (angles, shifts, pose) = int(artifact.axis[row]), artifact.poses(int(row), image.shape[1:])
        moved = _posed(torch.from_numpy(image[row]), angles, shifts)
        lines = torch.fft.fft(moved, dim=1 + axis)
        chosen = torch.from_numpy(pose)[None] == torch.arange(len(angles))[:, None]
        lines *= chosen[:, :, None] if axis == 0 else chosen[:, None, :]
        image[row] = torch.fft.ifft(lines.sum(dim=0), dim=axis).abs().numpy()


def _posed(image: Tensor, angles: np.ndarray, shifts: np.ndarray) -> Tensor:
    """The image (H, W) turned by `angles` (P,) in radians and moved by `shifts` (P, 2) voxels: (P, H, W)."""
    height, width = image.shape
    cos, sin = np.cos(angles), np.sin(angles)
    across = np.stack([cos, -sin * height / width, 2 * shifts[:, 1] / width], axis=-1)
    down = np.stack([sin * width / height, cos, 2 * shifts[:, 0] / height], axis=-1)
    matrices = torch.from_numpy(np.stack([across, down], axis=1)).float()
    grid = torch.nn.functional.affine_grid(matrices, [len(angles), 1, height, width], align_corners=False)
    repeated = image.expand(len(angles), 1, height, width)
    return torch.nn.functional.grid_sample(repeated, grid, align_corners=False)[:, 0]
