"""A visit's brain mask: where it lies, and what of the sources it leaves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..base.arguments import as_path, as_text
from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..jobs.jobs import Job
from .nifti import NativeImage, read_nifti
from .resampling import IDENTITY, to_working_grid

# Of affines, in mm.
_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class BrainMask:
    """An image that is 0 outside the brain, on the grid of the source of a `contrast`."""

    image: NativeImage
    contrast: str

    def apply(self, stack: np.ndarray, to_mni: Mapping[str, np.ndarray]) -> None:
        """Set the sources (4, X, Y, Z) on the working grid to 0 outside the brain; refuse if one shows nothing then."""
        inside = to_working_grid(self.image, to_mni.get(self.contrast, IDENTITY), order=0) != 0
        for contrast, channel in zip(CONTRASTS, stack, strict=True):
            was_there = channel.any()
            channel *= inside
            if was_there and not channel.any():
                raise InputError(f"brain mask {self.image.path} must leave something of each source, {contrast} is 0")


def read_brain_mask(path: Path, images: Mapping[str, NativeImage]) -> BrainMask:
    """Read the mask that lies on the grid of one of `images`, the first such one in their order."""
    mask = read_nifti(path)
    if not mask.voxels.any():
        raise InputError(f"brain mask {path} must not be 0 everywhere")
    for contrast, image in images.items():
        if mask.voxels.shape == image.voxels.shape and np.allclose(mask.affine, image.affine, atol=_TOLERANCE):
            return BrainMask(mask, contrast)
    grids = "; ".join(f"{contrast} {_grid(image)}" for contrast, image in images.items())
    raise InputError(f"brain mask {path} must lie on the grid of a source, it has {_grid(mask)}; sources: {grids}")


def choose_brain_masks(jobs: Sequence[Job], brain_mask: Any) -> list[Job]:
    """Each job with the mask that `brain_mask` names, `{subject}` and `{session}` being its own, unless it has one."""
    if brain_mask is None:
        return list(jobs)
    text = as_text(brain_mask, "brain_mask")
    return [job if job.brain_mask is not None else replace(job, brain_mask=_path_for(job, text)) for job in jobs]


def brain_masks_by_image(jobs: Sequence[Job]) -> dict[Path, Path]:
    """The mask of every source that has one."""
    return {path: job.brain_mask for job in jobs if job.brain_mask is not None for path in job.sources.values()}


def _path_for(job: Job, text: str) -> Path:
    return as_path(text.replace("{subject}", job.subject).replace("{session}", job.session or ""))


def _grid(image: NativeImage) -> str:
    return f"shape {image.voxels.shape} and affine {image.affine[:3].round(3).tolist()}"
