"""Tiny traveling subjects, written as a cohort; the anatomy of a subject is a ball in a ball."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from scripts.base.contrasts import BIDS_SUFFIX
from scripts.base.errors import InputError
from scripts.base.text_files import write_json
from scripts.evaluation.evaluate import Compared, Evaluation, Measures
from scripts.evaluation.pair_work import PairMeasures
from scripts.evaluation.report import EvaluationReport
from scripts.images.bids_cohort import CohortImage, output_path, read_cohort, truth_path
from scripts.images.volumes import read_volume, write_volume
from scripts.metrics.image import correlation, psnr, wasserstein
from scripts.metrics.scaling import divide_by_percentile
from scripts.metrics.site_probe import image_features, site_accuracy
from scripts.metrics.ssim import global_ssim, windowed_ssim
from scripts.metrics.tissues import TissueLabels

SHAPE = (24, 22, 20)
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
DISTANCE = np.sqrt(sum((axis - 10.0) ** 2 for axis in np.ogrid[:24, :22, :20]))
BRAIN = DISTANCE < 9.0
TISSUES = {"GM": ["cerebellar_gm", "cerebrum_gm"], "WM": ["cerebral_wm"]}


class ThresholdSegmenter:
    """Labels the inner ball 9 and the rest of the brain 3."""

    def __init__(self, threshold: float = 70.0) -> None:
        self.threshold = threshold

    def __call__(self, image: np.ndarray) -> np.ndarray:
        return np.where(image > self.threshold, 9, np.where(image > 0, 3, 0)).astype(np.uint8)


def centre_batches(features: np.ndarray, batch: Sequence[str], covariates: np.ndarray | None) -> np.ndarray:
    """The simplest ComBat: every scanner gets the same mean."""
    if len(set(batch)) == len(batch):
        raise InputError("a scanner has one scan")
    centred = features.copy()
    for scanner in set(batch):
        own = np.array(batch) == scanner
        centred[own] += features.mean(axis=0) - features[own].mean(axis=0)
    return centred


def draw_image(seed: int, radius: float, gain: float = 1.0, noise: float = 2.0) -> np.ndarray:
    anatomy = np.where(radius > DISTANCE, 100.0, 50.0)
    image = gain * anatomy + noise * np.random.default_rng(seed).standard_normal(SHAPE)
    return np.where(BRAIN, np.maximum(image, 1.0), 0.0).astype(np.float32)


def write_cohort(
    folder: Path, subjects: int = 2, sessions: int = 3, runs: int = 2, contrasts: Sequence[str] = ("t1w",)
) -> list[CohortImage]:
    seed = 0
    for subject in (f"sub-{number + 1:02d}" for number in range(subjects)):
        radius = 4.0 + 0.4 * int(subject[-2:])
        for session in range(1, sessions + 1):
            for run in range(1, runs + 1):
                for contrast in contrasts:
                    seed += 1
                    stem = f"{subject}_ses-{session:02d}_run-{run}_{BIDS_SUFFIX[contrast]}"
                    path = folder / subject / f"ses-{session:02d}" / "anat" / f"{stem}.nii.gz"
                    image = draw_image(seed, radius + 0.2 * session, noise=2.0 * session)
                    write_volume(path, image, AFFINE)
                    scanner = {"InstitutionName": f"site-{session}", "StationName": f"scanner-{session}"}
                    write_json(path.with_name(f"{stem}.json"), scanner)
        write_volume(truth_path(folder, subject, "desc-brain_mask"), BRAIN.astype(np.uint8), AFFINE)
        regions = np.where(radius > DISTANCE, 9, np.where(BRAIN, 3, 0)).astype(np.uint8)
        write_volume(truth_path(folder, subject, "desc-regions_dseg"), regions, AFFINE)
    return read_cohort(folder)


def write_copy_of_references(folder: Path, images: list[CohortImage], noise: float = 0.5) -> Path:
    """A method that is all but perfect: each subject's reference with a little noise."""
    references = {(i.subject, i.contrast): read_volume(i.path)[0] for i in images if i.is_reference}
    for seed, image in enumerate(images):
        reference = references[image.subject, image.contrast]
        offset = noise * np.random.default_rng(seed).standard_normal(SHAPE)
        write_volume(output_path(folder, image), np.where(BRAIN, reference + offset, 0).astype(np.float32), AFFINE)
    return folder


def make_evaluation(cohort: Path, methods: Mapping[str, Path], output: Path, /, **changes: Any) -> Evaluation:
    arguments: dict[str, Any] = {
        "cohort_dir": cohort,
        "methods": methods,
        "output_dir": output,
        "scaling": divide_by_percentile,
        "image_metrics": {
            "psnr": psnr,
            "ssim": partial(windowed_ssim, radius=2),
            "global_ssim": global_ssim,
            "correlation": correlation,
            "wasserstein": wasserstein,
        },
        "segmenter": ThresholdSegmenter(),
        "volume_methods": {"centred": centre_batches},
        "features": partial(image_features, n_quantiles=5, n_gradients=3, n_bands=4),
        "pairs": PairMeasures(TissueLabels(ThresholdSegmenter(), TISSUES), partial(windowed_ssim, radius=2)),
        "report": EvaluationReport({"psnr": "PSNR", "ssim": "SSIM"}, ["psnr", "ssim"], site_accuracy, dpi=40),
        "contrasts": ["t1w"],
    }
    chosen = arguments | changes
    compared, measures = (
        kind(**{field.name: chosen.pop(field.name) for field in fields(kind) if field.name in chosen})
        for kind in (Compared, Measures)
    )
    return Evaluation(compared, measures, **chosen)
