"""How much an image looks like its reference: PSNR, correlation and histogram distance inside a mask.

Every function takes two arrays of one shape and a boolean mask of that shape, and looks at voxels inside the mask only.
SSIM, which looks at neighbourhoods, has a file of its own.
"""

import numpy as np
import torch
from monai.metrics.regression import PSNRMetric
from scipy.stats import pearsonr


def psnr(image: np.ndarray, reference: np.ndarray, mask: np.ndarray, data_range: float = 1.0) -> float:
    """Peak signal-to-noise ratio in decibels, by MONAI.

    Formula: 10 log10(data_range^2 / mean((x - y)^2)). Range: all real numbers, infinite for equal images; higher is
    better.
    """
    inside, wanted = (torch.from_numpy(values[mask].astype(np.float64))[None] for values in (image, reference))
    return float(np.asarray(PSNRMetric(max_val=data_range)(inside, wanted)).item())


def correlation(image: np.ndarray, reference: np.ndarray, mask: np.ndarray) -> float:
    """Pearson correlation of the voxel values, by scipy.

    Formula: cov(x, y) / (sd(x) sd(y)). Range: -1 to 1; higher is better. Blind to gain and offset.
    """
    return float(pearsonr(image[mask].astype(np.float64), reference[mask].astype(np.float64)).statistic)


def wasserstein(image: np.ndarray, reference: np.ndarray, mask: np.ndarray) -> float:
    """Wasserstein-1 (earth mover's) distance between the two intensity distributions, in units of intensity.

    Formula: mean(|x_(i) - y_(i)|) over the sorted values, exact because both samples have one size, and ten times
    faster than `scipy.stats.wasserstein_distance`. Range: 0 upwards; lower is better. Blind to where the values are.
    """
    return float(np.mean(np.abs(np.sort(image[mask]) - np.sort(reference[mask])), dtype=np.float64))
