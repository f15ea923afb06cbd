"""Overlap, size and stability of segmented regions. Label maps hold 0 for background and 1..n for the regions."""

from collections.abc import Sequence

import numpy as np
import torch
from monai.metrics.meandice import DiceHelper


def dice(labels: np.ndarray, reference: np.ndarray, n_regions: int) -> np.ndarray:
    """Dice overlap of each region, shape (n_regions,), by MONAI.

    Formula: 2 |A and B| / (|A| + |B|). Range: 0 to 1; higher is better. A region absent from both maps scores 1.
    """
    helper = DiceHelper(
        include_background=False, num_classes=n_regions + 1, reduction="none", ignore_empty=False, get_not_nans=False
    )
    # Voxels that are background in both maps count nowhere, and leaving them out is several times faster.
    occupied = (labels > 0) | (reference > 0)
    maps = (torch.from_numpy(values[occupied])[None, None] for values in (labels, reference))
    return np.asarray(helper(*maps)[0], dtype=np.float64)


def region_volumes(labels: np.ndarray, n_regions: int, voxel_volume: float = 1.0) -> np.ndarray:
    """Volume of each region, shape (n_regions,): its number of voxels times `voxel_volume`, usually in mm^3."""
    return np.bincount(labels.ravel(), minlength=n_regions + 1)[1 : n_regions + 1] * float(voxel_volume)


def coefficient_of_variation(values: Sequence[float] | np.ndarray, ddof: int = 1) -> float:
    """Coefficient of variation over the scans of one subject (HACA3+ Tables 3 and 4).

    Formula: sd / mean, the sd with n - `ddof` in its denominator (the paper does not say which; 1 is unbiased for the
    few scans a subject has). Range: 0 upwards; lower is better. NaN for fewer than two values or a mean of zero.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if len(numbers) < 2 or numbers.mean() == 0.0:
        return float("nan")
    return float(numbers.std(ddof=ddof) / numbers.mean())


def anatomy_preservation(volume: float, true_volume: float) -> float:
    """How much of the true volume an image's segmentation keeps.

    Formula: 1 - |V - V_true| / V_true. Range: up to 1 (equal), negative beyond twice the true volume; higher is better.
    NaN where the true volume is zero.
    """
    return float("nan") if true_volume == 0.0 else 1.0 - abs(volume - true_volume) / true_volume
