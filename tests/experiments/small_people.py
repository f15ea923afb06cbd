"""Two people who fit into a box, and a HACA3+ that takes a second for each."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from scripts.base.contrasts import CONTRASTS
from scripts.harmonize.model_weights import ModelWeights
from scripts.layers.unet import UNet
from scripts.methods.haca3.attention import CodeAttention, ForegroundAttention, SourceAttention
from scripts.methods.haca3.contrast_encoder import ContrastEncoder
from scripts.methods.haca3.encoders import Encoders
from scripts.methods.haca3.network import Haca3
from scripts.phantom.scanner import Scanner
from scripts.training.phantom_scans import PhantomScans
from scripts.training.slices import SliceStream

SHAPE = (8, 10, 8)
DESIGN = {
    "subjects": 2,
    "age": [20, 60],
    "population": {"HC": 1},
    "lesion_load": [0.0, 0.0],
    "scanners": [
        {
            "count": 3,
            "name": "box-{0}",
            "site": "site-{0}",
            "manufacturer": {"GE": 1},
            "field_strength": {"3.0": 1},
        }
    ],
    "contrasts": list(CONTRASTS),
    "visits": [1, 1],
}


@dataclass(frozen=True)
class BoxPhantom:
    """A brain of 6 x 8 x 6 voxels in a margin of one; its slopes are the person's, their contrast the scanner's.

    Images show one layer more behind the brain, and PD one in front of it too.
    """

    def draw_subject(self, seed: int, age: float, lesion_load: float, head: bool) -> int:
        return seed

    def render_subject(self, parameters: int) -> SimpleNamespace:
        brain = np.zeros(SHAPE, dtype=np.uint8)
        brain[1:-1, 1:-1, 1:-1] = 1
        return SimpleNamespace(brain=brain, tissues=brain, seed=parameters)

    def acquire(self, subject: SimpleNamespace, scanner: Scanner, contrast: str, visit_seed: int) -> np.ndarray:
        slopes = np.random.default_rng([subject.seed, CONTRASTS.index(contrast)]).uniform(-0.4, 0.4, 3)
        places = np.meshgrid(*(np.linspace(-1, 1, size) for size in SHAPE), indexing="ij")
        texture = 1.5 + np.tensordot(slopes, places, axes=1)
        shown = np.zeros(SHAPE, dtype=np.uint8)
        shown[1:-1, : None if contrast == "pd" else -1, 1:-1] = 1
        return (shown * texture ** (0.5 + scanner.seed % 5 / 2)).astype(np.float32)


def people(**options: Any) -> PhantomScans:
    designs = {"box": {**DESIGN, **options.pop("design", {})}}
    return PhantomScans(designs, **{"cohort": "box", "phantom": BoxPhantom(), **options})


def slices(scans: PhantomScans, **options: Any) -> SliceStream:
    return SliceStream(scans, **{"field_of_view": 96, "slices_per_orientation": 2, "reference_slices": 4, **options})


def narrow_haca3_plus(attention: SourceAttention | None = None) -> Haca3:
    """Narrow, for slices of 96 pixels, whose artifact score is their roughness."""
    encoders = Encoders(UNet(1, Encoders.classes, 1), ContrastEncoder(96), Roughness())
    parts = (attention or ForegroundAttention(CodeAttention()), encoders, UNet(5 + 2, 1, 1))
    return Haca3(*parts, field_of_view=96, soft_anatomy=True, target_slices=4).eval()


def random_weights(network: Haca3, seed: int = 1) -> ModelWeights:
    return ModelWeights([network], random=True, seed=seed)


class Roughness(nn.Module):
    """An artifact encoder whose score is 10 times the mean step along rows: (B, 1, H, W) -> (B, 2)."""

    def forward(self, image: Tensor) -> Tensor:
        steps = image.diff(dim=-1).abs().mean((1, 2, 3)) * 10
        return torch.stack([steps, torch.zeros_like(steps)], dim=1)
