"""Jobs of a method that has no targets: every scan goes to a middle ground, by way of the scanner it is of."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from monai.utils import ensure_tuple

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..base.json_files import read_sidecar
from .jobs import Job
from .targets import MiddleGround, TargetSpec

logger = logging.getLogger(__name__)


def to_middle_ground(jobs: Sequence[Job], contrasts: Sequence[str], scanner_fields: Sequence[str]) -> list[Job]:
    """Each job with those of its sources that have one of `contrasts`, as targets too; refuse jobs of which none has.

    With no `contrasts`, a method's scans have targets, and jobs stay as they are.
    """
    contrasts, scanner_fields = ensure_tuple(contrasts), ensure_tuple(scanner_fields)
    if not set(contrasts) <= set(CONTRASTS):
        raise InputError(f"`middle_ground` must hold some of {', '.join(CONTRASTS)}, got {list(contrasts)}")
    if not contrasts:
        return list(jobs)
    result = []
    for job in jobs:
        sources = {contrast: path for contrast, path in job.sources.items() if contrast in contrasts}
        ground: dict[str, TargetSpec] = {
            contrast: MiddleGround(scanner_of(job, path, scanner_fields)) for contrast, path in sources.items()
        }
        if sources:
            result.append(replace(job, sources=sources, targets=ground))
        else:
            logger.warning("%s is left out: it has no %s image", job.name, " or ".join(contrasts))
    if jobs and not result:
        there = sorted({contrast for job in jobs for contrast in job.sources})
        raise InputError(f"this method harmonizes {', '.join(contrasts)}, but the images are all {', '.join(there)}")
    return result


def scanner_of(job: Job, image: Path, fields: Sequence[str]) -> str | None:
    """The scanner that the job names, else the first of `fields` that the JSON file beside the image holds."""
    if job.scanner is not None:
        return job.scanner
    content = read_sidecar(image)
    return next((str(content[field]) for field in fields if content.get(field)), None)
