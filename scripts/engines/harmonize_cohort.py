"""Runs one method over a cohort of preprocessed images and writes a BIDS derivatives folder."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from monai.inferers import Inferer
from monai.transforms import Compose
from monai.utils import ensure_tuple

from ..contrasts import CONTRASTS
from ..errors import InputError
from ..io.cohort import CohortImage, output_path, read_cohort
from ..io.volumes import read_volume, write_json, write_volume
from .output_folder import describe, generated_by, refuse_foreign
from .worker_pool import WorkerPool

# By these an earlier output is recognised.
MARKER = "dataset_description.json"
GENERATOR = "harmonized cohort"


class Network(Protocol):
    """What every method's `network_def` can do."""

    def encode_target(self, image: torch.Tensor, contrast: str) -> Any:
        """The code of target images (B, 1, X, Y, Z) of one contrast."""

    def __call__(self, image: torch.Tensor, target: Any) -> torch.Tensor:
        """The sources (B, 4, X, Y, Z) as the target's scanner would show them, (B, 1, X, Y, Z)."""


@dataclass(frozen=True)
class Visit:
    """The images of one run of one visit, and the reference of each."""

    images: tuple[CohortImage, ...]
    references: tuple[CohortImage, ...]

    @property
    def name(self) -> str:
        """Subject, session and run, as file names have them."""
        image = self.images[0]
        return f"{image.subject}_{image.session}_run-{image.run}"


