"""From an image's native grid to the working grid and back.

Both directions are one operation: a matrix takes the voxel indices of the output grid to those of the input grid. Where
it is, within `TOLERANCE` over the whole output grid, a permutation and flips of the axes and a shift by whole voxels,
voxels are copied. Elsewhere they are interpolated by cubic B-splines and clipped to the range of the input. Splines
ring far into a background that was set to 0, and 0 means that nothing is there: where linear interpolation gives 0, all
input voxels around being 0, so does this.

The anti-alias rule on the way there: a voxel is taken to see a Gaussian whose full width at half maximum is its size,
so its covariance is I / (8 ln 2) in its own units. The linear part L of the matrix makes that L L' / (8 ln 2) for an
output voxel measured in input voxels, whose own I / (8 ln 2) the data have already. So axis i is first blurred by a
Gaussian of variance ((L L')_ii - 1) / (8 ln 2) where that is positive: where the output samples more coarsely than the
input. On the way back nothing is blurred: what came from thick slices is as smooth as they are.

A grid covers its voxels up to their faces, half a voxel around the outermost centers. Outside there is nothing, 0.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from threading import Lock
from typing import Any, Literal
from warnings import catch_warnings

import numpy as np

from ..base.errors import InputError
from .grid import GRID_AFFINE, GRID_SHAPE
from .nifti import NativeImage

# In voxels of the input grid, which are 1 mm wherever voxels are copied.
TOLERANCE = 1e-3
IDENTITY = np.eye(4)

Order = Literal[0, 3]

# What is darker than this share of what is bright in an image may be noise.
_NOISE_SHARE, _BRIGHT_PERCENTILE = 0.1, 95

# ITK loads its parts at their first use, which breaks when two threads come at once; inside it uses all cores anyway.
_ONE_THREAD_IN_ITK = Lock()


@dataclass(frozen=True, eq=False)
class NativeResult:
    """A volume (X, Y, Z) on an image's grid, 0 where `outside` (X, Y, Z) says that the working grid does not reach.

    `foreground_outside` counts the outside voxels at which the image itself shows more than noise, and `share_outside`
    is their share of all such voxels.
    """

    voxels: np.ndarray
    outside: np.ndarray
    foreground_outside: int
    share_outside: float = 0.0


def to_working_grid(image: NativeImage, to_mni: np.ndarray = IDENTITY, order: Order = 3) -> np.ndarray:
    """The image on the working grid, float32; `to_mni` (4, 4) takes its world coordinates to those of MNI152.

    `order` 0, the nearest voxel without blurring, is for masks and labels.
    """
    values, _ = _resample(image.voxels, _working_to_native(image, to_mni), GRID_SHAPE, order, anti_alias=True)
    return values


def to_native_grid(
    volume: np.ndarray, image: NativeImage, to_mni: np.ndarray = IDENTITY, order: Order = 3
) -> NativeResult:
    """A `volume` of the working grid on the grid of `image`: the way back from `to_working_grid`."""
    native_to_working = np.linalg.inv(_working_to_native(image, to_mni))
    values, outside = _resample(volume, native_to_working, image.voxels.shape, order)
    return NativeResult(values, outside, *_foreground(image.voxels, outside))


def _foreground(voxels: np.ndarray, where: np.ndarray) -> tuple[int, float]:
    """How many voxels of the foreground lie there, and their share."""
    if not where.any():
        return 0, 0.0
    # The air of a raw scan is not 0.
    shown = voxels > _NOISE_SHARE * np.percentile(voxels, _BRIGHT_PERCENTILE)
    count = int(np.count_nonzero(shown & where))
    return count, count / max(int(np.count_nonzero(shown)), 1)


def _working_to_native(image: NativeImage, to_mni: np.ndarray) -> np.ndarray:
    return np.linalg.inv(to_mni @ image.affine) @ GRID_AFFINE


def _resample(
    voxels: np.ndarray, matrix: np.ndarray, shape: tuple[int, ...], order: Order, anti_alias: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Values of the output grid, float32, and where it lies outside the input grid."""
    if order not in (0, 3):
        raise InputError(f"`order` must be 0 or 3, got {order}")
    whole = _whole_voxel_map(matrix, shape)
    if whole is not None:
        values = _copy(voxels, whole, shape)
    elif order == 0:
        values = _itk_resample(voxels, matrix, shape, "NearestNeighbor")
    else:
        values = _interpolate(_blur(voxels, matrix[:3, :3]) if anti_alias else voxels, matrix, shape)
    outside = np.isnan(values)
    values[outside] = 0
    return values, outside


