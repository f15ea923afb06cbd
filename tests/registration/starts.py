"""Random starts of a registration: the header of an image is turned and shifted, its voxels stay what they are."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scripts.registration.pose import RIGID, make_pose, rigid_matrix
from scripts.registration.rigid import Volume

LARGEST_TURN_DEG, LARGEST_SHIFT_MM = 30.0, 40.0


@dataclass(frozen=True, eq=False)
class Placed:
    """Voxels with another affine."""

    voxels: np.ndarray
    affine: np.ndarray


def random_motions(count: int, seed: int) -> Iterator[np.ndarray]:
    """Matrices (4, 4): turns about any axis by up to 30 degrees, shifts in any direction by up to 40 mm."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        axis, direction = rng.normal(size=3), rng.normal(size=3)
        turn = axis / np.linalg.norm(axis) * rng.uniform(0, LARGEST_TURN_DEG)
        shift = direction / np.linalg.norm(direction) * rng.uniform(0, LARGEST_SHIFT_MM)
        pose = make_pose(turn, shift, RIGID)
        yield rigid_matrix(pose, pose.new_zeros(3, 1))


def placed(volume: Volume, motion: np.ndarray) -> Placed:
    """The volume, moved in the world."""
    return Placed(volume.voxels, motion @ volume.affine)


def furthest(matrix: np.ndarray, truth: np.ndarray, points: np.ndarray) -> float:
    """The largest distance in mm between where two matrices take points (3, N)."""
    apart = (matrix - truth) @ np.vstack([points, np.ones(points.shape[1])])
    return float(np.linalg.norm(apart[:3], axis=0).max())
