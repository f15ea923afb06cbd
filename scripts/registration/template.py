"""The MNI152 template as the fixed image of a registration."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F

from ..base.errors import InputError
from ..images.grid import GRID_AFFINE


@dataclass(frozen=True, eq=False)
class TemplateBrain:
    """T1w `voxels` (X, Y, Z) without the skull, and points (3, N) in and around the brain, world coordinates."""

    voxels: np.ndarray
    affine: np.ndarray
    region: np.ndarray


@lru_cache(maxsize=2)
def load_template_brain(rim_mm: int) -> TemplateBrain:
    """The template, and a point in each voxel of a brain that is wider by about `rim_mm`; read once per process."""
    try:
        from ..images.mni152 import load_template
    except ModuleNotFoundError as error:
        raise InputError(
            "an image that is not in MNI152 space is registered to the MNI152 template, which needs the package"
            f" {error.name}; install requirements-register.txt, or say by --registration none that images lie there"
        ) from error
    template = load_template()
    brain = torch.from_numpy(template.brain)[None]
    wider = F.max_pool3d(brain, 2 * rim_mm + 1, 1, rim_mm)[0].numpy() > 0
    voxels = np.argwhere(wider).T + np.random.default_rng(0).uniform(-0.5, 0.5, (3, wider.sum()))
    return TemplateBrain(template.t1w, GRID_AFFINE, GRID_AFFINE[:3, :3] @ voxels + GRID_AFFINE[:3, 3:])
