"""Numbers that tell a simulated image from a real one: contrast, noise, sharpness and histogram."""

import numpy as np
from scipy.ndimage import binary_erosion, generate_binary_structure, laplace
from scipy.stats import wasserstein_distance

# The 3D Laplacian with six neighbours has weights (-6, 1 x 6): white noise of unit variance gives it this spread.
_LAPLACE_GAIN = float(np.sqrt(36 + 6))
_TO_SIGMA = 1.4826

TISSUES = ("csf", "grey", "white")


def tissue_cores(t1w: np.ndarray, mask: np.ndarray, rounds: int = 50) -> dict[str, np.ndarray]:
    """Three-means of the T1w intensities in `mask`; of each class the voxels whose six neighbours share it.

    The same crude estimator serves real and simulated images, so what it gets wrong it gets wrong in both.
    """
    values = t1w[mask]
    centres = np.percentile(values, [5, 40, 85])
    for _ in range(rounds):
        edges = (centres[:-1] + centres[1:]) / 2
        label = np.digitize(values, edges)
        centres = np.array([values[label == i].mean() for i in range(3)])
    label = np.zeros(t1w.shape, dtype=np.uint8)
    label[mask] = np.digitize(values, (centres[:-1] + centres[1:]) / 2) + 1
    return {name: binary_erosion(label == i + 1) for i, name in enumerate(TISSUES)}


def contrast_ratios(image: np.ndarray, cores: dict[str, np.ndarray]) -> tuple[float, float]:
    """Median grey and median CSF, each over median white matter."""
    grey, fluid = (float(np.median(image[cores[name]]) / np.median(image[cores["white"]])) for name in ("grey", "csf"))
    return grey, fluid


def noise_level(image: np.ndarray, white: np.ndarray) -> float:
    """Robust spread of the Laplacian in deep white matter over that of unit white noise, in units of `image`."""
    deep = binary_erosion(white, generate_binary_structure(3, 3))
    values = laplace(image)[deep]
    return float(_TO_SIGMA * np.median(np.abs(values - np.median(values))) / _LAPLACE_GAIN)


def contrast_to_noise(image: np.ndarray, cores: dict[str, np.ndarray]) -> float:
    """|median grey - median white| over the spread of white matter; higher is clearer."""
    grey, white = image[cores["grey"]], image[cores["white"]]
    spread = _TO_SIGMA * np.median(np.abs(white - np.median(white)))
    return float(abs(np.median(grey) - np.median(white)) / spread)


def edge_percentiles(image: np.ndarray, mask: np.ndarray, levels: tuple[float, ...] = (50, 90, 99)) -> list[float]:
    """Percentiles of the gradient magnitude per millimetre inside `mask` without its rim, for an image scaled to 1."""
    inner = binary_erosion(mask, iterations=2)
    gradient = np.sqrt(sum(g**2 for g in np.gradient(image)))
    return [float(value) for value in np.percentile(gradient[inner], levels)]


def histogram_distance(first: np.ndarray, second: np.ndarray, bins: int = 512) -> float:
    """Wasserstein distance between the intensity quantiles of two sets of scaled intensities; 0 is the same."""
    levels = np.linspace(0, 100, bins)
    return float(wasserstein_distance(np.percentile(first, levels), np.percentile(second, levels)))
