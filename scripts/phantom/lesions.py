"""MS lesions: irregular blobs in white matter, most of them near the ventricles."""

import torch

from .fields import seeded, smooth_field
from .model import anatomy_model
from .parameters import SubjectParameters

_MARGIN = 10


def render_lesions(
    parameters: SubjectParameters, white: torch.Tensor, fluid: torch.Tensor, ventricle_mm: torch.Tensor
) -> torch.Tensor:
    """Return the share of each voxel (X, Y, Z) that is lesion."""
    model, generator = anatomy_model(), seeded(parameters.seed, 20)
    lesions = torch.zeros_like(white)
    count = round(parameters.lesion_load * model["lesions_at_full_load"])
    if count == 0:
        return lesions
    home = (white * (1 - fluid) > 0.8) * torch.exp(ventricle_mm.clamp(max=0) / model["lesion_distance_mm"])
    places = torch.multinomial(home.flatten(), count, replacement=True, generator=generator)
    low, high = model["lesion_radius_mm"]
    # Small lesions are many, large ones few.
    radii = low * (high / low) ** torch.rand(count, generator=generator).square()
    stretch = torch.exp(0.25 * torch.randn(count, 3, generator=generator))
    rough = smooth_field((2 * _MARGIN + 1,) * 3, 3.0, generator)
    for place, radius, axes in zip(places.tolist(), radii, stretch, strict=True):
        centre = torch.unravel_index(torch.tensor(place), white.shape)
        low_corner = [max(int(c) - _MARGIN, 0) for c in centre]
        box = tuple(
            slice(low_, min(int(c) + _MARGIN + 1, n))
            for low_, c, n in zip(low_corner, centre, white.shape, strict=True)
        )
        offsets = torch.meshgrid(
            *[torch.arange(s.start, s.stop) - int(c) for s, c in zip(box, centre, strict=True)], indexing="ij"
        )
        distance = sum((o / a) ** 2 for o, a in zip(offsets, axes, strict=True)).sqrt()
        noise = rough[tuple(o + _MARGIN for o in offsets)]
        blob = torch.sigmoid((radius * (1 + 0.3 * noise) - distance) / 0.5)
        lesions[box] = torch.maximum(lesions[box], blob)
    # Lesions stay in tissue and fade into cortex.
    return lesions * (1 - fluid) * (0.3 + 0.7 * white)
