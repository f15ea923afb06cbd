"""Prints how well two segmenters, the classical one and the network, agree with the truth and with themselves.

    python -m scripts.bench.segmenters output/travel/cohort --contrasts t1w

For each contrast a table by region, both segmenters side by side:

    Dice                with the truth, mean over images ↑
    volume error (%)    |V - V_true| / V_true, mean over images ↓
    CV (%)              of the volumes of one person over all scanners, mean over people ↓

The truth is that of `configs/simulate.json`.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..base.errors import InputError
from ..base.markdown_table import format_mean, markdown_table, mean_and_sd
from ..base.regions import REGIONS
from ..base.worker_pool import WorkerPool
from ..images.bids_cohort import CohortImage, read_cohort, truth_path
from ..images.nifti import read_nifti
from ..metrics.segmentation import TissueSegmenter
from ..metrics.segmentation_network import NetworkSegmenter
from ..metrics.volumes import coefficient_of_variation, dice, region_volumes

WEIGHTS = Path(__file__).parents[2] / "models" / "segmenter.pt"
SEGMENTERS = ("classical", "network")
MEASURES = {"Dice ↑": 3, "volume error (%) ↓": 1, "CV (%) ↓": 2}


@dataclass(frozen=True)
class JudgedImage:
    """What a segmenter made of an image of a person: Dice of each region with the truth, and volumes."""

    segmenter: str
    person: str
    dice: np.ndarray
    volumes: np.ndarray
    true_volumes: np.ndarray


@dataclass(frozen=True)
class Judge:
    """Segments an image of a cohort in both ways, and compares each with the truth."""

    cohort: Path
    weights: Path

    def __call__(self, image: CohortImage) -> list[JudgedImage]:
        """Judge both."""
        voxels = np.asarray(read_nifti(image.path).voxels, dtype=np.float32)
        truth = np.asarray(read_nifti(truth_path(self.cohort, image.subject, "desc-regions_dseg")).voxels, np.uint8)
        found = {"classical": TissueSegmenter()(voxels), "network": NetworkSegmenter(self.weights)(voxels)}
        count = len(REGIONS)
        return [
            JudgedImage(
                name,
                image.subject,
                dice(labels, truth, count),
                region_volumes(labels, count),
                region_volumes(truth, count),
            )
            for name, labels in found.items()
        ]


def rows(judged: Sequence[JudgedImage]) -> list[list[str]]:
    """Rows of regions, and of their mean: the measures of each segmenter in turn."""
    by_segmenter = [[each for each in judged if each.segmenter == name] for name in SEGMENTERS]
    # (measures, segmenters, regions)
    values = np.array([[_measure(measure, found) for found in by_segmenter] for measure in range(len(MEASURES))])
    table = []
    for name, column in zip((*REGIONS, "mean of regions"), (*values.T, values.mean(axis=2).T), strict=True):
        numbers = [
            format_mean(float(value), decimals=decimals)
            for pair, decimals in zip(column.T, MEASURES.values(), strict=True)
            for value in pair
        ]
        table.append([name, *numbers])
    return table


def _measure(measure: int, found: Sequence[JudgedImage]) -> np.ndarray:
    """The measure of this place in `MEASURES`, by region."""
    if measure == 0:
        return np.mean([each.dice for each in found], axis=0)
    if measure == 1:
        return 100 * np.mean([np.abs(each.volumes / each.true_volumes - 1) for each in found], axis=0)
    people = sorted({each.person for each in found})
    volumes = [np.stack([each.volumes for each in found if each.person == person]) for person in people]
    spreads = [[coefficient_of_variation(region) for region in visits.T] for visits in volumes]
    return np.array([100 * mean_and_sd(region)[0] for region in zip(*spreads, strict=True)])


def main(words: Sequence[str] | None = None) -> str:
    """The tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort_dir")
    parser.add_argument("--contrasts", nargs="+", default=["t1w"])
    parser.add_argument("--people", nargs="+", help="labels of subjects; everybody where none is given")
    parser.add_argument("--weights", default=str(WEIGHTS))
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args(words)
    cohort = Path(given.cohort_dir)
    people = {f"sub-{person.removeprefix('sub-')}" for person in given.people or ()}
    images = [image for image in read_cohort(cohort, given.contrasts) if not people or image.subject in people]
    if not images:
        raise InputError(f"the cohort {cohort} must have images of --people, it has none")
    heads = ["region", *(f"{name}: {measure}" for measure in MEASURES for name in SEGMENTERS)]
    judge = Judge(cohort, Path(given.weights))
    parts = []
    with WorkerPool(given.workers) as pool:
        for contrast in given.contrasts:
            chosen = [image for image in images if image.contrast == contrast]
            judged = [each for both in pool.map(judge, chosen, f"segment {contrast}") for each in both]
            if judged:
                count = len({image.subject for image in chosen})
                parts.append(f"### {contrast}\n\n{len(chosen)} images of {count} people.\n")
                parts.append(markdown_table(heads, rows(judged), 1))
    return "\n".join(parts)


if __name__ == "__main__":
    print(main())
