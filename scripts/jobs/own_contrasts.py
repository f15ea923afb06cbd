"""Jobs of a run that makes no contrast up: a subject is harmonized in those that it has."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from .jobs import Job

logger = logging.getLogger(__name__)

# How many jobs the log names that lack a contrast.
_NAMED = 3


def choose_own_contrasts(jobs: Sequence[Job], impute: bool) -> list[Job]:
    """Each job without the targets of contrasts that it lacks, unless these are to be imputed.

    A job that lacks the contrasts of all its targets is left out; refuse it if that leaves none.
    """
    if impute:
        return list(jobs)
    own = [replace(job, targets={c: t for c, t in job.targets.items() if c in job.sources}) for job in jobs]
    result = [kept for kept, job in zip(own, jobs, strict=True) if kept.targets or not job.targets]
    if jobs and not result:
        wanted, there = (sorted({c for job in jobs for c in getattr(job, side)}) for side in ("targets", "sources"))
        raise InputError(
            f"no image has the contrast of a target, and none may be imputed (`impute_contrasts` is false, or the"
            f" method cannot); targets are {', '.join(wanted)}, images are {', '.join(there)}"
        )
    for contrast in CONTRASTS:
        lacking = [job.name for job in jobs if contrast in job.targets and contrast not in job.sources]
        if lacking:
            more = f" and {len(lacking) - _NAMED} more" if lacking[_NAMED:] else ""
            logger.warning(
                "not harmonized in %s, because they have no such image: %s%s",
                contrast,
                ", ".join(lacking[:_NAMED]),
                more,
            )
    return result
