"""Volumes that a formula makes, for which the authors' whole program is known to give certain numbers."""

from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import torch
from monai.transforms import Compose
from torch import Tensor

from scripts.images.grid import GRID_AFFINE
from scripts.images.sources import read_sources
from scripts.methods.haca3.network import Haca3
from scripts.preprocessing.background import RemoveBackgroundd
from scripts.preprocessing.intensity_scale import ScaleByPercentiled

from .golden import golden_haca3


@dataclass(frozen=True)
class FormulaCase:
    """Three prepared `sources` (3, X, Y, Z), the code of a target (1, theta + eta) and the intensity of its 1.0."""

    network: Haca3
    sources: Tensor
    target: Tensor
    norm: float


def formula_case(folder: Path) -> FormulaCase:
    """Write the volumes into `folder` and prepare them as the bundle does, for golden parameters."""
    network = golden_haca3(first_target_slice=100)
    files = [_write(folder / f"{number}.nii", formula_volume(number)) for number in range(4)]
    sources, _ = _prepare({"t1w": files[0], "t2w": files[1], "flair": files[2]})
    target, norm = _prepare({"t1w": files[3]})
    with torch.inference_mode():
        code = network.encode_target(target[None], "t1w")
    return FormulaCase(network, sources, code, float(norm[0]))


def formula_volume(number: int) -> np.ndarray:
    """An ellipsoid of waves and sharp edges in a faint background; number 2 ends below the top."""
    x, y, z = np.ogrid[:192, :224, :192]
    u, v, w = (x - 95.5) / 96, (y - 111.5) / 112, (z - 95.5) / 96
    inside = (u / 0.7) ** 2 + (v / 0.8) ** 2 + (w / 0.75) ** 2 < 1
    waves = 0.3 * np.sin(7 * u + number) + 0.2 * np.cos(9 * v - 2 * number) * np.sin(5 * w + number / 2)
    edges = np.where(np.sin(23 * u + 11 * w) * np.cos(17 * v) > 0, 0.1, -0.1)
    volume = 1000 * inside * np.maximum(0.02, 0.45 + waves + edges)
    volume += 4 * (1 + np.cos(40 * u + 30 * v)) * ~inside
    return (volume * ((number != 2) | (w < 0.45))).astype(np.float32)


def _write(path: Path, volume: np.ndarray) -> Path:
    image = nibabel.Nifti1Image(volume, GRID_AFFINE)
    image.set_sform(GRID_AFFINE, code=4)
    nibabel.save(image, path)
    return path


def _prepare(files: dict[str, Path]) -> tuple[Tensor, Tensor]:
    read = read_sources(files)
    data = {"image": torch.from_numpy(read.stack), "available": torch.from_numpy(read.available)}
    prepared = Compose([ScaleByPercentiled(), RemoveBackgroundd(radius=20)])(data)
    return prepared["image"][prepared["available"]], prepared["scale"]
