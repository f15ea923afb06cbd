"""Tiny scans of three people on two scanners, as a BIDS folder; the second one shows bright tissue brighter."""

from pathlib import Path
from typing import Any

import monai.bundle
import nibabel
import numpy as np

from scripts.base.text_files import write_json

from ...harmonize.tiny_subjects import AFFINE, BUNDLE, SHAPE, write_image

SCANNERS = ("scanner-1", "scanner-2.5T")
TINY: dict[str, Any] = {
    "network_def#width": 2,
    "network_def#embeddings": 3,
    "window": 16,
    "epochs": 2,
    "steps": 2,
    "batch_size": 2,
    "validate#steps": 1,
    "validate#dataloader#loader#batch_size": 2,
    "workers": 0,
    "device": "cpu",
    "held_out": "03",
}


def scan(person: int, scanner: int) -> np.ndarray:
    """A ball of two tissues and noise, 300 voxels in all."""
    distance = np.linalg.norm(np.indices(SHAPE).T - (16, 15, 14), axis=-1).T
    tissue = np.where(distance < 2.5, (300.0, 500.0)[scanner], 200.0) + 10 * person
    noise = np.random.default_rng((person, scanner)).uniform(0, 20, SHAPE)
    return (tissue + noise) * (distance < 4.2)


def write_scan(folder: Path, person: int, scanner: int, voxels: np.ndarray | None = None) -> Path:
    """Write one visit; the scanners are visited in order."""
    session = f"sub-{person:02d}/ses-{scanner + 1:02d}/anat/sub-{person:02d}_ses-{scanner + 1:02d}_run-1_T1w"
    write_json(folder / f"{session}.json", {"StationName": SCANNERS[scanner], "InstitutionName": f"S{scanner}"})
    return write_image(folder / f"{session}.nii.gz", scan(person, scanner) if voxels is None else voxels)


def write_pairs(folder: Path, people: int = 3) -> Path:
    """Write the whole cohort."""
    for person in range(1, people + 1):
        for scanner in range(len(SCANNERS)):
            write_scan(folder, person, scanner)
    return folder


def train_mispel(cohort: Path, output: Path, *overlays: str, **overrides: Any) -> Path:
    """Run MISPEL's first step of training, or with an overlay its second; return `output`."""
    names = ("train.json", "train_scans.json", "train_mispel.json", *overlays)
    files = [str(BUNDLE / "configs" / name) for name in names]
    given = {"bundle_root": str(BUNDLE), "dataset_dir": str(cohort), "output_dir": str(output), **TINY, **overrides}
    monai.bundle.run(config_file=files, **given)
    return output


def voxels(path: Path) -> np.ndarray:
    """What an image file holds."""
    image = nibabel.Nifti1Image.from_filename(path)
    np.testing.assert_allclose(image.affine, AFFINE)
    return np.asarray(image.dataobj)
