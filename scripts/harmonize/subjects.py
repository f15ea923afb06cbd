"""The subjects of a run, read and prepared one by one."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset

from ..base.errors import InputError, find_cause
from ..base.steps import tell
from ..images.nifti import NativeImage
from ..images.sources import Align, Aligned, Correction, read_sources
from ..jobs.jobs import Job

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Subject:
    """One job's native `images`, and what preprocessing made of them on the working grid.

    `data` has at least `image` (4, X, Y, Z) and `available` (4,). `aligned` tells how the images came there.
    """

    job: Job
    images: dict[str, NativeImage]
    data: dict[str, Any]
    aligned: Aligned = field(default_factory=Aligned)


@dataclass(frozen=True)
class Done:
    """A job of which everything is there, its `outputs`; `earlier` if an earlier run had made them all."""

    job: Job
    outputs: list[Path]
    earlier: bool = False


@dataclass(frozen=True)
class Failure:
    """A job that could not be done, and why: its input is `refused`, or something unexpected came up."""

    job: Job
    reason: str
    refused: bool


class SubjectDataset(Dataset):
    """One `Subject` for each job; where its files cannot be used, a `Failure`, so that the others go on.

    Each native image goes through `corrections`, those of a job are brought to the working grid by `align`, and all
    together go through `transform`. Where `earlier`, which a run may set, knows outputs of a job, the job is `Done` and
    its files are not read.
    """

    def __init__(
        self,
        data: Sequence[Job],
        transform: Callable[[dict[str, Any]], dict[str, Any]],
        corrections: Sequence[Correction] = (),
        align: Align | None = None,
    ) -> None:
        self.data = data
        self.transform = transform
        self.corrections = corrections
        self.align = align
        self.earlier: Callable[[Job], list[Path]] = lambda job: []

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Subject | Done | Failure:
        job = self.data[index]
        try:
            outputs = self.earlier(job)
            if outputs:
                return Done(job, outputs, earlier=True)
            return read_subject(job, self.transform, self.corrections, self.align)
        except Exception as error:
            return to_failure(job, error)


def read_subject(
    job: Job,
    transform: Callable[[dict[str, Any]], dict[str, Any]],
    corrections: Sequence[Correction] = (),
    align: Align | None = None,
) -> Subject:
    """Read and prepare the sources of one job."""
    tell("read")
    sources = read_sources(job.sources, corrections, align, job.brain_mask)
    data = {"image": torch.from_numpy(sources.stack), "available": torch.from_numpy(sources.available)}
    return Subject(job, sources.images, transform(data), sources.aligned)


def to_failure(job: Job, error: Exception) -> Failure:
    """Input that is refused is explained by its message; anything else may be our mistake and is logged in full."""
    if find_cause(error, InputError) is None:
        logger.error("%s failed", job.name, exc_info=error)
        return Failure(job, f"{to_reason(error)}; see the log", refused=False)
    return Failure(job, to_reason(error), refused=True)


def to_reason(error: Exception) -> str:
    """The message of a refusal, or what else came up."""
    refusal = find_cause(error, InputError)
    return f"unexpected {type(error).__name__}: {error}" if refusal is None else str(refusal)


def first(batch: list[Any]) -> Any:
    """Collates a batch of one: subjects are of different sizes and cannot be stacked."""
    return batch[0]
