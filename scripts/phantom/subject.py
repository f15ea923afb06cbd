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
from .inserts import insert, vessel_share
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


def _moving(seed: int, brisk: torch.Tensor) -> torch.Tensor:
    """Share of the fluid that flows: patchy, and only where CSF is brisk."""
    model = anatomy_model()
    field = smooth_field(GRID_SHAPE, model["flow_spacing_mm"], seeded(seed, 32))
    return brisk * torch.sigmoid(model["flow_gain"] * field + model["flow_offset"])


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
    solid, fluid = insert(solid, fluid, "choroid_plexus", plexus * texture)
    sulcal = fluid * (ventricle_mm < -model["sulcal_margin_mm"])
    midline = falx * sulcal * (surface_mm > model["dura_depth_mm"])
    solid, fluid = insert(solid, fluid, "dura", midline * model["dura_share"])
    solid, fluid = insert(solid, fluid, "vessel", sulcal * vessel_share(seed))
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
