"""A harmonizer so narrow that a step takes a fraction of a second, and a batch for it."""

from typing import Any

import torch

from scripts.methods.haca3.attention import CodeAttention, ForegroundAttention
from scripts.methods.haca3.harmonizer_stage import HarmonizerStage
from scripts.methods.haca3.losses import CycleLoss, Haca3Loss
from scripts.methods.haca3.patch_contrast import PatchContrast
from scripts.methods.haca3.patchifier import Patchifier
from scripts.methods.haca3.published_network import published_network

from ..methods.haca3.own_parts import own_haca3_plus

SIZE = 96


def tiny_stage(**options: Any) -> HarmonizerStage:
    """Always with the same weights."""
    torch.manual_seed(0)
    if options.pop("own_parts", False):
        network = own_haca3_plus(field_of_view=SIZE, anatomy_base=2)
    else:
        network = published_network(ForegroundAttention(CodeAttention()), SIZE, anatomy_base=2, decoder_base=2)
    loss = options.pop("loss", None) or Haca3Loss(PatchContrast(Patchifier()))
    return HarmonizerStage(network, loss, **{"cycle": CycleLoss(), **options})


def tiny_batch(samples: int = 4, seed: int = 1) -> dict[str, Any]:
    """A disc, the brightest part of the mask; one sample has a single source."""
    generator = torch.Generator().manual_seed(seed)
    axis = torch.linspace(-1, 1, SIZE)
    disc = (axis[:, None] ** 2 + axis[None] ** 2 < 0.5).float()
    available = torch.ones(samples, 4)
    available[0, 1:] = 0
    noise = torch.rand(samples, 6, SIZE, SIZE, generator=generator)
    return {
        "source": disc * (0.5 + noise[:, :4]) * available[:, :, None, None],
        "available": available,
        "target": disc * (0.5 + noise[:, 4:5]),
        "reference": disc * (0.5 + noise[:, 5:6]),
        "mask": (disc > 0).expand(samples, 1, SIZE, SIZE),
        "tissues": disc.to(torch.int8).expand(samples, 1, SIZE, SIZE),
        "contrast": torch.zeros(samples, dtype=torch.long),
        "subject": [f"sub-{index}" for index in range(samples)],
        "scanner": ["A"] * samples,
        "orientation": ["axial"] * samples,
        "slice": torch.arange(samples),
    }
