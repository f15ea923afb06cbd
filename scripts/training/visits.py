"""The visits of a user's cohort: which images to train on, and where they were acquired."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..base.json_files import read_sidecar
from ..jobs.choose import choose_jobs
from ..jobs.from_cohort import TravelingPeople
from ..jobs.from_file import SubjectsFile
from ..jobs.jobs import Job
from ..jobs.selection import select_jobs
from ..jobs.wanted import WantedTargets

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Visit:
    """Images of one person by contrast, acquired on one scanner at one time; `name` tells it from all others."""

    name: str
    subject: str
    site: str
    scanner: str
    sources: Mapping[str, Path]


def cohort_visits(
    cohort_dir: Any = None,
    cohort_file: Any = None,
    contrasts: str | Sequence[str] = CONTRASTS,
    runs: int | Sequence[int] = (1,),
    participant_label: Any = None,
) -> list[Visit]:
    """The visits of a BIDS folder or of a file of subjects; `contrasts` and `runs` belong to the folder.

    Site and scanner are the BIDS fields `InstitutionName` and `StationName` of the JSON file beside the first image,
    unless the file of subjects names them. Of all subjects, those with a `participant_label` are taken.
    """
    if (cohort_dir is None) == (cohort_file is None):
        got = "neither" if cohort_dir is None else "both"
        raise InputError(f"exactly one of `cohort_dir` and `cohort_file` must be given, got {got}")
    ways = [TravelingPeople(cohort_dir, contrasts, runs), SubjectsFile(cohort_file)]
    jobs = choose_jobs(ways, WantedTargets(taken=False))
    return [_visit(job) for job in select_jobs(jobs, participant_label)]


def _visit(job: Job) -> Visit:
    fields = read_sidecar(next(iter(job.sources.values())))
    site = job.site or str(fields.get("InstitutionName", UNKNOWN))
    scanner = job.scanner or str(fields.get("StationName", UNKNOWN))
    return Visit(job.name, job.subject, site, scanner, job.sources)
