"""Numbers that tell a simulated image from a real one: contrast, noise, sharpness and histogram.

None of them is better high or low: a simulated image should have them as a real one has. Images are skull-stripped, on
1 mm voxels; the mask is boolean and of their shape.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_erosion, generate_binary_structure, laplace
from scipy.stats import wasserstein_distance

from ..base.errors import InputError
from .scaling import divide_by_percentile

# The 3D Laplacian with six neighbours has weights (-6, 1 x 6): white noise of unit variance gives it this spread.
_LAPLACE_GAIN = float(np.sqrt(36 + 6))
# Of a normal distribution, standard deviation over median absolute deviation.
_TO_SIGMA = 1.4826

TISSUES = ("csf", "grey", "white")


@dataclass(frozen=True)
class Appearance:
    """What is compared of an image: its numbers by name, and its scaled intensities inside the brain."""

    numbers: dict[str, float]
    intensities: np.ndarray


def appearances(
    images: Mapping[str, np.ndarray], percentile: float = 95.0, edge_levels: Sequence[float] = (50, 90, 99)
) -> dict[str, Appearance]:
    """Measure the coregistered images of one person by contrast, each divided by its percentile inside the brain.

    Brain and tissues are those of the T1w image, brain being where it is above 0. Real and simulated images
    pass through here alike.
    """
    brain = images["t1w"] > 0
    cores = tissue_cores(images["t1w"], brain)
    found = {}
    for contrast, image in images.items():
        scaled = divide_by_percentile(image, brain, percentile)
        grey, fluid = contrast_ratios(scaled, cores)
        numbers = {
            "grey_white_ratio": grey,
            "csf_white_ratio": fluid,
            "contrast_to_noise": contrast_to_noise(scaled, cores),
            "noise": noise_level(scaled, cores["white"]),
        }
        edges = edge_percentiles(scaled, brain, edge_levels)
        numbers |= {f"edge_p{level:g}": edge for level, edge in zip(edge_levels, edges, strict=True)}
        found[contrast] = Appearance(numbers, scaled[brain])
    return found


def tissue_cores(t1w: np.ndarray, mask: np.ndarray, rounds: int = 50) -> dict[str, np.ndarray]:
    """Three-means of the T1w intensities in `mask`; of each class the voxels whose six neighbours share it.

    The same crude estimator serves real and simulated images, so what it gets wrong it gets wrong in both.
    """
    values = t1w[mask]
    centres = np.percentile(values, [5, 40, 85])
    for _ in range(rounds):
        classes = np.digitize(values, (centres[:-1] + centres[1:]) / 2)
        sizes = np.bincount(classes, minlength=len(TISSUES))
        if not sizes.all():
            break
        previous, centres = centres, np.bincount(classes, values) / sizes
        if np.array_equal(previous, centres):
            break
    labels = np.zeros(t1w.shape, dtype=np.uint8)
    labels[mask] = np.digitize(values, (centres[:-1] + centres[1:]) / 2) + 1
    cores = {name: binary_erosion(labels == i + 1) for i, name in enumerate(TISSUES)}
    for name, core in cores.items():
        if not core.any():
            raise InputError(
                f"the T1w image must show CSF, grey and white matter, but no {name} stands out by brightness"
            )
    return cores


def contrast_ratios(image: np.ndarray, cores: Mapping[str, np.ndarray]) -> tuple[float, float]:
    """Median grey and median CSF, each over median white matter; 0 upwards, 1 being no contrast."""
    white, grey, fluid = (float(np.median(image[cores[name]])) for name in ("white", "grey", "csf"))
    return grey / white, fluid / white


def noise_level(image: np.ndarray, white: np.ndarray) -> float:
    """Robust spread of the Laplacian in deep white matter over that of unit white noise, in units of `image`; from 0.

    The Laplacian sees what changes from voxel to voxel: noise, as far as interpolation has left it.
    """
    deep = binary_erosion(white, generate_binary_structure(3, 3))
    return _robust_spread(laplace(image)[deep]) / _LAPLACE_GAIN


def contrast_to_noise(image: np.ndarray, cores: Mapping[str, np.ndarray]) -> float:
    """|median grey - median white| over the robust spread of white matter; from 0, higher is clearer."""
    grey, white = image[cores["grey"]], image[cores["white"]]
    return float(abs(np.median(grey) - np.median(white))) / _robust_spread(white)


def edge_percentiles(image: np.ndarray, mask: np.ndarray, levels: Sequence[float] = (50, 90, 99)) -> list[float]:
    """Percentiles of the gradient magnitude per millimetre, by central differences, inside `mask` without its rim."""
    inner = binary_erosion(mask, iterations=2)
    squares = sum(np.square(gradient) for gradient in np.gradient(image))
    return [float(value) for value in np.percentile(np.sqrt(squares)[inner], levels)]


def histogram_distance(first: np.ndarray, second: np.ndarray, bins: int = 512) -> float:
    """Wasserstein distance between the intensity quantiles of two sets of scaled intensities; 0 is the same."""
    levels = np.linspace(0, 100, bins)
    return float(wasserstein_distance(np.percentile(first, levels), np.percentile(second, levels)))


def _robust_spread(values: np.ndarray) -> float:
    """1.4826 times the median absolute deviation: the standard deviation of what is normal in it."""
    return float(_TO_SIGMA * np.median(np.abs(values - np.median(values))))
