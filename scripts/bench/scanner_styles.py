"""Prints how alike several methods make the images of several scanners, and how like the truth.

    python -m scripts.bench.scanner_styles --cohort output/travel/cohort --people 01 02 \\
        --methods unharmonized=unpaired-A ssim_A=unpaired-A=output/travel/ssim_A ...

A method is its name, the scanner whose images of the same people are the truth (- for none) and the folder of what it
made; without a folder it is the sources. Images are divided by their 95th percentile, and the brain is where the
person's image of the first scanner is above 0. `--coarse` compares means of eight voxels in all columns, in an eighth
of the time. Columns, means over pairs of scanners or over images:

    Wasserstein        between the mean histograms of two scanners, in percent of the 95th percentile ↓
    luminance          the factor l of SSIM between images of two scanners, any two people, at 2 mm ↑
    structure          the factor s of SSIM between an image and its source ↑
    PSNR, SSIM, PCC    to the image that the truth's scanner made of the same person ↑

The first three are those of Table 2 of SSIM-guided disentanglement, the last ones those of Table 1 of MMH. No output is
matched to what it is compared with.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from ..base.errors import InputError
from ..base.markdown_table import markdown_table
from ..images.bids_cohort import CohortImage, output_path, read_cohort
from ..images.nifti import read_nifti
from ..metrics.image import correlation, psnr
from ..metrics.scaling import divide_by_percentile
from ..metrics.ssim import windowed_ssim

HEADER = ["method", "Wasserstein (%) ↓", "luminance ↑", "structure ↑", "PSNR (dB) ↑", "SSIM ↑", "PCC ↑"]
# A person and a scanner.
Place = tuple[str, str]
_BINS = np.linspace(0, 3, 601)


@dataclass(frozen=True)
class ComparedScanners:
    """A method by its `name`, the scanner whose images are the truth, and the folder of its images."""

    name: str
    truth: str | None
    folder: Path | None

    @classmethod
    def of(cls, text: str) -> "ComparedScanners":
        """As the command line has it."""
        name, truth, folder = [*text.split("=", 2), "", ""][:3]
        if not name or not truth:
            raise InputError(f"a method must be name=scanner or name=scanner=folder, got {text}")
        return cls(name, None if truth == "-" else truth, Path(folder) if folder else None)


def wasserstein_of_histograms(first: np.ndarray, second: np.ndarray, width: float) -> float:
    """The area between two cumulative histograms, each of which sums up to 1."""
    return float(np.abs(np.cumsum(first - second)).sum() * width)


def row(
    method: ComparedScanners,
    sources: Mapping[Place, CohortImage],
    images: Mapping[Place, np.ndarray],
    coarse: bool = False,
) -> list[str]:
    """The table's row; images are those of the cohort by person and scanner."""
    folder, truth, first = method.folder, method.truth, next(iter(images))[1]
    made = {key: scaled(output_path(folder, image), coarse) for key, image in sources.items()} if folder else images
    brains = {person: images[person, first] > 0 for person, _ in images}
    structures = [windowed_ssim(made[key], images[key], brains[key[0]]).structure for key in images if folder]
    pairs = [
        (made[person, scanner], images[person, truth], brains[person])
        for person, scanner in images
        if truth and scanner != truth
    ]
    columns = [
        [100 * value for value in distances(made, brains)],
        luminances(made, brains, coarse),
        structures,
        [psnr(*pair) for pair in pairs],
        [windowed_ssim(*pair).value for pair in pairs],
        [correlation(*pair) for pair in pairs],
    ]
    return [method.name, *(f"{np.mean(values):.3f} ± {np.std(values):.3f}" if values else "" for values in columns)]


def distances(made: Mapping[Place, np.ndarray], brains: Mapping[str, np.ndarray]) -> list[float]:
    """Between the mean histograms of each two scanners."""
    found: dict[str, list[np.ndarray]] = {}
    for (person, scanner), image in made.items():
        counts = np.histogram(np.clip(image[brains[person]], 0, _BINS[-1]), _BINS)[0]
        found.setdefault(scanner, []).append(counts / counts.sum())
    means = [np.mean(histograms, axis=0) for histograms in found.values()]
    return [wasserstein_of_histograms(*pair, float(_BINS[1])) for pair in combinations(means, 2)]


def luminances(made: Mapping[Place, np.ndarray], brains: Mapping[str, np.ndarray], coarse: bool = False) -> list[float]:
    """Of every two images of two scanners, where both show brain."""
    inside = {key: np.where(brains[key[0]], image, 0) for key, image in made.items()}
    if not coarse:
        inside = {key: _halved(image) for key, image in inside.items()}
    return [
        windowed_ssim(inside[first], inside[second], (inside[first] > 0) & (inside[second] > 0), radius=3).luminance
        for first, second in combinations(inside, 2)
        if first[1] != second[1]
    ]


def scaled(path: Path, coarse: bool = False) -> np.ndarray:
    """The voxels of an image, or means of eight, divided by their 95th percentile."""
    voxels = np.asarray(read_nifti(path).voxels, dtype=np.float32)
    voxels = _halved(voxels) if coarse else voxels
    return np.asarray(divide_by_percentile(voxels, voxels > 0), dtype=np.float32)


def _halved(image: np.ndarray) -> np.ndarray:
    return F.avg_pool3d(torch.from_numpy(image)[None], 2)[0].numpy()


def main(words: Sequence[str] | None = None) -> str:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohort", required=True)
    parser.add_argument("--people", nargs="+", required=True)
    parser.add_argument("--methods", nargs="+", required=True)
    parser.add_argument("--coarse", action="store_true")
    given = parser.parse_args(words)
    people = {f"sub-{person.removeprefix('sub-')}" for person in given.people}
    sources = {(i.subject, i.scanner): i for i in read_cohort(Path(given.cohort), ["t1w"]) if i.subject in people}
    if not sources:
        raise InputError(f"the cohort {given.cohort} must have images of {', '.join(sorted(people))}")
    images = {place: scaled(image.path, given.coarse) for place, image in sources.items()}
    rows = [row(ComparedScanners.of(text), sources, images, given.coarse) for text in given.methods]
    return markdown_table(HEADER, rows, 1)


if __name__ == "__main__":
    print(main())
