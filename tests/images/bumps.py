"""Smooth bumps in the world, which any grid around them can show."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np

from scripts.images.nifti import NativeImage, read_image

# Voxel centers of a grid of even size around this point lie on whole millimeters, as those of the working grid do.
MIDDLE = np.array([0.5, -20.5, 17.5])
# Bumps (1 - r^2 / R^2)^3 in world coordinates: place, R, height. Each weighs height * R^3.
BUMPS = [((12.0, -30.0, 20.0), 30.0, 1.0), ((-14.0, 2.0, 31.0), 20.0, 0.6), ((-20.0, -40.0, 5.0), 18.0, 0.8)]
WEIGHTS = np.array([height * radius**3 for _, radius, height in BUMPS])
CENTER = WEIGHTS @ np.array([place for place, _, _ in BUMPS]) / WEIGHTS.sum()


def world_of(affine: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """World coordinates (3, X, Y, Z) of all voxels."""
    return np.einsum("ij,j...->i...", affine[:3, :3], np.indices(shape)) + affine[:3, 3, None, None, None]


def bumps(affine: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The bumps on a grid; only around each of them is anything computed."""
    to_voxels = np.linalg.inv(affine)
    image = np.zeros(shape)
    for place, radius, height in BUMPS:
        middle = nibabel.affines.apply_affine(to_voxels, place)
        reach = radius * np.linalg.norm(to_voxels[:3, :3], axis=1)
        low = np.maximum(np.floor(middle - reach), 0).astype(int)
        box = tuple(slice(a, b) for a, b in zip(low, np.ceil(middle + reach).astype(int) + 1, strict=True))
        offset = world_of(affine @ nibabel.affines.from_matvec(np.eye(3), low), image[box].shape)
        squared = ((offset - np.reshape(place, (3, 1, 1, 1))) ** 2).sum(axis=0) / radius**2
        image[box] += height * np.maximum(1 - squared, 0) ** 3
    return image


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Of the voxels that are not 0 in both."""
    shown = (first > 0) | (second > 0)
    return float(np.corrcoef(first[shown], second[shown])[0, 1])


def center_of_mass(image: np.ndarray, affine: np.ndarray) -> np.ndarray:
    indices = [
        np.average(np.arange(n), weights=image.sum(axis=tuple({0, 1, 2} - {a}))) for a, n in enumerate(image.shape)
    ]
    return affine[:3, :3] @ indices + affine[:3, 3]


@dataclass(frozen=True)
class Grid:
    """A native grid around `MIDDLE`; `turn` in degrees about an axis that no voxel axis has."""

    size: tuple[float, float, float] = (1, 1, 1)
    shape: tuple[int, int, int] = (128, 128, 128)
    axes: str = "LAS"
    turn: float = 0
    four_dimensions: bool = False
    dtype: type = np.float32

    @property
    def affine(self) -> np.ndarray:
        linear = np.zeros((3, 3))
        for axis, code in enumerate(self.axes):
            linear["RAS".index(code.translate(str.maketrans("LPI", "RAS"))), axis] = 1 if code in "RAS" else -1
        linear = turned(self.turn) @ linear @ np.diag(self.size)
        return nibabel.affines.from_matvec(linear, MIDDLE - linear @ (np.array(self.shape) - 1) / 2)

    def read(self, folder: Path) -> NativeImage:
        """The bumps on this grid, by way of a file."""
        voxels = 1000 * bumps(self.affine, self.shape)
        image = nibabel.Nifti1Image(voxels.astype(np.float32), self.affine)
        image.set_data_dtype(self.dtype)  # nibabel scales integers
        if self.four_dimensions:
            image = nibabel.Nifti1Image(voxels.astype(np.float32)[..., None], self.affine)
        nibabel.save(image, folder / "image.nii")
        return read_image(folder / "image.nii")


def turned(degrees: float) -> np.ndarray:
    return nibabel.quaternions.angle_axis2mat(np.radians(degrees), [1, -2, 3])
