"""Refuses what cannot be measured before anything is: first file headers, which are cheap, then voxels."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..images.nifti import read_grid
from ..images.volumes import read_volume
from .measurements import RESCAN, TRUTH, UNHARMONIZED
from .plan import Comparison


def check_choice(key: str, chosen: Collection[str], known: Collection[str] = CONTRASTS) -> None:
    """Refuse an empty choice or one that is not among `known`."""
    wrong = sorted(set(chosen) - set(known))
    if wrong or not chosen:
        raise InputError(f"`{key}` must hold some of {', '.join(known)}, got {', '.join(wrong) or 'none'}")


def check_methods(methods: Mapping[str, Path], taken: Iterable[str]) -> None:
    """Refuse a method whose folder is missing or whose name is that of another row."""
    reserved = {UNHARMONIZED, RESCAN, TRUTH, *taken}
    for name, folder in methods.items():
        if name in reserved:
            raise InputError(f"`methods` must not be named like the rows {', '.join(sorted(reserved))}, got {name}")
        if not folder.is_dir():
            raise InputError(f"`methods#{name}` must be a folder of outputs, but {folder} is not a folder")


def check_headers(comparisons: Iterable[Comparison], other: Mapping[Path, Path], tolerance: float) -> None:
    """Refuse a file that is missing or not on the grid of its reference; `other` maps further files to references.

    `tolerance` is the largest difference between two affines, in mm.
    """
    pairs = [
        (path, comparison.reference)
        for comparison in comparisons
        for path in (*([comparison.mask] if comparison.mask else []), *(c.path for c in comparison.candidates))
    ]
    grids: dict[Path, tuple[tuple[int, ...], np.ndarray]] = {}
    for path, reference in [*pairs, *other.items()]:
        for file in (path, reference):
            if file not in grids:
                grids[file] = _read_grid(file)
        shape, affine = grids[path]
        wanted_shape, wanted_affine = grids[reference]
        if shape != wanted_shape:
            raise InputError(f"image shapes must match: {path} has {shape}, its reference {reference} {wanted_shape}")
        difference = float(np.abs(affine - wanted_affine).max())
        if not difference <= tolerance:
            raise InputError(
                f"image affines must match within {tolerance:g} mm: {path} and its reference {reference} "
                f"differ by {difference:g}"
            )


def _read_grid(path: Path) -> tuple[tuple[int, ...], np.ndarray]:
    if not path.is_file():
        raise InputError(f"every image of the cohort is needed from every method, but {path} does not exist")
    return read_grid(path)


@dataclass(frozen=True)
class VoxelCheck:
    """Refuses NaN, an empty mask, and images that are constant or cannot be scaled inside the mask."""

    scaling: Callable[[np.ndarray, np.ndarray], np.ndarray]

    def __call__(self, comparison: Comparison) -> None:
        """Read every image of a comparison once."""
        mask = read_mask(comparison)
        for path in [comparison.reference, *(candidate.path for candidate in comparison.candidates)]:
            inside = read_volume(path)[0][mask]
            if inside.min() == inside.max():
                raise InputError(
                    f"images must not be constant inside the brain, but {path} is {inside[0]:g} everywhere"
                )
            try:
                self.scaling(inside, np.ones(inside.shape, dtype=bool))
            except InputError as error:
                raise InputError(f"image file {path}: {error}") from error


def read_mask(comparison: Comparison) -> np.ndarray:
    """The brain, (X, Y, Z) boolean."""
    path = comparison.mask or comparison.reference
    mask = read_volume(path)[0] > 0
    if not mask.any():
        raise InputError(f"the brain mask must hold at least one voxel, but {path} is nowhere above 0")
    return mask


def bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """The smallest box that holds a mask."""
    spans = []
    for axis in range(mask.ndim):
        used = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        spans.append(slice(int(used[0]), int(used[-1]) + 1))
    return tuple(spans)
