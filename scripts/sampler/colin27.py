"""Colin27, one volunteer scanned 27 times, turned into the level maps from which a person is rendered.

The MNI152 template is an average over many people, so the folds of its cortex are faint. Colin27 has the folds of one
person. It is read from the files of the Debian package `mricron-data` and is never part of this repository:
`ch2.nii.gz` is the whole head with 1 mm voxels, `ch2better.nii.gz` the brain with 0.5 mm voxels and most of its fluid
removed. Both lie in MNI152 space well enough for the outlines of `outlines.json`.

Level maps are explained in `atlas.py`. Those of white matter and fluid are made on the 0.5 mm voxels, where thin
blades of white matter and narrow sulci are still there.
"""

from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import torch
from scipy.ndimage import (
    affine_transform,
    binary_closing,
    binary_fill_holes,
    distance_transform_edt,
    gaussian_filter,
    generate_binary_structure,
    iterate_structure,
    label,
    zoom,
)

from ..base.errors import InputError
from ..base.regions import REGIONS
from ..images.grid import GRID_AFFINE, GRID_SHAPE
from ..phantom.atlas import PALLIDUM, read_outlines

PACKAGE = "mricron-data"
FOLDER = "/usr/share/mricron/templates"
HEAD_FILE, BRAIN_FILE = "ch2.nii.gz", "ch2better.nii.gz"

# Rough intensities of the two files, from which the local ones are refined.
_GREY, _WHITE, _FLUID, _FLUID_END = 84.0, 114.0, 34.0, 51.0
_DEEP_SHARE = 0.78


@dataclass(frozen=True)
class ColinMaps:
    """What `atlas.Atlas` holds, and `fine` (2, X, Y, Z): the levels of white matter and fluid on 0.5 mm voxels.

    The fine voxel at index i lies at grid voxel `origin` + i * `step` (both per axis).
    """

    levels: np.ndarray
    regions: np.ndarray
    fine: np.ndarray
    origin: tuple[float, float, float]
    step: tuple[float, float, float]


def find_colin27(folder: Path | str = FOLDER) -> tuple[Path, Path]:
    """The files of the whole head and of the brain below `folder`."""
    found = Path(folder) / HEAD_FILE, Path(folder) / BRAIN_FILE
    for path in found:
        if not path.is_file():
            raise InputError(
                f"`colin27` must be the folder with {HEAD_FILE} and {BRAIN_FILE} of the Debian package {PACKAGE} "
                f"(`apt-get install {PACKAGE}`), but {path} is not a file; without it, `--colin27 null` makes people "
                "of MNI152 alone"
            )
    return found


def build_colin27(folder: Path | str = FOLDER) -> ColinMaps:
    """Make the maps; this takes about a minute."""
    head_file, brain_file = find_colin27(folder)
    image = nibabel.load(str(brain_file))
    affine = np.linalg.inv(GRID_AFFINE) @ image.affine
    brain = np.asarray(image.dataobj, dtype=np.float32)
    brain, affine = _along_grid(brain, affine)
    step, origin = tuple(np.diag(affine)[:3].tolist()), tuple(affine[:3, 3].tolist())

    outlines = read_outlines()
    anatomy = _on(brain, affine)
    nuclei = np.any([outlines[name] for name in ("caudate", "putamen", "pallidum", "thalamus")], axis=0)
    grey, white = _local_means(anatomy)
    # Nuclei lie between cortex and white matter; in them the boundary to white matter is higher.
    share = 0.5 + (_DEEP_SHARE - 0.5) * gaussian_filter(nuclei.astype(np.float32), 1.5)
    boundary, grey_there = (_off(values, affine, brain.shape) for values in (grey + share * (white - grey), grey))
    filled = _with_fluid(brain, head_file, affine)
    white_mm = _level(filled - boundary, step[0])
    fluid_mm = _level(0.5 * (grey_there + _FLUID) - filled, step[0])

    hull = _hull(anatomy > _FLUID_END)
    fluid_grid, white_grid = (_on(values, affine) for values in (np.clip(fluid_mm, -9, 9), np.clip(white_mm, -9, 9)))
    outside = ~_inside_file(affine, brain.shape)
    fluid_grid[outside], white_grid[outside] = 9.0, -9.0
    ventricles = _ventricles(fluid_grid > 0, outlines["ventricles"], hull)
    graded = np.clip((gaussian_filter(anatomy, 0.7) - grey) / np.maximum(white - grey, 1), 0, 1)
    regions = _regions(graded, white_grid, fluid_grid, outlines, ventricles)
    falx = np.broadcast_to(np.abs(GRID_AFFINE[0, 0] * np.arange(GRID_SHAPE[0]) + 96)[:, None, None] < 1.2, GRID_SHAPE)
    stack = [
        white_grid,
        fluid_grid,
        _signed_distance(hull) - 1.0,
        _signed_distance(ventricles),
        graded,
        outlines["choroid_plexus"] & ventricles,
        outlines["brisk_flow"],
        falx,
    ]
    levels = np.stack([np.asarray(values, dtype=np.float32) for values in stack])
    return ColinMaps(levels, regions, np.stack([white_mm, fluid_mm]).astype(np.float16), origin, step)


