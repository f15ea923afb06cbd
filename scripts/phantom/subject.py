"""One simulated person, rendered: relaxation of the solid tissue, fluid, and the truth."""

from dataclasses import dataclass

import numpy as np
import torch

from ..images.grid import GRID_SHAPE
from .anatomy import template_coordinates, tissue_shares
from .atlas import load_atlas
from .deformation import identity, sample
from .fields import seeded, smooth_field
from .head import render_head
from .lesions import render_lesions
from .model import anatomy_model
from .parameters import SubjectParameters, draw_subject
from .tissue import Relaxation, render_relaxation
from .truth import LESION, label_regions, label_tissues

__all__ = ["Subject", "SubjectParameters", "draw_subject", "render_subject"]


@dataclass(frozen=True)
class Subject:
    """A person on the working grid.

    A voxel is `fluid` by that share and `solid` by the rest. `moving` is the share of its CSF that flows, `surface_mm`
    the depth below the brain's surface. Truth: label maps and masks as uint8 arrays, `warp` (3, X, Y, Z) in voxels
    from a subject voxel to the template's.
    """

    parameters: SubjectParameters
    solid: Relaxation
    fluid: torch.Tensor
    moving: torch.Tensor
    surface_mm: torch.Tensor
    tissues: np.ndarray
    regions: np.ndarray
    lesions: np.ndarray
    brain: np.ndarray
    warp: np.ndarray


def _vessels(seed: int) -> torch.Tensor:
    """Random tubes around the curves on which two smooth fields both vanish."""
    model, generator = anatomy_model(), seeded(seed, 30)
    spacing = model["vessel_spacing_mm"]
    first, second = (smooth_field(GRID_SHAPE, spacing, generator) for _ in range(2))
    distance = spacing * (first.square() + second.square()).sqrt()
    return torch.sigmoid((model["vessel_radius_mm"] - distance) / model["vessel_edge_mm"])


def _moving(seed: int, brisk: torch.Tensor) -> torch.Tensor:
    """Share of the fluid that flows: patchy, and only where CSF is brisk."""
    model = anatomy_model()
    field = smooth_field(GRID_SHAPE, model["flow_spacing_mm"], seeded(seed, 32))
    return brisk * torch.sigmoid(model["flow_gain"] * field + model["flow_offset"])


def _insert(solid: Relaxation, fluid: torch.Tensor, kind: str, share: torch.Tensor) -> tuple[Relaxation, torch.Tensor]:
    """Put `share` of the tissue `kind` into each voxel, displacing fluid and solid alike."""
    left = fluid * (1 - share)
    return solid.blend(kind, share / (1 - left).clamp(min=1e-3)), left


def render_subject(parameters: SubjectParameters) -> Subject:
    """Turn the parameters into relaxation maps and truth."""
    model, atlas, seed = anatomy_model(), load_atlas(), parameters.seed
    coordinates = template_coordinates(parameters)
    levels, regions = sample(atlas.levels, coordinates), sample(atlas.regions[None], coordinates)[0]
    surface_mm, ventricle_mm, plexus, brisk, falx = levels[2], levels[3], levels[5], levels[6], levels[7]
    white, fluid = tissue_shares(parameters, levels, regions)
    lesions = render_lesions(parameters, white, fluid, ventricle_mm)
    brain = surface_mm > 0
    tissues = label_tissues(brain, fluid, white, lesions)

    solid = render_relaxation(seed, white, regions, -levels[0]).blend("lesion", lesions / (1 - fluid).clamp(min=1e-3))
    texture = torch.sigmoid(2 * smooth_field(GRID_SHAPE, model["plexus_spacing_mm"], seeded(seed, 31)))
    solid, fluid = _insert(solid, fluid, "choroid_plexus", plexus * texture)
    sulcal = fluid * (ventricle_mm < -model["sulcal_margin_mm"])
    midline = falx * sulcal * (surface_mm > model["dura_depth_mm"])
    solid, fluid = _insert(solid, fluid, "dura", midline * model["dura_share"])
    solid, fluid = _insert(solid, fluid, "vessel", sulcal * _vessels(seed))
    if parameters.head:
        solid, fluid = render_head(parameters, coordinates, surface_mm, solid, fluid)
    return Subject(
        parameters=parameters,
        solid=solid,
        fluid=fluid,
        moving=_moving(seed, brisk),
        surface_mm=surface_mm,
        tissues=tissues,
        regions=label_regions(tissues, regions.numpy()),
        lesions=(tissues == LESION).astype(np.uint8),
        brain=brain.numpy().astype(np.uint8),
        warp=(coordinates - identity(GRID_SHAPE)).numpy(),
    )
