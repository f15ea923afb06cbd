"""Whether an image shows the head, or the brain alone."""

import numpy as np
from torch import Tensor

# Masks of large brains, with the fluid around them, hold up to 2150 ml; heads, even without their faces, 2500 and more.
LARGEST_BRAIN_ML = 2300.0


def shows_head(volume: Tensor | np.ndarray, largest_brain_ml: float = LARGEST_BRAIN_ML) -> bool:
    """Whether more than that is not 0 in a volume (X, Y, Z) of the working grid, whose voxels are of 1 mm."""
    return bool((volume != 0).sum() > 1000 * largest_brain_ml)
