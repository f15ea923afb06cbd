"""The visits of a user's cohort: which images to train on, and where they were acquired."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from monai.utils import ensure_tuple

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
    site_fields: str | Sequence[str] = ("InstitutionName",),
    scanner_fields: str | Sequence[str] = ("StationName",),
) -> list[Visit]:
    """The visits of a BIDS folder or of a file of subjects; `contrasts` and `runs` belong to the folder.

    Site and scanner are the first of `site_fields` and of `scanner_fields` that the JSON file beside the first image
    holds, unless the file of subjects names them. Of all subjects, those with a `participant_label` are taken.
    """
    if (cohort_dir is None) == (cohort_file is None):
        got = "neither" if cohort_dir is None else "both"
        raise InputError(f"exactly one of `cohort_dir` and `cohort_file` must be given, got {got}")
    ways = [TravelingPeople(cohort_dir, contrasts, runs), SubjectsFile(cohort_file)]
    jobs = choose_jobs(ways, WantedTargets(taken=False))
    if cohort_dir is not None:
        # What a folder's jobs say of sites is always `InstitutionName`.
        jobs = [replace(job, site=None) for job in jobs]
    fields = ensure_tuple(site_fields), ensure_tuple(scanner_fields)
    return [_visit(job, *fields) for job in select_jobs(jobs, participant_label)]


def _visit(job: Job, site_fields: Sequence[str], scanner_fields: Sequence[str]) -> Visit:
    sidecar = read_sidecar(next(iter(job.sources.values())))
    site, scanner = (
        next((str(sidecar[field]) for field in fields if sidecar.get(field)), UNKNOWN)
        for fields in (site_fields, scanner_fields)
    )
    return Visit(job.name, job.subject, job.site or site, job.scanner or scanner, job.sources)
