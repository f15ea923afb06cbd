"""A subject of a few voxels, and what a method made of it."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch

from scripts.base.contrasts import CONTRASTS
from scripts.harmonize.subjects import Subject
from scripts.images.nifti import NativeImage
from scripts.inferers.harmonization import Harmonized
from scripts.jobs.jobs import Job

SHAPE = (12, 12, 12)
CUBE = np.zeros(SHAPE, bool)
CUBE[3:9, 3:9, 3:9] = True


def textured(seed: int = 0) -> np.ndarray:
    """From 1 to 2 in the cube, 0 elsewhere."""
    return np.where(CUBE, np.random.default_rng(seed).uniform(1, 2, SHAPE), 0).astype(np.float32)


def small_subject(**sources: np.ndarray) -> Subject:
    """One whose sources on the working grid are the given volumes."""
    image = np.zeros((len(CONTRASTS), *SHAPE), np.float32)
    for contrast, volume in sources.items():
        image[CONTRASTS.index(contrast)] = volume
    native = {c: NativeImage(Path(f"{c}.nii"), v, np.eye(4), nibabel.Nifti1Header(), c) for c, v in sources.items()}
    job = Job("sub-1", None, None, {contrast: Path(f"{contrast}.nii") for contrast in sources}, {})
    return Subject(job, native, {"image": torch.from_numpy(image)})


def harmonized(volume: np.ndarray, **more: Any) -> Harmonized:
    """A result of the given volume (X, Y, Z)."""
    return Harmonized(torch.from_numpy(volume)[None], **more)
