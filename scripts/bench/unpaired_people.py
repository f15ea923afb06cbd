"""Prints what a study could tell from harmonized images of people who were each scanned once: scanner, age, illness.

    python -m scripts.bench.unpaired_people --cohort output/unpaired/cohort --people 01 02 ... \\
        --methods unharmonized nyul=output/unpaired/nyul ...

A method is its name and the folder of what it made; without a folder it is the sources. Ages come from the cohort's
`participants.tsv`. Every probe is trained anew on what it is asked about. Columns:

    scanner     balanced accuracy of a logistic regression that has not seen the person, in percent ↓
    age         of a ridge regression trained on the people of all other scanners, mean absolute error in years ↓

Where the cohort's design has patients, whose brains are older than they are, two more columns give the effect of being
a patient on the share of a region in the brain, in percentage points with its 95 % interval, by a linear model of group
and age that knows nothing of scanners; and the first row is that of the true regions.

The scanner is told from 44 numbers of brightness, sharpness and texture. Age is told from the shares of nine regions in
the brain (volumes), and from these and the numbers of brightness and sharpness. Images are divided by their 95th
percentile.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import t as student
from sklearn.linear_model import RidgeCV
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..base.errors import InputError
from ..base.markdown_table import markdown_table
from ..base.regions import REGIONS
from ..base.worker_pool import WorkerPool
from ..images.bids import read_participants
from ..images.bids_cohort import CohortImage, output_path, read_cohort, truth_path
from ..images.nifti import read_nifti
from ..metrics.scaling import divide_by_percentile
from ..metrics.segmentation import TissueSegmenter
from ..metrics.site_probe import image_features, site_accuracy
from ..metrics.volumes import region_volumes

HEADER = ["method", "people", "scanner (%) ↓", "age by volumes (years) ↓", "age by volumes and looks (years) ↓"]
# The regions that the older brain changes most.
PATIENTS = {"cerebrum_gm": "patients: gray matter", "ventricles": "patients: ventricles"}
# Numbers of brightness and of sharpness, which come first; those of texture follow.
_BRIGHTNESS, _SHARPNESS = 19, 9


@dataclass(frozen=True)
class Described:
    """An image in numbers: its brightness, sharpness and texture (`looks`) and the `shares` of regions in the brain."""

    looks: np.ndarray
    shares: np.ndarray


def describe(path: Path) -> Described:
    """Segment an image and describe what is above 0."""
    voxels = np.asarray(read_nifti(path).voxels, dtype=np.float32)
    volumes = np.asarray(region_volumes(TissueSegmenter()(voxels), len(REGIONS), 1.0))
    brain = voxels > 0
    looks = image_features(divide_by_percentile(voxels, brain), brain, _BRIGHTNESS, _SHARPNESS)
    return Described(looks, volumes / max(volumes.sum(), 1.0))


def row(
    method: str, found: Sequence[Described], scanners: Sequence[str], people: Sequence[str], ages: Sequence[float]
) -> list[str]:
    """A method's row, given its images in numbers."""
    looks = np.stack([each.looks for each in found])
    shares = np.stack([each.shares for each in found])
    told = site_accuracy(looks, scanners, people).balanced_accuracy
    both = np.concatenate([looks[:, : _BRIGHTNESS + _SHARPNESS], shares], axis=1)
    errors = [mean_absolute_error(ages, guess_ages(features, ages, scanners)) for features in (shares, both)]
    return [method, str(len(found)), f"{100 * told:.1f}", *(f"{error:.2f}" for error in errors)]


def effects(shares: np.ndarray, ages: Sequence[float], patients: Sequence[bool]) -> list[str]:
    """Of being a patient on the shares (N, R) of `PATIENTS` regions, with intervals of 95 %."""
    design = np.column_stack([np.ones(len(ages)), ages, patients])
    spread = np.linalg.inv(design.T @ design)[2, 2]
    free = len(ages) - design.shape[1]
    cells = []
    for region in PATIENTS:
        share = 100 * shares[:, REGIONS.index(region)]
        weights, *_ = np.linalg.lstsq(design, share, rcond=None)
        error = np.sqrt(np.square(share - design @ weights).sum() / free * spread) * student.ppf(0.975, free)
        cells.append(f"{weights[2]:.2f} ({weights[2] - error:.2f} to {weights[2] + error:.2f})")
    return cells


def true_shares(path: Path) -> np.ndarray:
    """Shares (R,) of the regions of a label map."""
    volumes = np.asarray(region_volumes(np.asarray(read_nifti(path).voxels, dtype=np.uint8), len(REGIONS), 1.0))
    return volumes / max(volumes.sum(), 1.0)


def guess_ages(features: np.ndarray, ages: Sequence[float], scanners: Sequence[str]) -> np.ndarray:
    """Of each scanner's people by what the people of the other scanners teach."""
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 4, 11)))
    return np.asarray(cross_val_predict(model, features, ages, groups=scanners, cv=LeaveOneGroupOut()))


def read_ages(cohort: Path, images: Sequence[CohortImage]) -> list[float]:
    """Of the person of each image."""
    written = read_participants(cohort, "age")
    try:
        return [float(written[image.subject]) for image in images]
    except (KeyError, ValueError) as error:
        raise InputError(
            f"{cohort / 'participants.tsv'} must have a number in `age` for everybody, got {error}"
        ) from error


def main(words: Sequence[str] | None = None) -> str:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohort", required=True)
    parser.add_argument("--people", nargs="+", required=True)
    parser.add_argument("--methods", nargs="+", required=True)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args(words)
    people = {f"sub-{person.removeprefix('sub-')}" for person in given.people}
    images = [image for image in read_cohort(Path(given.cohort), ["t1w"]) if image.subject in people]
    if len(images) != len({image.subject for image in images}) or len(images) < 2:
        raise InputError(f"the cohort {given.cohort} must have one T1w image of each of --people, got {len(images)}")
    ages = read_ages(Path(given.cohort), images)
    scanners, names = [image.scanner for image in images], [image.subject for image in images]
    years = read_participants(Path(given.cohort), "brain_years")
    patients = [float(years.get(name, 0)) > 0 for name in names]
    rows, header = [], [*HEADER, *(PATIENTS.values() if any(patients) else ())]
    if any(patients):
        truth = np.stack([true_shares(truth_path(Path(given.cohort), name, "desc-regions_dseg")) for name in names])
        error = mean_absolute_error(ages, guess_ages(truth, ages, scanners))
        rows.append(["truth", str(len(names)), "–", f"{error:.2f}", "–", *effects(truth, ages, patients)])
    with WorkerPool(given.workers) as pool:
        for method in given.methods:
            name, _, folder = method.partition("=")
            paths = [output_path(Path(folder), image) if folder else image.path for image in images]
            found = pool.map(describe, paths, f"describe images of {name}")
            shares = np.stack([each.shares for each in found])
            ill = effects(shares, ages, patients) if any(patients) else []
            rows.append([*row(name, found, scanners, names, ages), *ill])
    return markdown_table(header, rows, 1)


if __name__ == "__main__":
    print(main())
