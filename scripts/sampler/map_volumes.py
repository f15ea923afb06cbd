"""Whole images of a library's people, for validation: what the sampler shows slices of, on one scanner."""

from collections.abc import Sequence

import numpy as np
import torch

from ..base.contrasts import CONTRASTS
from . import effects
from .map_file import read_volume_maps
from .map_library import MapLibrary
from .resolution import Resolution
from .scanner_table import ScannerTable
from .signal import Maps, Signals

_WHITE = 2


def render_volume(
    library: MapLibrary,
    person: int,
    scanners: ScannerTable,
    scanner: int = 0,
    contrasts: Sequence[str] = CONTRASTS,
    clean: bool = False,
    seed: int = 0,
    peak_percentile: float = 95.0,
    upper: float = 5.0,
) -> np.ndarray:
    """Images (C, X, Y, Z) float32 of a person on row `scanner` of a table, divided by their percentile over the grid.

    A `clean` image has the scanner's protocol, resolution and curve, but neither noise nor receive field.
    """
    file = library.files[person]
    maps = Maps.of(*read_volume_maps(file))
    signals, resolution = Signals(scanners), Resolution(scanners)
    chosen = [CONTRASTS.index(contrast) for contrast in contrasts]
    images = signals.of(scanner, chosen, maps, _transmit(scanners.transmit[scanner], file.header.grid))
    white, foreground = maps.fractions[_WHITE], maps.foreground
    rng = np.random.default_rng(seed)
    for contrast, image in zip(chosen, images, strict=True):
        at = (scanner, contrast)
        reference = float((image * white).sum() / max(white.sum(), 1e-6))
        image[:] = _resolved(image, resolution, scanner, contrast)
        if not clean:
            spread = np.float32(resolution.noise_spread[at] * reference)
            real, other = (spread * rng.standard_normal(image.shape, dtype=np.float32) for _ in range(2))
            field = np.exp(_field(scanners.receive[at] * scanners.bias_strength[at], file.header.grid))
            image[:] = np.hypot(image + real, other) * field
        image *= foreground
        image /= max(float(np.percentile(image, peak_percentile)), 1e-6)
        gamma, shoulder = float(scanners.gamma[at]), float(scanners.shoulder[at])
        if gamma != 1 or shoulder != 0:
            image[:] = effects.bend(image, gamma, shoulder) * foreground
        np.clip(image, 0, upper, out=image)
    return images


def _transmit(weights: np.ndarray, grid: tuple[int, int, int]) -> np.ndarray:
    """Pattern of the transmit field (X, Y, Z)."""
    x, y, z = ((2 * _shares(size) - 1) ** 2 for size in grid)
    return effects.transmit_pattern(x[:, None, None] + y[:, None] + z, _field(weights, grid))


def _shares(size: int) -> np.ndarray:
    return (np.arange(size, dtype=np.float32) + 0.5) / size


def _field(weights: np.ndarray, grid: tuple[int, int, int]) -> np.ndarray:
    """A field (X, Y, Z) by its weights (4, 4, 4)."""
    basis = [effects.cosines(_shares(size)) for size in grid]
    return np.einsum("xyz,ix,jy,kz->ijk", weights.astype(np.float32), *basis, optimize=True)


def _resolved(image: np.ndarray, resolution: Resolution, scanner: int, contrast: int) -> np.ndarray:
    """The image with the scanner's filters along its three axes."""
    values = torch.from_numpy(image)
    for axis, size in enumerate(image.shape):
        filters = resolution.image[scanner, contrast, axis][None]
        matrix = torch.from_numpy(effects.matrices(filters, None, size)[0])
        values = torch.tensordot(values, matrix, dims=([0], [1]))
    return values.numpy()
