"""The jobs of a run, from whichever of the three ways to name them the user chose."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..contrasts import CONTRASTS
from ..errors import InputError
from .jobs import Job, jobs_from_cohort, subject_job
from .jobs_file import jobs_from_file
from .targets import read_named_targets


def choose_jobs(
    sources: Any = None,
    cohort_file: Any = None,
    cohort_dir: Any = None,
    target: Any = None,
    targets: Any = None,
    target_contrast: Any = None,
    subject: Any = None,
    session: Any = None,
    contrasts: str | Sequence[str] = CONTRASTS,
    runs: int | Sequence[int] = (1,),
    named_targets: Path | str = "models/targets.json",
    with_targets: bool = True,
    withheld: str | Sequence[str] = (),
) -> list[Job]:
    """One subject's `sources`, the subjects of `cohort_file`, or the traveling subjects of `cohort_dir`.

    `subject` and `session` belong to the first; `contrasts`, `withheld` and `runs` to the last, where every image's
    target is its subject's first visit, and no other is to be given. Jobs that are not `with_targets` have none.
    """
    ways = {"sources": sources, "cohort_file": cohort_file, "cohort_dir": cohort_dir}
    given = [name for name, value in ways.items() if value is not None]
    if len(given) != 1:
        raise InputError(f"exactly one of {', '.join(ways)} must be given, got {' and '.join(given) or 'none'}")
    if sources is None and (subject is not None or session is not None):
        raise InputError(f"`subject` and `session` belong to `sources`, got {subject or session!r} beside {given[0]}")
    if cohort_dir is not None:
        if target is not None or targets is not None:
            raise InputError(f"with `cohort_dir` every target is a first visit, got the target {target or targets!r}")
        return jobs_from_cohort(cohort_dir, contrasts, runs, with_targets, withheld)
    if not with_targets and (target is not None or targets is not None):
        raise InputError(f"this run takes no target, got {target or targets!r}")
    named = read_named_targets(named_targets)
    wanted = (target, targets, target_contrast)
    if cohort_file is not None:
        return jobs_from_file(cohort_file, *wanted, named=named, with_targets=with_targets)
    return [subject_job(sources, *wanted, subject, session, named=named, with_targets=with_targets)]
