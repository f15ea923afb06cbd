"""A network of MMH so narrow that a step takes a fraction of a second."""

from typing import Any

import torch

from scripts.methods.mmh.condition import GradientMap
from scripts.methods.mmh.grid import NetworkGrid
from scripts.methods.mmh.network import DiffusionModel, Mmh
from scripts.methods.mmh.noise_predictor import NoisePredictor
from scripts.methods.mmh.style import StyleRecords

PREDICTOR: dict[str, Any] = {
    "channels": [4, 8],
    "residual_blocks": 1,
    "attention_levels": [False, True],
    "head_channels": 4,
    "norm_groups": 2,
    "patch": 2,
}
# The same in a config.
NETWORK: dict[str, Any] = {
    "network_def#grid#shape": [16, 16, 16],
    "network_def#grid#voxel_mm": 2,
    **{f"network_def#model#predictor#{name}": value for name, value in PREDICTOR.items()},
}


def tiny_predictor(**options: Any) -> NoisePredictor:
    torch.manual_seed(0)
    return NoisePredictor(**{**PREDICTOR, **options})


def tiny_network(style_encoder: str | None = None) -> Mmh:
    """Of 16 x 16 x 16 voxels of 2 mm, with styles, always with the same weights."""
    model = DiffusionModel(tiny_predictor(), StyleRecords())
    network = Mmh(NetworkGrid((16, 16, 16), 2), GradientMap(), model, style_encoder)
    for part in (network.model, network.target):
        if part is not None:
            part.records.finish_seeding()
    return network


def tiny_volumes(count: int = 2) -> torch.Tensor:
    """Noisy cubes (B, 1, 16, 16, 16), from -1 to 1, that fill the middle."""
    volumes = torch.full((count, 1, 16, 16, 16), -1.0)
    inside = volumes[..., 4:12, 3:13, 5:11]
    inside.copy_(torch.rand(inside.shape, generator=torch.Generator().manual_seed(1)))
    return volumes
