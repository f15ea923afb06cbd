"""The truth of a rendered subject: tissue labels, the nine regions, and masks."""

import numpy as np
import torch

from ..base.regions import REGIONS

FLUID, GREY, WHITE, LESION = 1, 2, 3, 4


def label_tissues(brain: torch.Tensor, fluid: torch.Tensor, white: torch.Tensor, lesions: torch.Tensor) -> np.ndarray:
    """Label each brain voxel by its largest share: 1 CSF, 2 grey, 3 white matter, 4 lesion; uint8 (X, Y, Z)."""
    labels = torch.where(white >= 0.5, WHITE, GREY)
    labels[lesions > 0.5] = LESION
    labels[fluid > 0.5] = FLUID
    return (labels * brain).numpy().astype(np.uint8)


def label_regions(tissues: np.ndarray, warped: np.ndarray) -> np.ndarray:
    """Combine the warped outlines with the tissue of each voxel; 0 is sulcal CSF, pallidum and everything outside."""
    number = {name: index + 1 for index, name in enumerate(REGIONS)}
    regions = np.where(warped <= len(REGIONS), warped, 0).astype(np.uint8)
    for part in ("cerebral", "cerebellar"):
        grey, white = number["cerebrum_gm" if part == "cerebral" else "cerebellar_gm"], number[f"{part}_wm"]
        inside = np.isin(warped, (grey, white))
        regions[inside] = np.where(tissues[inside] == GREY, grey, white)
    ventricles = regions == number["ventricles"]
    regions[(tissues == FLUID) & ~ventricles] = 0
    regions[ventricles & (tissues != FLUID)] = 0
    regions[tissues == 0] = 0
    return regions
