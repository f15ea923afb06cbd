"""A sample of slices that is known by heart."""

from typing import Any

import torch

from scripts.training.samples import Sample

SIZE = 32


def squares(levels: tuple[float, ...]) -> torch.Tensor:
    """Images (4, 32, 32) of a textured square of 16 x 16; its mean in each contrast is the level."""
    texture = torch.rand(SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 0.2 + 0.9
    texture[:8], texture[24:], texture[:, :8], texture[:, 24:] = 0, 0, 0, 0
    return torch.tensor(levels).view(-1, 1, 1) * texture


def square_sample(seed: int = 0, levels: tuple[float, ...] = (1, 1.5, 2, 2.5), **changes: Any) -> Sample:
    """Contrasts of level 0 are not available; the reference is a tenth as bright; no truth is known."""
    image = squares(levels)
    return {
        "image": image,
        "available": torch.tensor([float(level > 0) for level in levels]),
        "mask": image.any(0, keepdim=True),
        "tissues": image.any(0, keepdim=True).to(torch.int8),
        "reference": image / 10,
        "truth": torch.zeros_like(image),
        "truth_available": torch.zeros(4),
        "truth_reference": torch.zeros_like(image),
        **{"subject": "sub-01", "scanner": "A", "site": "S", "orientation": "axial", "slice": 112, "seed": seed},
        **changes,
    }
