"""Runs one method over the subjects of a run; the same for every method."""

import logging
from dataclasses import replace
from importlib.metadata import version
from itertools import repeat
from typing import Any

import torch
from monai.engines import Evaluator
from monai.engines.utils import IterationEvents
from torch import nn
from torch.utils.data import DataLoader

from ..errors import InputError
from ..inferers.harmonization import HarmonizationInferer, Harmonized
from .model_weights import ModelWeights
from .output_folder import describe
from .outputs import Outputs
from .progress import Progress
from .subjects import Failure, Subject, raise_failures, to_failure
from .targets import PreparedTarget, TargetPreparation

logger = logging.getLogger(__name__)

# Their versions can change an output.
_SOFTWARE = ("monai", "torch", "numpy", "nibabel", "itk")


class Harmonizer(Evaluator):
    """Harmonizes subject by subject, an iteration each, to every target of its job.

    A subject that fails stops no other; at the end of the run, an error lists those that did. A subject of which an
    earlier run left all outputs is passed over where everything that decides them was the same. `postprocessing` takes
    a dictionary with `pred` and `uncertainty` (1, X, Y, Z), which may be None, `target_scale`, and what preprocessing
    gave.
    """

    # Of the run that is under way.
    method: dict[str, Any]
    failures: list[Failure]
    progress: Progress

    def __init__(
        self,
        device: torch.device | str,
        val_data_loader: DataLoader,
        network: nn.Module,
        inferer: HarmonizationInferer,
        targets: TargetPreparation,
        outputs: Outputs,
        weights: ModelWeights,
        bundle_version: str,
        postprocessing: Any = None,
        val_handlers: Any = None,
    ) -> None:
        missing = set(outputs.maps) - set(inferer.maps)
        if missing:
            offered = ", ".join(inferer.maps) or "none"
            raise InputError(f"`maps` must be among those this method gives, {offered}, got {sorted(missing)}")
        super().__init__(
            device=device,
            val_data_loader=val_data_loader,
            iteration_update=self._try_subject,
            postprocessing=postprocessing,
            val_handlers=val_handlers,
            decollate=False,
        )
        self.network = network
        self.postprocessing = postprocessing
        self.inferer = inferer
        self.targets = targets
        self.outputs = outputs
        self.weights = weights
        self.bundle_version = bundle_version

    # Evaluators differ from the engines of ignite here, and say so in MONAI too.
    def run(self, global_epoch: int = 1) -> None:  # type: ignore[override]
        """Load the weights, claim the output folder, harmonize; raise at the end if some subject could not be."""
        self.method = self._describe_method(self.weights.load())
        self.failures, total = [], self.state.epoch_length
        self.progress = Progress("harmonize, subjects", total)
        with self.outputs.claim():
            super().run(global_epoch)
        raise_failures(self.failures, total, "harmonized")

    def _try_subject(self, engine: Any, subject: Subject | Failure) -> list[dict[str, Any]]:
        # What handlers see of a subject that fails.
        engine.state.output = []
        failure = subject if isinstance(subject, Failure) else None
        if isinstance(subject, Subject):
            try:
                self._harmonize(engine, subject)
            except Exception as error:
                failure = to_failure(subject.job, error)
        if failure is not None:
            self.failures.append(failure)
        self.progress.step()
        return engine.state.output

    def _harmonize(self, engine: Any, subject: Subject) -> None:
        targets = [self.targets(target, contrast) for contrast, target in subject.job.targets.items()]
        records = [self.outputs.record(subject, target, self.method) for target in targets]
        if all(map(self.outputs.is_done, repeat(subject), targets, records)):
            logger.info("%s: done by an earlier run, nothing has changed", subject.job.name)
            return
        codes = [target.code for target in targets]
        results = self.inferer.harmonize(subject.data["image"], self.network, codes, subject.data["available"])
        # One entry for each target, as MONAI has one for each image of a batch.
        engine.state.batch = [subject.data for _ in targets]
        engine.state.output = [
            {"pred": result.image, "uncertainty": result.uncertainty, "target_scale": target.scale}
            for target, result in zip(targets, results, strict=True)
        ]
        engine.fire_event(IterationEvents.FORWARD_COMPLETED)
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        finished = [
            replace(result, image=output["pred"], uncertainty=output["uncertainty"])
            for result, output in zip(results, engine.state.output, strict=True)
        ]
        self._write(subject, targets, records, finished)

    def _write(
        self,
        subject: Subject,
        targets: list[PreparedTarget],
        records: list[dict[str, Any]],
        results: list[Harmonized],
    ) -> None:
        features = {
            target.contrast: result.features
            for target, result in zip(targets, results, strict=True)
            if result.features is not None
        }
        if features:
            self.outputs.write_features(subject, features)
        title = "MEANINGLESS: random weights" if self.weights.random else "brain_mri_harmonization"
        for target, record, result in zip(targets, records, results, strict=True):
            for path in self.outputs.write(subject, target, result, record, title):
                logger.info("%s: %s", subject.job.name, path)

    def _describe_method(self, weights: dict[str, Any]) -> dict[str, Any]:
        """All settings that decide an output, for its sidecar."""
        parts = {
            "network_def": self.network,
            "inferer": self.inferer,
            "preprocessing": self.targets.transform,
            "postprocessing": self.postprocessing,
        }
        versions = {package: version(package) for package in _SOFTWARE}
        return {
            **{name: describe(part) for name, part in parts.items()},
            "weights": weights,
            "software": {"brain_mri_harmonization": self.bundle_version, **versions},
            "device": self.state.device.type,
            "threads": torch.get_num_threads(),
        }
