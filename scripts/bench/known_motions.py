"""Known motions: the header of an image is turned and shifted, its voxels stay what they are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..registration.pose import RIGID, make_pose, rigid_matrix
from ..registration.rigid import Volume

LARGEST_TURN_DEG, LARGEST_SHIFT_MM = 30.0, 40.0


@dataclass(frozen=True, eq=False)
class Placed:
    """Voxels with another affine."""

    voxels: np.ndarray
    affine: np.ndarray


def motion(turn_deg: Sequence[float], shift_mm: Sequence[float], center: Sequence[float] = (0, 0, 0)) -> np.ndarray:
    """The matrix (4, 4) of a turn about a center and a shift."""
    return rigid_matrix(make_pose(turn_deg, shift_mm, RIGID), torch.tensor(center, dtype=torch.float64)[:, None])


def random_motions(count: int, seed: int) -> Iterator[np.ndarray]:
    """Matrices (4, 4): turns about any axis by up to 30 degrees, shifts in any direction by up to 40 mm."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        axis, direction = rng.normal(size=3), rng.normal(size=3)
        turn = axis / np.linalg.norm(axis) * rng.uniform(0, LARGEST_TURN_DEG)
        shift = direction / np.linalg.norm(direction) * rng.uniform(0, LARGEST_SHIFT_MM)
        yield motion(turn.tolist(), shift.tolist())


def placed(volume: Volume, matrix: np.ndarray) -> Placed:
    """The volume, moved in the world."""
    return Placed(volume.voxels, matrix @ volume.affine)


def furthest(matrix: np.ndarray, truth: np.ndarray, points: np.ndarray) -> float:
    """The largest distance in mm between where two matrices take points (3, N)."""
    apart = (matrix - truth) @ np.vstack([points, np.ones(points.shape[1])])
    return float(np.linalg.norm(apart[:3], axis=0).max())
