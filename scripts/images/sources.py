"""The images of one subject together: what must hold between files, and the stack that networks take."""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..base.steps import tell
from .brain_mask import read_brain_mask
from .grid import GRID_SHAPE
from .intensity_unit import intensity_unit
from .nifti import NativeImage, read_image
from .resampling import IDENTITY, to_working_grid

# A field of view is compared with another by this many points along each axis.
_LATTICE = 17

# What makes of a native image a better one at the same place.
Correction = Callable[[NativeImage], NativeImage]


@dataclass(frozen=True, eq=False)
class Aligned:
    """How images come to MNI152 space, by contrast: matrices (4, 4) of world coordinates, none where one lies there.

    `found` is for sidecars.
    """

    to_mni: dict[str, np.ndarray] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=dict)


Align = Callable[[Mapping[str, NativeImage]], Aligned]


@dataclass(frozen=True, eq=False)
class Sources:
    """A subject's native images by contrast, as their files have them, and their `stack` (4, X, Y, Z) float32.

    The stack is on the working grid. A missing contrast is 0 there, and False in `available` (4,). `aligned` tells how
    the images came there.
    """

    images: dict[str, NativeImage]
    stack: np.ndarray
    available: np.ndarray
    aligned: Aligned

    @property
    def sha256(self) -> dict[str, str]:
        """The hash of every file by contrast."""
        return {contrast: image.sha256 for contrast, image in self.images.items()}


def read_sources(
    paths: Mapping[str, Path],
    corrections: Sequence[Correction] = (),
    align: Align | None = None,
    brain_mask: Path | None = None,
) -> Sources:
    """Read the images of a subject, correct each, and bring them to the grid; unaligned they must lie in MNI152.

    On the grid, what lies outside the `brain_mask` is set to 0. Corrections and alignment see intensities that single
    precision can square and sum up, whatever the files have; the stack has those of the files.
    """
    images = read_images(paths)
    mask = None if brain_mask is None else read_brain_mask(brain_mask, images)
    available = np.array([contrast in images for contrast in CONTRASTS])
    units = {contrast: intensity_unit(float(image.voxels.max())) for contrast, image in images.items()}
    corrected = {c: image if units[c] == 1 else _in_unit(image, units[c]) for c, image in images.items()}
    for correct in corrections:
        corrected = {contrast: correct(image) for contrast, image in corrected.items()}
    if align is not None:
        tell("register")
    aligned = Aligned() if align is None else align(corrected)
    stack = stack_images(corrected, aligned.to_mni)
    for contrast, unit in units.items():
        if unit != 1:
            stack[CONTRASTS.index(contrast)] *= np.float32(unit)
    if mask is not None:
        mask.apply(stack, aligned.to_mni)
    return Sources(images, stack, available, aligned)


def read_images(paths: Mapping[str, Path]) -> dict[str, NativeImage]:
    """Read the image of each contrast, in the order of CONTRASTS, and refuse those that cannot be of one subject."""
    contrasts = [contrast for contrast in CONTRASTS if contrast in paths]
    with ThreadPoolExecutor(len(contrasts)) as pool:
        images = dict(zip(contrasts, pool.map(read_image, [paths[c] for c in contrasts]), strict=True))
    _refuse_copies(images)
    _refuse_apart(images)
    return images


def stack_images(images: Mapping[str, NativeImage], to_mni: Mapping[str, np.ndarray] | None = None) -> np.ndarray:
    """The images on the working grid, (4, X, Y, Z) float32; `to_mni` has a contrast's matrix (4, 4) if it needs one."""
    stack = np.zeros((len(CONTRASTS), *GRID_SHAPE), np.float32)

    def fill(contrast: str) -> None:
        channel = stack[CONTRASTS.index(contrast)]
        channel[...] = to_working_grid(images[contrast], (to_mni or {}).get(contrast, IDENTITY))
        if not channel.any():
            raise InputError(
                f"source `{contrast}` must reach into the working grid, but {images[contrast].path} lies wholly outside"
                " its box: it may not be registered to MNI152"
            )

    with ThreadPoolExecutor(len(images)) as pool:
        list(pool.map(fill, images))
    return stack


def choose_reference(available: Collection[str], target: str, override: str | None = None) -> str:
    """The contrast whose grid a result takes: `override`, else the target's own, else T1w, else the first there is."""
    if override is not None and override not in available:
        raise InputError(f"`reference` must be one of the sources {', '.join(available)}, got {override}")
    if target not in CONTRASTS:
        raise InputError(f"`target` must be one of {', '.join(CONTRASTS)}, got {target}")
    return next(contrast for contrast in (override or target, "t1w", *CONTRASTS) if contrast in available)


def _in_unit(image: NativeImage, unit: float) -> NativeImage:
    return replace(image, voxels=image.voxels / np.float32(unit))


def _refuse_copies(images: Mapping[str, NativeImage]) -> None:
    for (first, image), (second, other) in combinations(images.items(), 2):
        if image.sha256 == other.sha256 or _shows_the_same(image, other):
            pair = f"{image.path}, {other.path}"
            raise InputError(
                f"sources must be different images, but `{first}` and `{second}` have the same content: {pair}"
            )


def _shows_the_same(image: NativeImage, other: NativeImage) -> bool:
    """Whether two files are one image, perhaps in other encodings."""
    return np.array_equal(image.affine, other.affine) and np.array_equal(image.voxels, other.voxels)


def _refuse_apart(images: Mapping[str, NativeImage]) -> None:
    """Refuse an image whose field of view meets that of no other image."""
    meeting = {c for pair in combinations(images, 2) if _meet(*(images[c] for c in pair)) for c in pair}
    for contrast, image in images.items():
        if len(images) > 1 and contrast not in meeting:
            raise InputError(
                f"sources must overlap in space, but `{contrast}` ({image.path}) overlaps none of the others:"
                " they may be of different sessions or spaces"
            )


def _meet(first: NativeImage, second: NativeImage) -> bool:
    return _reaches_into(first, second) or _reaches_into(second, first)


def _reaches_into(image: NativeImage, other: NativeImage) -> bool:
    """Whether any point of a lattice over the field of view of `image` lies in that of `other`."""
    axes = [np.linspace(-0.5, size - 0.5, _LATTICE) for size in image.voxels.shape]
    points = np.stack([*np.meshgrid(*axes, indexing="ij"), np.ones((_LATTICE,) * 3)]).reshape(4, -1)
    places = (np.linalg.inv(other.affine) @ image.affine @ points)[:3]
    upper = np.array(other.voxels.shape)[:, None] - 0.5
    return bool(((places > -0.5) & (places < upper)).all(axis=0).any())
