"""What is found while one subject is harmonized, which decides no voxel but which a reader of the image should know."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..images.resampling import NativeResult
from ..inferers.harmonization import Harmonized
from .subjects import Subject
from .targets import PreparedTarget

logger = logging.getLogger(__name__)


def findings(
    subject: Subject, result: Harmonized, arrays: Mapping[str, np.ndarray], native: NativeResult | None
) -> dict[str, Any]:
    """Choices among images, registration, and what of the image was not seen; `arrays` (X, Y, Z) by what they are."""
    found: dict[str, Any] = {"choices": list(subject.job.choices)} if subject.job.choices else {}
    if subject.aligned.found:
        found["registration"] = subject.aligned.found
    if native is not None:
        found["voxels_outside_network_box"] = int(native.outside.sum())
        found["foreground_outside_network_box"] = native.foreground_outside
    if result.visible is not None:
        found["imputed_share"] = float(arrays["imputed"].sum() / result.visible.sum())
    if result.features is not None:
        found["sources"] = result.features.of_volumes()
    return found


def compare_heads(subject: Subject, target: PreparedTarget, heads: Sequence[str]) -> dict[str, Any]:
    """Say where one image shows the head and another the brain alone, which is allowed but seldom meant.

    `heads` are the contrasts of the sources that show the head.
    """
    brains = [contrast for contrast in subject.images if contrast not in heads]
    if not brains or not heads:
        return _compare_target(subject, target, bool(heads))
    logger.warning(
        "%s: %s show%s the head and %s the brain alone; the latter add nothing outside the brain",
        subject.job.name,
        ", ".join(heads),
        "s" * (len(heads) == 1),
        ", ".join(brains),
    )
    return {"sources_without_skull": brains}


def _compare_target(subject: Subject, target: PreparedTarget, heads: bool) -> dict[str, Any]:
    """The same of the target and sources, whose codes differ then because of the head, not of the scanner."""
    if target.code.head is None or target.code.head == heads:
        return {}
    shown = {True: "the head", False: "the brain alone"}
    logger.warning(
        "%s: the target of %s shows %s and the sources %s; choose a target that shows what they show",
        subject.job.name,
        target.contrast,
        shown[target.code.head],
        shown[heads],
    )
    return {"target_without_skull": heads}
