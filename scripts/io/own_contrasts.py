"""Jobs of a run that makes no contrast up: a subject is harmonized in those that it has."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from ..errors import InputError
from .jobs import Job

logger = logging.getLogger(__name__)


def choose_own_contrasts(jobs: Sequence[Job], impute: bool) -> list[Job]:
    """Each job without the targets of contrasts that it lacks, unless these are to be imputed.

    A job that lacks the contrasts of all its targets is left out; refuse it if that leaves none.
    """
    if impute:
        return list(jobs)
    result = []
    for job in jobs:
        own = {contrast: target for contrast, target in job.targets.items() if contrast in job.sources}
        lacking = [contrast for contrast in job.targets if contrast not in own]
        if lacking and own:
            logger.warning("%s is not harmonized in %s, which it lacks", job.name, " and ".join(lacking))
        elif lacking:
            logger.warning("%s is left out: it has no %s image", job.name, " or ".join(lacking))
            continue
        result.append(replace(job, targets=own))
    if jobs and not result:
        wanted, there = (sorted({c for job in jobs for c in getattr(job, side)}) for side in ("targets", "sources"))
        raise InputError(
            f"some image must have the contrast of a target where `impute_contrasts` is false, as by classical methods;"
            f" targets are {', '.join(wanted)}, images are all {', '.join(there)}"
        )
    return result
