"""Harmonizes for MONAI Label, which asks with the file of one image and wants one image back.

Its app for bundles knows no jobs: it calls `pre_transforms` with a request, `inferer` with the image that they leave
and a network that it has filled itself, and `post_transforms` with what comes of it. So the image carries its target.
A request may have

    image             the file; its grid is that of the result
    contrast          what it shows, where its name does not end in a BIDS suffix, as that of an uploaded file
    sources           files of other contrasts of the visit; by default those beside it that are named alike
    target            a name that ships with the weights, a code file or an image; by default the first of the names
    target_contrast   by default that of the image
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from monai.data import MetaTensor

from ..base.arguments import as_text, by_contrast
from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..harmonize.subjects import read_subject
from ..harmonize.targets import TargetPreparation
from ..images.grid import GRID_AFFINE
from ..images.resampling import IDENTITY, to_native_grid
from ..images.siblings import siblings
from ..inferers.harmonization import Harmonized
from ..jobs.from_sources import OneSubject
from ..jobs.targets import NamedTargets, SiteTarget
from ..jobs.wanted import WantedTargets
from ..methods.base import Method


@dataclass(frozen=True)
class ReadRequest:
    """Reads the visit that a request is about and prepares it like any other; `suffixes` map BIDS to contrasts.

    Of what a request leaves open, the app hands over all of `displayable_configs`, whose first entry counts.
    """

    targets: TargetPreparation
    named_targets: str | NamedTargets
    suffixes: Mapping[str, str | None]

    def __call__(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Add `image` (4, X, Y, Z), what preprocessing knows of it, its `subject`, and `result` for the answer."""
        self._refuse_other_weights(_chosen(request, "model_filename"))
        image = Path(as_text(request["image"], "image"))
        contrast = _contrast(request, "contrast") or self._contrast_of_name(image)
        goal = _contrast(request, "target_contrast") or contrast
        sources = self._sources(image, contrast, request.get("sources"))
        wanted = WantedTargets(_chosen(request, "target"), target_contrast=goal, named_targets=self.named_targets)
        job = OneSubject(sources).job(wanted)
        if isinstance(job.targets[goal], SiteTarget):
            raise InputError(
                "`target` must be an image, a code file or a shipped name, since one image has no site;"
                f" got {_chosen(request, 'target')}"
            )
        weights = self.targets.weights.load()
        target = self.targets.of_job(job, goal)
        subject = read_subject(job, self.targets.transform, self.targets.corrections, self.targets.align)
        native = subject.images[contrast]
        known = {
            "target": self.targets.method.for_network(target.code),
            "available": subject.data["available"],
            "original_affine": native.affine,
            "spatial_shape": native.voxels.shape,
        }
        return {
            **request,
            **subject.data,
            "image": MetaTensor(subject.data["image"], affine=torch.from_numpy(GRID_AFFINE), meta=known),
            "target_contrast": goal,
            "target_scale": target.code.scale,
            "code": target.code,
            "subject": subject,
            "reference": contrast,
            "result": {
                "sources": {name: path.name for name, path in job.sources.items()},
                "target": {"contrast": goal, **target.origin},
                "weights": weights,
            },
        }

    def _refuse_other_weights(self, file: str) -> None:
        """MONAI Label offers every file of weights, and would fill the network with none of a wrong one."""
        expected = self.targets.weights.paths[0].name
        if file != expected:
            raise InputError(f"`model_filename` must be {expected}, got {file}")

    def _contrast_of_name(self, image: Path) -> str:
        suffix = image.name.split(".nii")[0].rpartition("_")[2]
        contrast = self.suffixes.get(suffix)
        if contrast is None:
            raise InputError(
                f"image {image.name} must end in one of {', '.join(f'_{known}' for known in self.suffixes)}, or"
                f" `contrast` must say which it is, one of {', '.join(CONTRASTS)}"
            )
        return contrast

    def _sources(self, image: Path, contrast: str, others: Any) -> dict[str, str]:
        """The files by contrast; without `others`, siblings whose names differ in nothing but the suffix."""
        if others is not None:
            given = by_contrast(others, "sources")
            if contrast in given:
                raise InputError(f"`sources` must be of other contrasts than the image's, {contrast}, got {others}")
            return {**given, contrast: str(image)}
        beside = {other: str(path) for other, path in siblings(image, self.suffixes).items()}
        return {**beside, contrast: str(image)}


@dataclass(frozen=True)
class FinishRequest:
    """Does to `pred` what the `method` has still to do to what its inferer gave, for the app calls that alone."""

    method: Method

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Replace `pred` (1, X, Y, Z)."""
        (finished,) = self.method.finish([Harmonized(data["pred"])], data["subject"].data, [data["code"]])
        return {**data, "pred": finished.image}


class BringBack:
    """Brings `pred` (1, X, Y, Z) from the working grid to the grid of the image that was asked for."""

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Replace `pred` by an image (1, x, y, z)."""
        subject, reference = data["subject"], data["reference"]
        volume = data["pred"][0].float().numpy(force=True)
        to_mni = subject.aligned.to_mni.get(reference, IDENTITY)
        native = to_native_grid(volume, subject.images[reference], to_mni)
        return {**data, "pred": torch.from_numpy(native.voxels)[None]}


def _chosen(request: Mapping[str, Any], key: str) -> str:
    value = request[key]
    return str(value[0] if isinstance(value, list) else value)


def _contrast(request: Mapping[str, Any], key: str) -> str | None:
    """The contrast that was chosen; None where it is left to the image."""
    value = _chosen(request, key)
    if value not in ("auto", *CONTRASTS):
        raise InputError(f"`{key}` must be auto or one of {', '.join(CONTRASTS)}, got {value}")
    return None if value == "auto" else value
