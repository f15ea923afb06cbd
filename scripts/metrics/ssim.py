"""Structural similarity with its three factors apart (Wang et al. 2004).

    l = (2 mx my + C1) / (mx^2 + my^2 + C1)    luminance: do the means agree
    c = (2 sx sy + C2) / (sx^2 + sy^2 + C2)    contrast: do the standard deviations agree
    s = (sxy + C3) / (sx sy + C3)              structure: correlation, gain and offset removed
    SSIM = l c s, with C1 = (k1 L)^2, C2 = (k2 L)^2, C3 = C2 / 2 and L = data_range.

l and c lie in (0, 1] for non-negative images, s and SSIM in (-1, 1]; higher is better and 1 means equal. MONAI's SSIM
has no mask, keeps the three factors to itself and convolves with a dense 3D kernel; it anchors the test instead.
"""

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from scipy.ndimage import gaussian_filter, uniform_filter

from ..base.errors import InputError

Value = TypeVar("Value", float, np.ndarray)


class Similarity(NamedTuple, Generic[Value]):
    """SSIM and its three factors, as numbers or as maps (X, Y, Z)."""

    value: Value
    luminance: Value
    contrast: Value
    structure: Value


def global_ssim(
    image: np.ndarray,
    reference: np.ndarray,
    mask: np.ndarray,
    data_range: float = 1.0,
    k1: float = 0.01,
    k2: float = 0.03,
) -> Similarity[float]:
    """SSIM of one window that covers the whole mask: how the distributions and the overall patterns agree."""
    x, y = image[mask].astype(np.float64), reference[mask].astype(np.float64)
    covariance = np.mean((x - x.mean()) * (y - y.mean()))
    factors = _compare(x.mean(), y.mean(), x.var(), y.var(), covariance, data_range, k1, k2)
    return Similarity(*(float(factor) for factor in factors))


def windowed_ssim(
    image: np.ndarray,
    reference: np.ndarray,
    mask: np.ndarray,
    data_range: float = 1.0,
    window: str = "gaussian",
    sigma: float = 1.5,
    radius: int = 5,
    k1: float = 0.01,
    k2: float = 0.03,
) -> Similarity[float]:
    """Mean over `mask` of SSIM and of each factor, from local windows of 2 `radius` + 1 voxels.

    Voxels outside the mask count as 0 in both images, so that the rim of a brain is judged alike in whole heads and in
    skull-stripped images, and cropping to the mask changes nothing. The mean of SSIM is not the product of the means.
    """
    inside, wanted = np.where(mask, image, 0.0), np.where(mask, reference, 0.0)
    maps = ssim_maps(inside, wanted, data_range, window, sigma, radius, k1, k2)
    return Similarity(*(float(np.mean(factor[mask], dtype=np.float64)) for factor in maps))


def ssim_maps(
    image: np.ndarray,
    reference: np.ndarray,
    data_range: float = 1.0,
    window: str = "gaussian",
    sigma: float = 1.5,
    radius: int = 5,
    k1: float = 0.01,
    k2: float = 0.03,
) -> Similarity[np.ndarray]:
    """SSIM and its factors at every voxel; both images count as 0 beyond the border. Only a gaussian has a `sigma`."""
    average = _window_average(window, sigma, radius)
    x, y = np.asarray(image, dtype=np.float32), np.asarray(reference, dtype=np.float32)
    mean_x, mean_y = average(x), average(y)
    # Rounding can push a variance of a flat neighbourhood slightly below zero.
    variance_x = np.maximum(average(x * x) - mean_x * mean_x, 0.0)
    variance_y = np.maximum(average(y * y) - mean_y * mean_y, 0.0)
    covariance = average(x * y) - mean_x * mean_y
    return _compare(mean_x, mean_y, variance_x, variance_y, covariance, data_range, k1, k2)


def _window_average(window: str, sigma: float, radius: int) -> Callable[[np.ndarray], np.ndarray]:
    if radius < 1:
        raise InputError(f"`radius` must be at least 1, got {radius}")
    if window == "gaussian":
        return lambda values: gaussian_filter(values, sigma, radius=radius, mode="constant")
    if window == "uniform":
        return lambda values: uniform_filter(values, 2 * radius + 1, mode="constant")
    raise InputError(f"`window` must be gaussian or uniform, got {window}")


def _compare(
    mean_x: np.ndarray,
    mean_y: np.ndarray,
    variance_x: np.ndarray,
    variance_y: np.ndarray,
    covariance: np.ndarray,
    data_range: float,
    k1: float,
    k2: float,
) -> Similarity[np.ndarray]:
    c1, c2 = (k1 * data_range) ** 2, (k2 * data_range) ** 2
    c3 = c2 / 2
    deviations = np.sqrt(variance_x * variance_y)
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    contrast = (2 * deviations + c2) / (variance_x + variance_y + c2)
    structure = (covariance + c3) / (deviations + c3)
    return Similarity(luminance * contrast * structure, luminance, contrast, structure)
