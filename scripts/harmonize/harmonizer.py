"""Runs one method over the subjects of a run; the same for every method."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import torch
from monai.engines import Evaluator
from monai.engines.utils import IterationEvents
from torch.utils.data import DataLoader

from ..base.errors import InputError
from ..base.output_folder import describe
from ..base.ranks import gather, own_rank
from ..base.steps import show_steps, tell
from ..base.written_behind import WrittenBehind
from ..inferers.harmonization import Harmonized
from ..jobs.brain_masks import brain_masks_by_image
from ..jobs.jobs import Job
from .outputs import Outputs
from .results import Results, is_disk_full
from .site_targets import SiteTargets
from .subjects import Done, Failure, Subject, to_failure
from .targets import PreparedTarget, TargetPreparation

# Their versions can change an output.
_SOFTWARE = ("monai", "torch", "numpy", "nibabel", "itk")


class Report(Protocol):
    """What is written of each subject beside its images, and of all at the end."""

    def is_done(self, job: Job, outputs: Sequence[Path]) -> bool:
        """Whether an earlier run left the report of these outputs."""

    def read_codes(self, subject: Subject, targets: Sequence[PreparedTarget], results: Sequence[Harmonized]) -> Any:
        """What of the report takes the network."""

    def write(
        self,
        subject: Subject,
        targets: Sequence[PreparedTarget],
        results: Sequence[Harmonized],
        codes: Any,
        outputs: Sequence[Path],
    ) -> Path:
        """Write the report of one job, whose outputs lie on disk with their sidecars."""

    def finish(self) -> None:
        """Write what is about all subjects."""


class Harmonizer(Evaluator):
    """Harmonizes subject by subject, an iteration each, to every target of its job.

    A subject that fails stops no other, unless the disk is full; at the end of the run, an error lists those that did.
    A subject of which an earlier run left all outputs is passed over where everything that decides them was the same.
    While one subject is computed, the next one is read and the one before written. `postprocessing` takes a dict with
    `pred` and `uncertainty` (1, X, Y, Z), which may be None, `target_contrast`, `target_scale`, and what preprocessing
    gave.
    """

    # Of the run that is under way.
    settings: dict[str, Any]
    results: Results
    write_soon: WrittenBehind

    def __init__(
        self,
        device: torch.device | str,
        val_data_loader: DataLoader,
        targets: TargetPreparation,
        outputs: Outputs,
        sites: SiteTargets | None = None,
        postprocessing: Any = None,
        report: Report | None = None,
        val_handlers: Any = None,
    ) -> None:
        missing = set(outputs.maps) - set(targets.method.inferer.maps)
        if missing:
            offered = ", ".join(targets.method.inferer.maps) or "none"
            raise InputError(f"`maps` must be among those this method gives, {offered}, got {sorted(missing)}")
        super().__init__(
            device=device,
            val_data_loader=val_data_loader,
            iteration_update=self._try_subject,
            postprocessing=postprocessing,
            val_handlers=val_handlers,
            decollate=False,
        )
        self.postprocessing = postprocessing
        self.targets = targets
        self.method = targets.method
        self.weights = targets.weights
        self.outputs = outputs
        self.sites = sites
        self.report = report

    # Evaluators differ from the engines of ignite here, and say so in MONAI too.
    def run(self, global_epoch: int = 1) -> None:  # type: ignore[override]
        """Load the weights, claim the output folder, harmonize; raise at the end if some subject could not be."""
        self.settings = self._describe_method(self.weights.load())
        # A SubjectDataset, which the data loader does not know.
        dataset: Any = self.data_loader.dataset  # type: ignore[union-attr]
        cohort = dataset.data if self.sites is None else self.sites.cohort
        self.targets.brain_masks = brain_masks_by_image(cohort)
        with self.outputs.claim():
            self.targets.check(dataset.data)
            if self.sites is not None:
                dataset.data = self.sites.resolve(dataset.data)
            dataset.earlier = self._left_by_earlier_run
            self.results = Results(dataset.data, Path(self.outputs.folder), "harmonize")
            with show_steps(len(dataset) == 1), WrittenBehind() as self.write_soon:
                # The share of one process may be empty.
                if len(dataset):
                    super().run(global_epoch)
            self._finish_report()
            self.results.raise_failures()

    def _finish_report(self) -> None:
        """The page of the cohort is written once, when all subjects have theirs."""
        if self.report is not None:
            gather(None)
            if own_rank()[0] == 0:
                self.report.finish()

    def _left_by_earlier_run(self, job: Job) -> list[Path]:
        outputs = self.outputs.left_by_earlier_run(job, self.settings, partial(self._origin, job))
        if outputs and self.report is not None and not self.report.is_done(job, outputs):
            return []
        return outputs

    def _origin(self, job: Job, contrast: str) -> dict[str, Any]:
        return self.targets.origin(job.targets[contrast], job.contrasts_instead(contrast))

    def _try_subject(self, engine: Any, item: Subject | Done | Failure) -> list[dict[str, Any]]:
        # What handlers see of a subject that is not computed.
        engine.state.output = []
        if not isinstance(item, Subject):
            self.write_soon(self.results.add, item)
            return engine.state.output
        try:
            write = self._harmonize(engine, item)
        except Exception as error:
            self.write_soon(self.results.add, to_failure(item.job, error))
        else:
            self.write_soon(self._finish, item.job, write)
        return engine.state.output

    def _finish(self, job: Job, write: Callable[[], list[Path]]) -> None:
        """Write what was computed; runs in a thread of its own."""
        tell("write")
        result: Done | Failure
        try:
            result = Done(job, write())
        except Exception as error:
            result = to_failure(job, error)
            if is_disk_full(error):
                self.terminate()
        self.results.add(result)

    def _harmonize(self, engine: Any, subject: Subject) -> Callable[[], list[Path]]:
        """Compute all targets; return what is to be called to write them, which says where."""
        targets = [self.targets.of_job(subject.job, contrast) for contrast in subject.job.targets]
        records = [self.outputs.record(subject, target, self.settings) for target in targets]
        results = self.method.harmonize(subject.data, [target.code for target in targets])
        # One entry for each target, as MONAI has one for each image of a batch.
        engine.state.batch = [subject.data for _ in targets]
        engine.state.output = [
            {
                "pred": result.image,
                "uncertainty": result.uncertainty,
                "target_contrast": target.contrast,
                "target_scale": target.code.scale,
            }
            for target, result in zip(targets, results, strict=True)
        ]
        engine.fire_event(IterationEvents.FORWARD_COMPLETED)
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        finished = [
            replace(result, image=output["pred"], uncertainty=output["uncertainty"])
            for result, output in zip(results, engine.state.output, strict=True)
        ]
        write = partial(self._write, subject, targets, records, finished)
        if self.report is None:
            return write
        read = self.report.read_codes(subject, targets, finished)
        return partial(self._write_with_report, write, partial(self.report.write, subject, targets, finished, read))

    @staticmethod
    def _write_with_report(write: Callable[[], list[Path]], report: Callable[[list[Path]], Path]) -> list[Path]:
        outputs = write()
        report(outputs)
        return outputs

    def _write(
        self,
        subject: Subject,
        targets: list[PreparedTarget],
        records: list[dict[str, Any]],
        results: list[Harmonized],
    ) -> list[Path]:
        features = {
            target.contrast: result.features
            for target, result in zip(targets, results, strict=True)
            if result.features is not None
        }
        if features:
            self.outputs.write_features(subject, *self.method.features_table(features))
        title = "MEANINGLESS: random weights" if self.weights.random else "brain_mri_harmonization"
        return [
            path
            for target, record, result in zip(targets, records, results, strict=True)
            for path in self.outputs.write(subject, target, result, record, title)
        ]

    def _describe_method(self, weights: dict[str, Any]) -> dict[str, Any]:
        """All settings that decide an output, for its sidecar."""
        parts = {
            **self.method.describe(),
            "corrections": self.targets.corrections,
            "alignment": self.targets.align,
            "preprocessing": self.targets.transform,
            "postprocessing": self.postprocessing,
        }
        versions = {package: version(package) for package in _SOFTWARE}
        return {
            **{name: describe(part) for name, part in parts.items()},
            "weights": weights,
            "software": {"brain_mri_harmonization": self.outputs.bundle_version, **versions},
            "device": self.state.device.type,
            "threads": torch.get_num_threads(),
        }
