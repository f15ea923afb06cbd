"""What must hold of all jobs of a run together before any work is done."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..base.errors import InputError
from ..images.siblings import contrast_of_name
from .jobs import Job

logger = logging.getLogger(__name__)


def check_jobs(jobs: Sequence[Job], output_dir: Path | str, strict: bool = False) -> list[Job]:
    """The jobs, unless they would overwrite what they read; `strict` refuses what is otherwise warned of."""
    refuse_to_overwrite(jobs, output_dir)
    check_names(jobs, strict)
    return list(jobs)


def refuse_to_overwrite(jobs: Sequence[Job], output_dir: Path | str) -> None:
    """Refuse an image that lies where results go, which is in folders of subjects right below `output_dir`."""
    folder = Path(str(output_dir)).resolve()
    for job in jobs:
        for path in _images(job):
            resolved = path.resolve()
            inside = resolved.relative_to(folder).parts if resolved.is_relative_to(folder) else ()
            if inside and inside[0].startswith("sub-"):
                raise InputError(
                    f"`output_dir` must not be where the run reads from, but {path} lies where results go, in"
                    f" {folder / inside[0]}; choose another folder"
                )


def check_names(jobs: Sequence[Job], strict: bool = False) -> None:
    """Warn of each source and target image whose name speaks of another contrast; refuse them all if `strict`."""
    found = list(dict.fromkeys(line for job in jobs for line in _contradictions(job)))
    if strict and found:
        raise InputError(f"`strict` allows no image whose name speaks of another contrast: {'; '.join(found)}")
    for line in found:
        logger.warning("%s; check that it is not a slip", line)


def _images(job: Job) -> Iterator[Path]:
    """Every image that a job reads."""
    yield from job.sources.values()
    yield from (target for target in job.targets.values() if isinstance(target, Path))
    if job.brain_mask is not None:
        yield job.brain_mask


def _contradictions(job: Job) -> Iterator[str]:
    sources = [(f"source `{contrast}` of {job.name}", contrast, path) for contrast, path in job.sources.items()]
    targets = [(f"target of `{contrast}`", contrast, path) for contrast, path in job.targets.items()]
    for what, contrast, path in [*sources, *targets]:
        named = contrast_of_name(path) if isinstance(path, Path) else None
        if named is not None and named != contrast:
            yield f"{what} is {path}, whose name says {named}"
