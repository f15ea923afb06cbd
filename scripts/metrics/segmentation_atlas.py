"""Where each structure is expected: prior probabilities in template space, from the MNI152 tissue maps.

The outlines of the structures are approximate, read off the template and kept in `segmentation_outlines.json`.
They serve the segmenter only.
"""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from ..base.regions import REGIONS
from ..images.grid import GRID_AFFINE
from ..images.mni152 import load_template

OUTLINES = Path(__file__).with_name("segmentation_outlines.json")

# The regions keep their label minus one; the last two carry label 0.
STRUCTURES: tuple[str, ...] = (*REGIONS, "sulcal_fluid", "outside")


def _inside(ellipsoid: dict[str, Any], side: np.ndarray, front: np.ndarray, up: np.ndarray) -> np.ndarray:
    yaw, pitch, roll = np.deg2rad(ellipsoid["turn"])
    x, y, z = (a - c for a, c in zip((side, front, up), ellipsoid["center"], strict=True))
    x, y = np.cos(yaw) * x - np.sin(yaw) * y, np.sin(yaw) * x + np.cos(yaw) * y
    y, z = np.cos(pitch) * y + np.sin(pitch) * z, np.cos(pitch) * z - np.sin(pitch) * y
    x, z = np.cos(roll) * x - np.sin(roll) * z, np.sin(roll) * x + np.cos(roll) * z
    rx, ry, rz = ellipsoid["radii"]
    return (x / rx) ** 2 + (y / ry) ** 2 + (z / rz) ** 2 < 1


def _zones(grey: np.ndarray, fluid: np.ndarray, voxel_mm: int, blur_mm: float) -> dict[str, np.ndarray]:
    """Soft membership of each outlined zone, 0 to 1."""
    outlines = json.loads(OUTLINES.read_text())
    axes = [
        GRID_AFFINE[i, i] * ((np.arange(n, dtype=np.float32) + 0.5) * voxel_mm - 0.5) + GRID_AFFINE[i, 3]
        for i, n in enumerate(grey.shape)
    ]
    side, front, up = np.abs(axes[0])[:, None, None], axes[1][None, :, None], axes[2][None, None, :]
    zones = {}
    for name, outline in outlines["zones"].items():
        inside = np.any([_inside(e, side, front, up) for e in outline["ellipsoids"]], axis=0)
        inside &= (grey >= outline["min_grey"]) & (fluid <= outline["max_fluid"])
        zones[name] = gaussian_filter(inside.astype(np.float32), blur_mm / voxel_mm)
    return zones


def _coarse(fine: np.ndarray, voxel_mm: int) -> np.ndarray:
    blocks = [size for n in fine.shape for size in (n // voxel_mm, voxel_mm)]
    return fine.reshape(blocks).mean(axis=(1, 3, 5))


@lru_cache(maxsize=4)
def build_atlas(voxel_mm: int, outline_blur_mm: float, tissue_blur_mm: float, floor: float) -> np.ndarray:
    """Prior probability of each structure, (K, X, Y, Z) float32; the structures of a voxel sum to 1.

    A prior is a tissue probability times the probability of the zone that names it. Voxels of `voxel_mm` fill the
    grid. Built once per process, to be read only.

    `outline_blur_mm` and `tissue_blur_mm` soften the hand-made outlines and the tissue maps, `floor` is the
    probability of any tissue anywhere in the brain.
    """
    template = load_template()
    fluid, grey, white, brain = (
        _coarse(tissue, voxel_mm) for tissue in (template.fluid, template.grey, template.white, template.brain)
    )
    zones = _zones(grey, fluid, voxel_mm, outline_blur_mm)
    nuclei = {name: zones[name] for name in ("caudate", "putamen", "thalamus", "brainstem")}
    rest = np.clip(1 - sum(nuclei.values()), 0, 1)
    # Averaging fluid with white matter leaves a seam of false grey matter around the lateral ventricles.
    seam = rest * zones["lateral_ventricles"] * grey
    grey, white, fluid = grey - seam, white + 0.5 * seam, fluid + 0.5 * seam
    fluid, grey, white, brain = (gaussian_filter(a, tissue_blur_mm / voxel_mm) for a in (fluid, grey, white, brain))
    fluid, grey, white = ((1 - floor) * a + floor / 3 * brain for a in (fluid, grey, white))
    ventricles = np.maximum(zones["lateral_ventricles"], zones["other_ventricles"])
    cerebellum = rest * zones["cerebellum"]
    cerebrum = rest - cerebellum
    maps = {
        **{name: zone * (grey + white) for name, zone in nuclei.items()},
        "ventricles": fluid * ventricles,
        "sulcal_fluid": fluid * (1 - ventricles),
        "cerebellar_gm": cerebellum * grey,
        "cerebellar_wm": cerebellum * white,
        "cerebrum_gm": cerebrum * grey,
        "cerebral_wm": cerebrum * white,
        "outside": 1 - brain,
    }
    priors = np.maximum(np.stack([maps[name] for name in STRUCTURES]), 0)
    return (priors / priors.sum(axis=0)).astype(np.float32)
