"""Tissue that lies in the fluid around the brain and in the ventricles: choroid plexus, dura and vessels."""

import torch

from ..images.grid import GRID_SHAPE
from .fields import seeded, smooth_field
from .model import anatomy_model
from .tissue import Relaxation


def vessel_share(seed: int) -> torch.Tensor:
    """Random tubes around the curves on which two smooth fields both vanish."""
    model, generator = anatomy_model(), seeded(seed, 30)
    spacing = model["vessel_spacing_mm"]
    first, second = (smooth_field(GRID_SHAPE, spacing, generator) for _ in range(2))
    distance = spacing * (first.square() + second.square()).sqrt()
    return torch.sigmoid((model["vessel_radius_mm"] - distance) / model["vessel_edge_mm"])


def insert(solid: Relaxation, fluid: torch.Tensor, kind: str, share: torch.Tensor) -> tuple[Relaxation, torch.Tensor]:
    """Put `share` of the tissue `kind` into each voxel, displacing fluid and solid alike."""
    left = fluid * (1 - share)
    return solid.blend(kind, share / (1 - left).clamp(min=1e-3)), left
