"""A network so small that a pass takes milliseconds, and a cohort of people of whom each was at one place alone."""

from pathlib import Path
from typing import Any

import monai.bundle
import torch

from scripts.base.text_files import write_json
from scripts.methods.ssim.network import SsimNet
from scripts.methods.ssim.sizes import Sizes

from ...harmonize.tiny_subjects import BUNDLE, write_image
from ..mispel.paired_scans import scan

STYLES = [["scanner:A", "site:S"], ["scanner:B", "site:S"], ["scanner:C.5", "site:T"]]
SIZES: dict[str, Any] = {
    **{"width": 2, "halvings": 1, "blocks": 1, "style_halvings": 1, "edge_kernel": 3, "up_kernel": 3},
    **{"noise": 2, "hidden": 4},
}
NARROW: dict[str, Any] = {f"network_def#sizes#{name}": value for name, value in SIZES.items()}
FIELD = [16, 16, 16]
TINY: dict[str, Any] = {
    **NARROW,
    "field": FIELD,
    "discriminator_halvings": 2,
    "intensity_scale#percentile": 99.999,
    # Backgrounds are 0 already.
    "preprocessing": "@intensity_scale",
    "learning_rate": 0.01,
    "epochs": 2,
    "steps": 2,
    "validate#steps": 1,
    "buffer": 2,
    "device": "cpu",
}
PLACES = (("A", "S"), ("B", "S"), ("C.5", "T"))


def tiny_net(**sizes: Any) -> SsimNet:
    """Always with the same weights."""
    torch.manual_seed(2)
    return SsimNet(STYLES, Sizes(**{**SIZES, **sizes})).eval()


def write_unpaired(folder: Path, places: tuple[tuple[str, str], ...] = PLACES, people: int = 2) -> Path:
    """Write `people` of each place, each with one T1w image."""
    for number in range(people * len(places)):
        scanner, site = places[number % len(places)]
        stem = folder / f"sub-{number + 1:02d}" / "ses-01" / "anat" / f"sub-{number + 1:02d}_ses-01_T1w"
        fields = {"StationName": scanner, "InstitutionName": site, "Ward": f"ward of {scanner}"}
        write_image(stem.with_suffix(".nii.gz"), scan(number, number % 2))
        write_json(stem.with_suffix(".json"), {name: value for name, value in fields.items() if value})
    return folder


def training(output: Path, *overlays: str, **overrides: Any) -> dict[str, Any]:
    """What `monai.bundle.run` is given."""
    files = [
        str(BUNDLE / "configs" / name) for name in ("train.json", "train_scans.json", "train_ssim.json", *overlays)
    ]
    given = {"config_file": files, "bundle_root": str(BUNDLE), "output_dir": str(output)}
    return {**given, **TINY, **overrides}


def train_ssim(cohort: Path, output: Path, *overlays: str, **overrides: Any) -> Path:
    """Train on a cohort; return `output`."""
    monai.bundle.run(**training(output, *overlays, dataset_dir=str(cohort), **overrides))
    return output
