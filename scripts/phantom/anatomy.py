"""A person's anatomy from the template: where each voxel lies in the template, and what it is made of."""

import torch
import torch.nn.functional as F

from ..base.regions import REGIONS
from ..images.grid import GRID_SHAPE
from .atlas import PALLIDUM, load_atlas
from .deformation import STRIDE, coarse, draw_velocity, identity, integrate, jacobian_determinant
from .fields import seeded, smooth_field
from .model import anatomy_model
from .parameters import SubjectParameters

# Nuclei and brainstem have no sharp grey-white boundary.
_GRADED = (REGIONS.index("thalamus") + 1, REGIONS.index("brainstem") + 1, PALLIDUM)


def template_coordinates(parameters: SubjectParameters) -> torch.Tensor:
    """Template voxel coordinates (3, X, Y, Z) of each voxel of the subject; an invertible map."""
    model, atlas = anatomy_model(), load_atlas()
    velocity = draw_velocity(GRID_SHAPE, model["warp_mm"], seeded(parameters.seed, 2))
    # Larger ventricles push the tissue around them outwards: seen from the subject, the template lies further in.
    distance = F.avg_pool3d(coarse(atlas.levels[3:4])[None], 3, 1, 1)[0, 0]
    inward = torch.stack(torch.gradient(distance)) / STRIDE
    # Of unit length, but for the ridges where the direction flips: there it passes through zero, and nothing folds.
    inward = inward / inward.norm(dim=0).clamp(min=1)
    velocity += parameters.ventricle_mm * inward * torch.exp(-((distance / model["ventricle_reach_mm"]) ** 2))
    centre = torch.tensor([(n - 1) / 2 for n in GRID_SHAPE])[:, None, None, None]
    affine = torch.tensor(parameters.affine)
    coordinates = torch.einsum("ij,jxyz->ixyz", affine[:, :3], identity(GRID_SHAPE) - centre)
    coordinates += affine[:, 3, None, None, None] + centre + integrate(velocity, GRID_SHAPE)
    if not (jacobian_determinant(coordinates) > 0).all():
        raise RuntimeError(f"the warp of subject seed {parameters.seed} folds: lower `warp_mm` in anatomy.json")
    return coordinates


def tissue_shares(
    parameters: SubjectParameters, levels: torch.Tensor, regions: torch.Tensor, folding_share: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the white-matter share of the solid part and the fluid share, both (X, Y, Z) in [0, 1].

    Boundaries are moved at random by `folding_share` of what makes one person of a template of many.
    """
    model = anatomy_model()
    white_mm, fluid_mm, surface_mm, ventricle_mm, grade = levels[:5]
    generator = seeded(parameters.seed, 3)
    # The template's folds are everybody's; moving its boundaries by a smooth field makes them one person's.
    size = folding_share * model["folding_mm"]
    folding, sulci = (size * smooth_field(GRID_SHAPE, model["folding_spacing_mm"], generator) for _ in range(2))
    ribbon = torch.exp(-((white_mm / model["ribbon_mm"]) ** 2))
    white = torch.sigmoid((white_mm + ribbon * folding + parameters.thinning_mm) / model["edge_mm"])
    graded = torch.isin(regions, torch.tensor(_GRADED, dtype=regions.dtype))
    white = torch.where(graded, grade, white)
    cortex = (ventricle_mm < -model["ribbon_mm"]) & ~graded
    fluid = torch.sigmoid((fluid_mm + (sulci + parameters.sulcus_mm) * cortex) / model["edge_mm"])
    # What lies outside the brain's surface is fluid, whatever the template says there.
    return white, torch.maximum(fluid, torch.sigmoid(-(surface_mm + 0.5) / model["edge_mm"]))
