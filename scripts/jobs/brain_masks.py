"""Where the brain mask of each job lies."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..base.arguments import as_path, as_text
from .jobs import Job


def choose_brain_masks(jobs: Sequence[Job], brain_mask: Any) -> list[Job]:
    """Each job with the mask that `brain_mask` names, `{subject}` and `{session}` being its own, unless it has one."""
    if brain_mask is None:
        return list(jobs)
    text = as_text(brain_mask, "brain_mask")
    return [job if job.brain_mask is not None else replace(job, brain_mask=_path_for(job, text)) for job in jobs]


def brain_masks_by_image(jobs: Sequence[Job]) -> dict[Path, Path]:
    """The mask of every source that has one."""
    return {path: job.brain_mask for job in jobs if job.brain_mask is not None for path in job.sources.values()}


def _path_for(job: Job, text: str) -> Path:
    return as_path(text.replace("{subject}", job.subject).replace("{session}", job.session or ""))