def _whole_voxel_map(matrix: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """The integer matrix next to `matrix`, if it permutes axes and moves no corner of the output grid elsewhere."""
    whole = np.rint(matrix)
    magnitude = np.abs(whole[:3, :3])
    if (magnitude.sum(axis=0) != 1).any() or (magnitude.sum(axis=1) != 1).any():
        return None
    corners = np.array(list(product(*((0, size - 1) for size in shape), (1,)))).T
    return whole.astype(int) if np.abs((whole - matrix) @ corners).max() < TOLERANCE else None


def _copy(voxels: np.ndarray, whole: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Copy what both grids cover; NaN elsewhere."""
    input_axes = np.abs(whole[:3, :3]).argmax(axis=0)
    source = voxels.transpose(*input_axes)
    target: list[slice] = []
    for axis, input_axis in enumerate(input_axes):
        step, start = whole[input_axis, axis], whole[input_axis, 3]
        if step < 0:
            source = np.flip(source, axis)
            start = source.shape[axis] - 1 - start
        # Output voxel k is now source voxel start + k.
        low, high = max(0, -start), min(shape[axis], source.shape[axis] - start)
        target.append(slice(low, max(low, high)))
        source = source[(slice(None),) * axis + (slice(low + start, max(low, high) + start),)]
    values = np.full(shape, np.nan, np.float32)
    values[tuple(target)] = source
    return values


def _interpolate(voxels: np.ndarray, matrix: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Values at the places that `matrix` gives; NaN outside the input grid."""
    values = _itk_resample(voxels, matrix, shape, "BSpline")
    np.clip(values, voxels.min(), voxels.max(), out=values)
    values[_itk_resample(voxels, matrix, shape, "Linear") == 0] = 0
    return values


@contextmanager
def using_itk() -> Iterator[Any]:
    """Yield the module, to one thread at a time."""
    # What ITK loads warns as it loads, which ends the process with a crash where warnings are errors.
    with _ONE_THREAD_IN_ITK, catch_warnings(action="ignore", category=DeprecationWarning):
        # Importing ITK takes up to a second, and most images lie on the grid already.
        import itk

        yield itk


def _itk_resample(voxels: np.ndarray, matrix: np.ndarray, shape: tuple[int, ...], interpolation: str) -> np.ndarray:
    with using_itk() as itk:
        # ITK counts axes backwards, and only voxel indices matter here: spacing and origin of the images stay 1 and 0.
        image = itk.image_view_from_array(np.ascontiguousarray(voxels.T, dtype=np.float32))
        kind = type(image)
        interpolators = {
            "NearestNeighbor": itk.NearestNeighborInterpolateImageFunction[kind, itk.D],
            "Linear": itk.LinearInterpolateImageFunction[kind, itk.D],
            "BSpline": itk.BSplineInterpolateImageFunction[kind, itk.D, itk.F],  # cubic
        }
        transform = itk.AffineTransform[itk.D, 3].New()
        transform.SetMatrix(itk.matrix_from_array(np.ascontiguousarray(matrix[:3, :3])))
        transform.SetTranslation(matrix[:3, 3].tolist())
        resampling = itk.ResampleImageFilter[kind, kind].New(
            image,
            transform=transform,
            interpolator=interpolators[interpolation].New(),
            size=list(shape),
            default_pixel_value=float("nan"),
        )
        resampling.Update()
        return itk.array_from_image(resampling.GetOutput()).T


def _blur(voxels: np.ndarray, linear: np.ndarray) -> np.ndarray:
    """Blur each axis for the coarser sampling that the linear part of the map makes of it."""
    variances = ((linear**2).sum(axis=1) - 1) / (8 * np.log(2))
    for axis, variance in enumerate(variances):
        if variance > 0:
            kernel = _gaussian(voxels.shape[axis], variance)
            voxels = np.moveaxis(np.tensordot(kernel, voxels, axes=(1, axis)), 0, axis)
    return voxels


def _gaussian(size: int, variance: float) -> np.ndarray:
    """A matrix (size, size) float32 whose rows are Gaussians that sum to 1 within the grid."""
    steps = np.arange(size)
    weights = np.exp(-((steps[:, None] - steps) ** 2) / (2 * variance))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
