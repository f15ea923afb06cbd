"""The rigid motion from one image's world to another's, by numbers that an optimizer can change.

A point x goes to R S (x - c) + c + t: scaled by S and turned by R about the center c, then shifted by t. All parameters
are in mm: a turn or a growth counts by the way it moves a point at arm's length.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

# About the radius of a brain.
_ARM_MM = 80.0
# Numbers of parameters: a rotation vector and t, then perhaps the logarithms of three scales.
RIGID, SCALED = 6, 9


def make_pose(turn_deg: Sequence[float], shift_mm: Sequence[float], size: int) -> Tensor:
    """The RIGID or SCALED number of parameters (size,) of a turn by a rotation vector and a shift."""
    pose = torch.zeros(size, dtype=torch.float64)
    pose[:3] = torch.deg2rad(torch.tensor(turn_deg, dtype=torch.float64)) * _ARM_MM
    pose[3:6] = torch.tensor(shift_mm, dtype=torch.float64)
    return pose


def move_points(pose: Tensor, points: Tensor, center: Tensor) -> Tensor:
    """Move `points` (3, N) by each pose (..., size), to (..., 3, N); `center` is (3, 1)."""
    centered = points - center
    if pose.shape[-1] == SCALED:
        centered = centered * torch.exp(log_sizes(pose))[..., None]
    return _rotation(pose) @ centered + center + pose[..., 3:6, None]


def log_sizes(pose: Tensor) -> Tensor:
    """The logarithms of the scales (..., 3); none (..., 0) of a RIGID pose."""
    return pose[..., RIGID:] / _ARM_MM


def rigid_matrix(pose: Tensor, center: Tensor) -> np.ndarray:
    """The motion as a matrix (4, 4), its scales left out."""
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3, :3] = rotation = _rotation(pose)
    matrix[:3, 3:] = center + pose[3:6, None] - rotation @ center
    return matrix.numpy()


def _rotation(pose: Tensor) -> Tensor:
    x, y, z = (pose[..., :3] / _ARM_MM).unbind(-1)
    zero = torch.zeros_like(x)
    return torch.linalg.matrix_exp(torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3)))
