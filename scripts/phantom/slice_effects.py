"""What a scanner does to many slices at once: resolution, fields, and the curve of intensities.

Everything linear is a filter along one axis of the slice, so it is worked out for frequencies, turned into a kernel and
applied as a matrix from each side. N images, H rows, W columns.
"""

import numpy as np
import torch
from torch import Tensor

Rows = np.ndarray

# Cosines per axis in which fields are written.
ORDER = 4


def axis_filters(
    size: Rows,
    kept: Rows,
    thickness: Rows,
    apodization: Rows,
    sharpening: Rows,
    bins: int = 129,
) -> Rows:
    """Transfer (N, bins) at frequencies 0 to 1/2 per voxel along one axis.

    `kept` is the share of frequencies that is acquired; a `thickness` above 0 stands for slices so thick, averaged over
    their thickness and interpolated. `size` is not needed for these, but by what is built on top of them.
    """
    frequency = np.linspace(0, 0.5, bins)[None]
    share = np.minimum(frequency / (kept[:, None] / 2), 1.0)
    window = 1 - apodization[:, None] * (0.5 - 0.5 * np.cos(np.pi * share))
    edge = 1 + sharpening[:, None] * (2 * frequency) ** 2
    # One bin wide, the end of k-space is soft enough not to depend on where bins fall.
    soft = np.clip((kept[:, None] / 2 - frequency) * 2 * (bins - 1) + 0.5, 0, 1)
    profile = np.sinc(frequency * thickness[:, None]) ** 3
    return window * edge * np.where(thickness[:, None] > 0, 1.0, soft) * profile


def noise_gain(filters: Rows, kept: Rows) -> Rows:
    """Root mean square (N,) of filters over the frequencies that were acquired."""
    return np.sqrt((filters**2).mean(axis=1) / np.minimum(kept, 1))


def ghost_filters(size: Rows, ghosts: Rows, intensity: Rows, bins: int) -> Rows:
    """Transfer (N, bins) of a comb: every n-th line of k-space is weaker by `intensity`, but for its centre."""
    line = np.linspace(0, 0.5, bins)[None] * size[:, None]
    phase = np.mod(line / np.maximum(ghosts, 1)[:, None] + 0.5, 1) - 0.5
    hit = np.abs(phase * np.maximum(ghosts, 1)[:, None]) < size[:, None] / (4 * (bins - 1))
    return 1 - intensity[:, None] * (hit & (line > 0.5))


def thick_filters(thickness: Rows, bins: int) -> Rows:
    """Transfer (N, bins) of thick slices with a Gaussian profile of that width at half maximum, interpolated back."""
    frequency = np.linspace(0, 0.5, bins)[None]
    variance = np.maximum(thickness[:, None] ** 2 - 1, 0) / (8 * np.log(2))
    return np.exp(-2 * np.pi**2 * frequency**2 * variance) * np.sinc(frequency * (thickness[:, None] - 1)) ** 2


def matrices(filters: Rows, shift: Rows, size: int) -> Tensor:
    """Matrices (N, size, size) that apply filters (N, bins) along an axis and move the image by `shift` voxels."""
    bins = filters.shape[1]
    frequency = torch.linspace(0, 0.5, bins)
    spectrum = torch.from_numpy(filters).float()
    if shift.any():
        spectrum = spectrum * torch.exp(-2j * torch.pi * frequency * torch.from_numpy(shift).float()[:, None])
    kernel = torch.fft.irfft(spectrum, n=2 * (bins - 1))
    places = torch.arange(size)
    apart = (places[:, None] - places[None]) % kernel.shape[1]
    far = (places[:, None] - places[None]).abs() >= bins
    matrix = kernel[:, apart]
    return matrix.masked_fill_(far, 0.0) if far.any() else matrix


def cosines(places: Tensor, size: Tensor | float) -> Tensor:
    """The cosines (..., ORDER) at `places` of an axis of that `size`, of unit variance over it."""
    angle = torch.pi * ((places + 0.5) / size)[..., None] * torch.arange(ORDER)
    scale = torch.full((ORDER,), 2**0.5)
    scale[0] = 1.0
    return scale * angle.cos()


def plane_fields(weights: Tensor, rows: Tensor, columns: Tensor, through: Tensor) -> Tensor:
    """Fields (N, H, W) from weights (N, row, column, through) and cosines along rows, columns and at the slice."""
    flat = torch.einsum("nrct,nt->nrc", weights, through)
    return torch.bmm(torch.bmm(rows, flat), columns.transpose(1, 2))


def grid_fields(weights: Tensor, cells: int) -> Tensor:
    """Fields (N, cells^3) from weights (N, 4, 4, 4) on a coarse lattice over the whole grid."""
    basis = cosines(torch.arange(cells).float(), float(cells))
    return torch.einsum("nxyz,ix,jy,kz->nijk", weights, basis, basis, basis).flatten(1)


def bend(values: Tensor, gamma: Tensor, shoulder: Tensor, steepness: float = 1.5) -> Tensor:
    """A rising curve that leaves 0 and 1 where they are: a power, and a share of saturation."""
    saturating = (1 - torch.exp(-steepness * values)) / (1 - np.exp(-steepness))
    return torch.lerp(values.clamp(min=0) ** gamma, saturating, shoulder)


def motion(images: Tensor, axis: Rows, angles: Tensor, shifts: Tensor, pose: Tensor) -> Tensor:
    """Images (N, H, W) whose lines of k-space along `axis` (N,), 0 rows or 1 columns, come from several poses.

    `angles` (N, P) in radians and `shifts` (N, P, 2) in voxels are the poses, the first of which is the original one;
    `pose` (N, L) says which of them each line shows, lines counted as FFTs do.
    """
    count, height, width = images.shape
    poses = angles.shape[1]
    cos, sin = angles.cos(), angles.sin()
    ratio = height / width
    zero_one = torch.stack([cos, -sin * ratio, 2 * shifts[..., 1] / width], dim=-1)
    one_zero = torch.stack([sin / ratio, cos, 2 * shifts[..., 0] / height], dim=-1)
    theta = torch.stack([zero_one, one_zero], dim=-2).flatten(0, 1)
    grid = torch.nn.functional.affine_grid(theta, [count * poses, 1, height, width], align_corners=False)
    repeated = images.repeat_interleave(poses, dim=0)[:, None]
    moved = torch.nn.functional.grid_sample(repeated, grid, align_corners=False).reshape(count, poses, height, width)
    out = torch.empty_like(images)
    for number in range(count):
        lines = torch.fft.fft(moved[number], dim=1 + int(axis[number]))
        length = lines.shape[1 + int(axis[number])]
        chosen = pose[number, :length]
        mask = (chosen[None] == torch.arange(poses)[:, None]).to(lines.dtype)
        mask = mask[:, :, None] if axis[number] == 0 else mask[:, None, :]
        out[number] = torch.fft.ifft((lines * mask).sum(dim=0), dim=int(axis[number])).abs()
    return out