def _along_grid(values: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flip axes that run against the grid's, so that the file's affine to grid voxels has a positive diagonal."""
    if np.abs(affine[:3, :3] - np.diag(np.diag(affine)[:3])).max() > 1e-4:
        raise InputError(f"{BRAIN_FILE} must have axes along those of MNI152 space, its affine to the grid is {affine}")
    for axis in range(3):
        if affine[axis, axis] < 0:
            affine = affine.copy()
            affine[axis, 3] += affine[axis, axis] * (values.shape[axis] - 1)
            affine[axis, axis] *= -1
            values = np.flip(values, axis)
    return np.ascontiguousarray(values), affine


def _on(values: np.ndarray, affine: np.ndarray, order: int = 1) -> np.ndarray:
    """Values on fine voxels, averaged over 1 mm, on the working grid; 0 outside of the file."""
    smooth = gaussian_filter(values, 0.5) if order else values
    back = np.linalg.inv(affine)
    return affine_transform(smooth, np.diag(back)[:3], back[:3, 3], output_shape=GRID_SHAPE, order=order)


def _off(values: np.ndarray, affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Values of the working grid on fine voxels."""
    return affine_transform(values, np.diag(affine)[:3], affine[:3, 3], output_shape=shape, order=1, mode="nearest")


def _inside_file(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Which voxels of the grid the file covers."""
    inside = np.ones(GRID_SHAPE, dtype=bool)
    for axis in range(3):
        place = (np.arange(GRID_SHAPE[axis]) - affine[axis, 3]) / affine[axis, axis]
        covered = (place >= 0) & (place <= shape[axis] - 1)
        inside &= covered.reshape([-1 if a == axis else 1 for a in range(3)])
    return inside


def _with_fluid(brain: np.ndarray, head_file: Path, affine: np.ndarray) -> np.ndarray:
    """The brain's intensities, and where its file has 0 those of the whole head, which show the fluid."""
    head = nibabel.load(str(head_file))
    to_head = np.linalg.inv(head.affine) @ GRID_AFFINE @ affine
    whole = affine_transform(
        np.asarray(head.dataobj, dtype=np.float32), to_head[:3, :3], to_head[:3, 3], output_shape=brain.shape, order=1
    )
    return np.where(brain > 0, brain, np.minimum(whole, _FLUID_END - 1))


def _local_means(anatomy: np.ndarray, width: float = 9.0, rounds: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Intensity of grey and white matter around each voxel of the grid, since the coil's field is still in them."""
    grey, white = np.full(GRID_SHAPE, _GREY, np.float32), np.full(GRID_SHAPE, _WHITE, np.float32)
    for _ in range(rounds):
        middle = (grey + white) / 2
        margin = 0.2 * (white - grey)
        is_white = anatomy > middle + margin
        is_grey = (anatomy < middle - margin) & (anatomy > grey - 0.6 * (white - grey))
        grey, white = (
            _mean_around(anatomy, mask.astype(np.float32), width, prior)
            for mask, prior in ((is_grey, _GREY), (is_white, _WHITE))
        )
    return grey, white


def _mean_around(values: np.ndarray, mask: np.ndarray, width: float, prior: float, weight: float = 0.05) -> np.ndarray:
    """Mean over the mask with a Gaussian window; where the mask is far away, the prior."""
    total, count = gaussian_filter(values * mask, width), gaussian_filter(mask, width)
    return (total + weight * prior) / (count + weight)


def _level(excess: np.ndarray, size_mm: float) -> np.ndarray:
    """Millimetres inside of where `excess` is positive: by its slope close to the boundary, by distance elsewhere."""
    distance = size_mm * _signed_distance(excess > 0)
    # The distance of a voxel's centre from the boundary is half a voxel less than from the other side's centre.
    distance -= np.sign(distance) * np.float32(size_mm / 2)
    slope = np.sqrt(sum(np.gradient(excess, size_mm, axis=axis) ** 2 for axis in range(3)))
    near = excess / np.maximum(gaussian_filter(slope, 1.0), 8.0)
    weight = np.exp(-((distance / 0.9) ** 2))
    return (weight * np.clip(near, -2, 2) + (1 - weight) * distance).astype(np.float32)


def _signed_distance(mask: np.ndarray) -> np.ndarray:
    return (distance_transform_edt(mask) - distance_transform_edt(~mask)).astype(np.float32)


def _hull(tissue: np.ndarray, radius: int = 7) -> np.ndarray:
    """The brain with its sulci, fissures and ventricles; worked out on 2 mm voxels, where nothing of it is lost."""
    padded = np.pad(tissue[::2, ::2, ::2] | tissue[1::2, 1::2, 1::2], radius)
    ball = iterate_structure(generate_binary_structure(3, 1), radius // 2 + 1)
    closed = binary_fill_holes(binary_closing(padded, ball))
    inner = closed[radius:-radius, radius:-radius, radius:-radius].astype(np.float32)
    return gaussian_filter(zoom(inner, 2, order=1, grid_mode=True, mode="nearest"), 1.0) > 0.5


def _ventricles(fluid: np.ndarray, outline: np.ndarray, hull: np.ndarray, smallest: int = 50) -> np.ndarray:
    """Fluid inside the outlines of the ventricles, without crumbs."""
    parts, count = label(fluid & outline & hull)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    sizes[0] = 0
    return (sizes >= smallest)[parts]


def _regions(
    share: np.ndarray,
    white_mm: np.ndarray,
    fluid_mm: np.ndarray,
    outlines: dict[str, np.ndarray],
    ventricles: np.ndarray,
) -> np.ndarray:
    """Paint the regions over one another as `atlas.py` does; `share` is how far intensity is from grey to white."""
    number = {name: index + 1 for index, name in enumerate(REGIONS)}
    white, solid, nucleus = white_mm > 0, fluid_mm < 0, share < 0.85
    regions = np.where(white, number["cerebral_wm"], number["cerebrum_gm"])
    cerebellum = outlines["cerebellum"]
    regions[cerebellum] = np.where(white, number["cerebellar_wm"], number["cerebellar_gm"])[cerebellum]
    regions[outlines["brainstem"]] = number["brainstem"]
    regions[outlines["thalamus"] & solid] = number["thalamus"]
    regions[outlines["pallidum"] & ~(outlines["putamen"] & nucleus)] = PALLIDUM
    regions[outlines["putamen"] & nucleus & solid] = number["putamen"]
    regions[outlines["caudate"] & nucleus & solid] = number["caudate"]
    regions[ventricles] = number["ventricles"]
    return regions.astype(np.uint8)


def sample_fine(maps: torch.Tensor, origin: torch.Tensor, step: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Fine maps (C, ...) at grid voxels `places` (3, X, Y, Z), by linear interpolation."""
    from ..phantom.deformation import sample

    return sample(maps, (places - origin[:, None, None, None]) / step[:, None, None, None])
