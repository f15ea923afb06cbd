"""Writes a simulated cohort: a BIDS raw dataset with its truth under `derivatives/truth`.

Everything random follows from seeds in the plan, so neither the number of workers nor the order of the work changes a
byte.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..base.errors import InputError
from ..base.output_folder import generated_by, whole_folder
from ..base.text_files import write_json
from ..base.worker_pool import WorkerPool
from ..images.bids_cohort import clean_truth_path, truth_path
from ..images.grid import GRID_AFFINE
from ..images.volumes import write_volume
from ..preprocessing.bias_correction import BiasCorrection
from .bids import image_path, sidecar, write_dataset_files
from .cohort import Cohort, SubjectPlan, VisitPlan, draw_cohort
from .phantom import Phantom, PhantomParts
from .scanner import RANGES_FILE, Scanner, load_ranges

# By this an earlier output is recognised.
GENERATOR = "simulated cohort"


@dataclass(frozen=True)
class VisitTask:
    """One visit to be simulated, and the subject's truth with the first.

    `wanted` is the scanner of the subject's first visit.
    """

    folder: Path
    subject: SubjectPlan
    visit: VisitPlan
    scanner: Scanner
    wanted: Scanner

    @property
    def with_truth(self) -> bool:
        """Whether this is the subject's first visit."""
        return self.visit == self.subject.visits[0]


@dataclass(frozen=True)
class Simulator:
    """Draws the cohort `cohort` of `designs` and writes it to `output_dir`; see `configs/simulate.json`.

    With a `bias_correction` images are as a study would have them that corrects first of all, the reference's too. With
    `clean_truth` there is, of each later visit, also what harmonization to the first scanner should make of it.
    """

    cohort: str
    output_dir: str
    designs: Mapping[str, Mapping[str, Any]]
    seed: int = 1
    scanner_seed: int = 1
    subjects: int | None = None
    protocols: str = str(RANGES_FILE)
    phantom: PhantomParts = Phantom()
    workers: int = 1
    threads_per_worker: int = 1
    write_warp: bool = False
    clean_truth: bool = False
    intensity_percentile: float = 99.9
    intensity_level: float = 3000.0
    bias_correction: BiasCorrection | None = None

    def run(self) -> Path:
        """Check everything, simulate, and return the finished folder."""
        cohort, output = self.draw(), Path(str(self.output_dir))
        # The pool is left before the folder, so that no worker writes into a folder that has been removed or renamed.
        with whole_folder(output, "dataset_description.json", GENERATOR) as folder, WorkerPool(self.workers) as pool:
            write_dataset_files(folder, cohort, self.designs[cohort.name], generated_by(GENERATOR))
            tasks = [
                VisitTask(
                    folder,
                    subject,
                    visit,
                    cohort.scanners[visit.scanner],
                    cohort.scanners[subject.visits[0].scanner],
                )
                for subject in cohort.subjects
                for visit in subject.visits
            ]
            pool.map(self.simulate_visit, tasks, label=f"simulate {cohort.name}, visits")
        return output

    def draw(self) -> Cohort:
        """Draw the plan, refusing what cannot be simulated."""
        for key, least in (("seed", 0), ("scanner_seed", 0), ("workers", 1), ("threads_per_worker", 1)):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f"`{key}` must be a whole number of at least {least}, got {value}")
        ranges = load_ranges(self.protocols)
        return draw_cohort(str(self.cohort), self.designs, ranges, self.seed, self.scanner_seed, self.subjects)

    def simulate_visit(self, task: VisitTask) -> None:
        """Write the images of one visit, and the truth where the task says so."""
        plan, visit = task.subject, task.visit
        with _torch_threads(self.threads_per_worker):
            parameters = self.phantom.draw_subject(plan.seed, plan.age + plan.brain_years, plan.lesion_load, plan.head)
            subject = _render(self.phantom, parameters)
            if task.with_truth:
                self._write_truth(task, parameters, subject)
            for run in range(1, visit.runs + 1):
                for contrast in visit.contrasts:
                    image = self.phantom.acquire(subject, task.scanner, contrast, visit.run_seed(run))
                    self._write_image(task, run, contrast, image)
            if self.clean_truth and not task.with_truth:
                for contrast in visit.contrasts:
                    self._write_clean(task, contrast, subject)

    def _write_image(self, task: VisitTask, run: int, contrast: str, image: np.ndarray) -> None:
        path = image_path(task.folder, task.subject.name, task.visit.session, run, contrast)
        if self.bias_correction is not None:
            image = self.bias_correction.correct(image, GRID_AFFINE)
        write_volume(path, self._to_scanner_units(image, task.scanner.protocols[contrast].gain))
        name = path.name.removesuffix(".nii.gz")
        write_json(path.with_name(f"{name}.json"), self._sidecar(task, contrast))

    def _write_clean(self, task: VisitTask, contrast: str, subject: Any) -> None:
        image = self.phantom.acquire_clean(subject, task.scanner, task.wanted, contrast, task.visit.run_seed(1))
        path = clean_truth_path(task.folder, task.subject.name, task.visit.session, contrast)
        write_volume(path, self._to_scanner_units(image, task.wanted.protocols[contrast].gain))

    def _sidecar(self, task: VisitTask, contrast: str) -> dict[str, Any]:
        corrected = {} if self.bias_correction is None else {"BiasCorrection": "N4"}
        return {**sidecar(task.scanner, contrast, not task.subject.head), **corrected}

    def _write_truth(self, task: VisitTask, parameters: Any, subject: Any) -> None:
        name = task.subject.name
        volumes = {
            "desc-tissue_dseg": subject.tissues,
            "desc-regions_dseg": subject.regions,
            "desc-brain_mask": subject.brain,
            "label-lesion_mask": subject.lesions,
        }
        if self.write_warp:
            # (X, Y, Z, 3): NIfTI keeps space in its first three dimensions.
            volumes["from-MNI152_to-subject_mode-image_xfm"] = np.moveaxis(subject.warp, 0, -1)
        for what, volume in volumes.items():
            write_volume(truth_path(task.folder, name, what), volume)
        write_json(truth_path(task.folder, name, "").with_name(f"{name}_parameters.json"), parameters.to_json())

    def _to_scanner_units(self, image: np.ndarray, gain: float) -> np.ndarray:
        """Scale so that the percentile of the non-zero voxels becomes `gain` times the level; as int16."""
        peak = np.percentile(image[image > 0], self.intensity_percentile)
        scaled = np.rint(image * (gain * self.intensity_level / peak))
        return np.clip(scaled, 0, np.iinfo(np.int16).max).astype(np.int16)


# A worker meets a subject's visits one after the other, so the last subject is worth keeping.
@lru_cache(maxsize=1)
def _render(phantom: PhantomParts, parameters: Any) -> Any:
    return phantom.render_subject(parameters)


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