@dataclass(frozen=True)
class CohortHarmonization:
    """Harmonizes every image to its subject's reference of the same contrast, the first visit's first run.

    A method is its `network_def`, `inferer`, `preprocessing` and `postprocessing`. Preprocessing turns the stack
    (4, X, Y, Z) of a visit's images, in which absent contrasts are zero, into a tensor; postprocessing turns a
    prediction (1, X, Y, Z) into an array. All images of a subject lie on one grid; affines are equal within
    `affine_tolerance` mm.

    Outputs of an earlier run are kept where method and files were the same. A visit that fails stops no other.
    """

    cohort_dir: str
    output_dir: str
    network_def: Network
    inferer: Inferer
    preprocessing: Compose
    postprocessing: Compose
    contrasts: Sequence[str] = CONTRASTS
    runs: Sequence[int] = (1,)
    workers: int = 1
    affine_tolerance: float = 1e-3

    def run(self) -> None:
        """Check everything, then harmonize visit by visit; raise at the end if some could not be."""
        visits = self.plan()
        with WorkerPool(self.workers) as pool:
            self._claim_output()
            failures = [failure for failure in pool.map(self.harmonize_visit, visits, "harmonize, visits") if failure]
        if failures:
            heading = f"{len(failures)} of {len(visits)} visits could not be harmonized:"
            raise InputError("\n".join([heading, *failures]))

    def plan(self) -> list[Visit]:
        """List the visits, refusing a choice that the cohort does not offer."""
        contrasts, runs = ensure_tuple(self.contrasts), ensure_tuple(self.runs)
        if not contrasts or not set(contrasts) <= set(CONTRASTS):
            raise InputError(f"`contrasts` must hold some of {list(CONTRASTS)}, got {list(contrasts)}")
        images = read_cohort(str(self.cohort_dir), contrasts)
        known = sorted({image.run for image in images})
        if not runs or not set(runs) <= set(known):
            raise InputError(f"`runs` must hold some of the cohort's runs {known}, got {list(runs)}")
        return _visits([image for image in images if image.run in runs], _references(images))

    def harmonize_visit(self, visit: Visit) -> str | None:
        """Write what is not there yet; return what went wrong, if anything did."""
        try:
            paths = [output_path(Path(str(self.output_dir)), image) for image in visit.images]
            records = [self._record(visit, reference) for reference in visit.references]
            due = [index for index, path in enumerate(paths) if not _is_done(path, records[index])]
            if due:
                sources, targets, affine = self._read(visit)
            for index in due:
                harmonized = self._harmonize(sources, targets, visit.images[index].contrast)
                # Without its sidecar an image counts as absent, should this run end between the two.
                _sidecar(paths[index]).unlink(missing_ok=True)
                write_volume(paths[index], harmonized, affine)
                write_json(_sidecar(paths[index]), records[index])
        except InputError as error:
            return f"{visit.name}: {error}"
        return None

    @torch.inference_mode()
    def _harmonize(self, sources: torch.Tensor, targets: torch.Tensor, contrast: str) -> np.ndarray:
        code = self.network_def.encode_target(targets[None, CONTRASTS.index(contrast), None], contrast)
        prediction = self.inferer(sources[None], self.network_def, target=code)
        return self.postprocessing(prediction[0])[0].astype(np.float32, copy=False)

    def _read(self, visit: Visit) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
        """Preprocessed sources and targets, each (4, X, Y, Z), and their affine."""
        volumes = {image: read_volume(image.path) for image in {*visit.images, *visit.references}}
        first, affine = volumes[visit.images[0]]
        for image, (voxels, own_affine) in volumes.items():
            if voxels.shape != first.shape or not np.allclose(own_affine, affine, rtol=0, atol=self.affine_tolerance):
                other = visit.images[0].path
                raise InputError(f"images of a subject must share shape and affine, {image.path} and {other} do not")
        stacks = np.zeros((2, len(CONTRASTS), *first.shape), np.float32)
        for stack, images in zip(stacks, (visit.images, visit.references), strict=True):
            for image in images:
                stack[CONTRASTS.index(image.contrast)] = volumes[image][0]
        return self.preprocessing(stacks[0]), self.preprocessing(stacks[1]), affine

    def _record(self, visit: Visit, reference: CohortImage) -> dict[str, Any]:
        """An output's sidecar: all that it depends on."""
        return {
            "Method": {
                "network_def": repr(self.network_def),
                "inferer": describe(self.inferer),
                "preprocessing": describe(self.preprocessing.transforms),
                "postprocessing": describe(self.postprocessing.transforms),
            },
            "Sources": self._hashes(visit.images),
            "Target": self._hashes([reference]),
        }

    def _hashes(self, images: Iterable[CohortImage]) -> dict[str, str]:
        root = Path(str(self.cohort_dir))
        return {
            image.path.relative_to(root).as_posix(): hashlib.sha256(image.path.read_bytes()).hexdigest()
            for image in images
        }

    def _claim_output(self) -> None:
        output = Path(str(self.output_dir))
        refuse_foreign(output, MARKER, GENERATOR)
        content = {
            "Name": "Harmonized images",
            "BIDSVersion": "1.9.0",
            "DatasetType": "derivative",
            "GeneratedBy": generated_by(GENERATOR),
        }
        try:
            write_json(output / MARKER, content)
        except OSError as error:
            raise InputError(f"`output_dir` must be a folder that can be written, {output} is not: {error}") from error


def _references(images: Iterable[CohortImage]) -> dict[tuple[str, str], CohortImage]:
    """The reference of every subject and contrast."""
    references = {(image.subject, image.contrast): image for image in images if image.is_reference}
    for image in images:
        if (image.subject, image.contrast) not in references:
            raise InputError(
                f"every subject needs a reference, ses-01 run-1, but {image.subject} has none in {image.contrast}"
            )
    return references


def _visits(images: Iterable[CohortImage], references: dict[tuple[str, str], CohortImage]) -> list[Visit]:
    groups: dict[tuple[str, str, int], list[CohortImage]] = {}
    for image in images:
        groups.setdefault((image.subject, image.session, image.run), []).append(image)
    return [
        Visit(tuple(group), tuple(references[image.subject, image.contrast] for image in group))
        for group in groups.values()
    ]


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".nii.gz") + ".json")


def _is_done(path: Path, record: dict[str, Any]) -> bool:
    sidecar = _sidecar(path)
    return path.is_file() and sidecar.is_file() and json.loads(sidecar.read_text()) == record
