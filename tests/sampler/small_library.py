"""A library of small people in seconds: nested shells of tissue on a grid of a sixteenth of the voxels."""

from pathlib import Path

import numpy as np
import torch

from scripts.phantom.parameters import SubjectParameters
from scripts.sampler.map_library import MapLibraryMaker
from scripts.sampler.person_maps import TISSUES, PersonMaps
from scripts.sampler.scanner_table import tissue_values

SHAPE = (64, 80, 64)


def render_small(parameters: SubjectParameters, anatomy: str) -> PersonMaps:
    """Fluid around cortex around white matter around a nucleus around a ventricle; the head is the outermost shell."""
    rng = np.random.default_rng(parameters.seed)
    axes = np.meshgrid(*[np.linspace(-1, 1, size) for size in SHAPE], indexing="ij")
    wobble = sum(0.04 * np.sin(9 * axis + rng.uniform(0, 6)) for axis in axes)
    radius = np.sqrt(sum((axis / rng.uniform(0.8, 0.95)) ** 2 for axis in axes)) + wobble
    ends = {"csf": 0.85, "gm": 0.78, "wm": 0.66, "deep_gm": 0.3, "csf inside": 0.16}
    inside = {name: 1 / (1 + np.exp((radius - end) / 0.012)) for name, end in ends.items()}
    shells = np.stack([inside["csf"] - inside["gm"], inside["gm"] - inside["wm"], inside["wm"] - inside["deep_gm"]])
    deep, ventricle = inside["deep_gm"] - inside["csf inside"], inside["csf inside"]
    lesion = 0.3 * shells[2] * (wobble > 0.07) * (parameters.lesion_load > 0)
    parts = np.stack([shells[0] + ventricle, shells[1], shells[2] - lesion, deep, lesion])
    within = radius < (0.98 if parameters.head else 0.84)
    counts = np.floor(255 * np.clip(parts, 0, 1)).astype(int)
    # Brain extraction leaves no head, so what is missing there is fluid.
    counts = np.concatenate([counts, np.zeros((1, *SHAPE), int)])
    counts[-1 if parameters.head else 0] += 255 - counts.sum(axis=0)
    share = counts[1:] / np.maximum(counts[1:].sum(axis=0), 1)
    values = np.einsum("kc,kxyz->cxyz", tissue_values()[1:], share)
    values[:, counts[1:].sum(axis=0) == 0] = tissue_values()[1][:, None]
    values = values * (1 + 0.03 * rng.normal(size=(3, *SHAPE)))
    assert len(counts) == len(TISSUES)
    fractions = torch.from_numpy((counts * within).astype(np.uint8))
    return PersonMaps(torch.from_numpy((values * within).astype(np.float32)), fractions)


def small_maker(folder: Path, people: int = 5, **changes) -> MapLibraryMaker:
    settings = {
        "validation": 2,
        "voxels": 3000,
        "head_share": 0.4,
        "bytes_per_person": 10_000_000,
        "render": render_small,
    }
    return MapLibraryMaker(folder, people=people, **{**settings, **changes})
