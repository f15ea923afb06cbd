"""The MNI152 template (ICBM 2009a symmetric) on the working grid, from the files that the nilearn package carries."""

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import nibabel
import numpy as np
from scipy.ndimage import affine_transform

from .grid import GRID_AFFINE, GRID_SHAPE


@dataclass(frozen=True)
class Template:
    """Skull-stripped T1w intensity and tissue probabilities, each (X, Y, Z) float32 in [0, 1]."""

    t1w: np.ndarray
    grey: np.ndarray
    white: np.ndarray
    brain: np.ndarray

    @property
    def fluid(self) -> np.ndarray:
        """What is neither grey nor white inside the brain mask."""
        return np.clip(self.brain - self.grey - self.white, 0.0, 1.0)


def _on_grid(name: str) -> np.ndarray:
    folder = resources.files("nilearn.datasets") / "data"
    image = nibabel.load(str(folder / f"mni_icbm152_{name}_tal_nlin_sym_09a_converted.nii.gz"))
    grid_to_file = np.linalg.inv(image.affine) @ GRID_AFFINE
    # Both grids have 1 mm voxels on whole-millimetre centres, so the nearest voxel is the exact one.
    values = affine_transform(
        np.asarray(image.dataobj, dtype=np.float32),
        grid_to_file[:3, :3],
        grid_to_file[:3, 3],
        output_shape=GRID_SHAPE,
        order=0,
    )
    return values / 255.0


@lru_cache(maxsize=1)
def load_template() -> Template:
    """Read the template once per process."""
    t1w = _on_grid("t1")
    return Template(t1w=t1w, grey=_on_grid("gm"), white=_on_grid("wm"), brain=(t1w > 0).astype(np.float32))
