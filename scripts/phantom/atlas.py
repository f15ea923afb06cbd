"""The MNI152 template turned into what a subject is rendered from: level maps in millimetres and region outlines.

The template's tissue maps are averages over many people, so their edges are blurred. A level map holds, in millimetres,
how far a voxel lies inside a tissue; passing it through a steep sigmoid gives back edges as steep as one person's.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt, gaussian_filter, gaussian_gradient_magnitude

from ..base.regions import REGIONS
from ..images.grid import GRID_AFFINE, GRID_SHAPE
from ..images.mni152 import Template, load_template

# Beyond the nine regions of the truth, a structure whose signal differs.
PALLIDUM = len(REGIONS) + 1


@dataclass(frozen=True)
class Atlas:
    """Maps on the working grid, each (X, Y, Z) float32; levels are positive inside, in millimetres.

    `levels` stacks, in this order: white matter, fluid, brain surface, ventricles, grade (white-matter share where
    tissue has no sharp boundary: deep nuclei and brainstem), and the outlines of choroid plexus, brisk CSF flow and
    the midline falx as soft masks.
    """

    levels: torch.Tensor
    regions: torch.Tensor


def _outline(ellipsoids: list[list[float]]) -> np.ndarray:
    """Union of mirrored ellipsoids in MNI millimetres as a boolean map."""
    axes = [GRID_AFFINE[i, i] * np.arange(n, dtype=np.float32) + GRID_AFFINE[i, 3] for i, n in enumerate(GRID_SHAPE)]
    x, y, z = np.abs(axes[0])[:, None, None], axes[1][None, :, None], axes[2][None, None, :]
    inside = np.zeros(GRID_SHAPE, dtype=bool)
    for cx, cy, cz, rx, ry, rz, tilt in ellipsoids:
        cos, sin = np.cos(np.deg2rad(tilt)), np.sin(np.deg2rad(tilt))
        along, across = (y - cy) * cos + (z - cz) * sin, (z - cz) * cos - (y - cy) * sin
        inside |= ((x - cx) / rx) ** 2 + (along / ry) ** 2 + (across / rz) ** 2 < 1
    return inside


def read_outlines() -> dict[str, np.ndarray]:
    """Boolean maps of the outlines in `outlines.json`."""
    content = json.loads((Path(__file__).parent / "outlines.json").read_text())
    return {name: _outline(ellipsoids) for name, ellipsoids in content.items() if name != "comment"}


def _signed_distance(mask: np.ndarray) -> np.ndarray:
    return (distance_transform_edt(mask) - distance_transform_edt(~mask)).astype(np.float32)


def _restored(inside: np.ndarray, outside: np.ndarray, offset: float, gain: float) -> np.ndarray:
    """Log odds of `inside`, with the thin blades that averaging has washed out restored from the ridges they leave."""
    odds = gaussian_filter(np.log((inside + 0.03) / (outside + 0.03)), 0.5)
    ridge = gaussian_filter(odds, 0.6) - gaussian_filter(odds, 3.0)
    return odds + offset + gain * np.maximum(ridge, 0)


def _in_millimetres(odds: np.ndarray) -> np.ndarray:
    """Divide log odds by their gradient, so that they grow by about one per millimetre across the boundary."""
    return odds / np.maximum(gaussian_gradient_magnitude(odds, 0.7), 0.4)


def _regions(template: Template, outlines: dict[str, np.ndarray], ventricles: np.ndarray) -> np.ndarray:
    """Paint the regions over one another, the smallest last; every brain voxel belongs to one."""
    white = template.white > template.grey
    number = {name: index + 1 for index, name in enumerate(REGIONS)} | {"pallidum": PALLIDUM}
    regions = np.where(white, number["cerebral_wm"], number["cerebrum_gm"])
    regions[outlines["cerebellum"]] = np.where(white, number["cerebellar_wm"], number["cerebellar_gm"])[
        outlines["cerebellum"]
    ]
    grey = template.grey > 0.4
    regions[outlines["brainstem"]] = number["brainstem"]
    regions[outlines["thalamus"] & (template.fluid < 0.4)] = number["thalamus"]
    regions[outlines["pallidum"] & ~(outlines["putamen"] & grey)] = PALLIDUM
    regions[outlines["putamen"] & grey] = number["putamen"]
    regions[outlines["caudate"] & grey & (template.t1w < 0.83)] = number["caudate"]
    regions[ventricles] = number["ventricles"]
    return regions.astype(np.uint8)


@lru_cache(maxsize=1)
def load_atlas() -> Atlas:
    """Build the maps once per process."""
    template = load_template()
    outlines = read_outlines()
    ventricles = (template.fluid > 0.35) & outlines["ventricles"]
    white, fluid = (
        _restored(tissue, np.clip(template.brain - tissue, 0, 1), offset, gain)
        for tissue, offset, gain in ((template.white, 0.1, 1.0), (template.fluid, -0.3, 1.8))
    )
    falx = np.broadcast_to(np.abs(GRID_AFFINE[0, 0] * np.arange(GRID_SHAPE[0]) + 96)[:, None, None] < 1.2, GRID_SHAPE)
    levels = [
        _in_millimetres(white),
        fluid,
        _signed_distance(template.brain > 0) - 1.0,
        _signed_distance(ventricles),
        np.clip((gaussian_filter(template.t1w, 0.7) - 0.66) / 0.19, 0, 1),
        outlines["choroid_plexus"] & ventricles,
        outlines["brisk_flow"],
        falx,
    ]
    stack = np.stack([np.asarray(level, dtype=np.float32) for level in levels])
    return Atlas(torch.from_numpy(stack), torch.from_numpy(_regions(template, outlines, ventricles)))
