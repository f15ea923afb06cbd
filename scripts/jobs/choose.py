"""The jobs of a run, from whichever of the four ways to name them the user chose."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.utils import ensure_tuple

from ..base.contrasts import CONTRAST_OF_SUFFIX, CONTRASTS
from ..base.errors import InputError
from .from_bids import jobs_from_bids
from .from_file import jobs_from_file
from .jobs import Job, jobs_from_cohort, subject_job
from .targets import NamedTargets, read_named_targets, resolve_targets


def choose_jobs(
    sources: Any = None,
    cohort_file: Any = None,
    cohort_dir: Any = None,
    bids_dir: Any = None,
    target: Any = None,
    targets: Any = None,
    target_contrast: Any = None,
    subject: Any = None,
    session: Any = None,
    contrasts: str | Sequence[str] = CONTRASTS,
    runs: int | Sequence[int] = (1,),
    suffixes: Mapping[str, str | None] = CONTRAST_OF_SUFFIX,
    site_fields: Sequence[str] = ("InstitutionName",),
    named_targets: Path | str | NamedTargets = "models/targets.json",
    with_targets: bool = True,
    withheld: str | Sequence[str] = (),
    scanner: Any = None,
    scanner_fields: Sequence[str] = ("StationName",),
) -> list[Job]:
    """One subject's `sources`, the subjects of `cohort_file` or of the raw `bids_dir`, or traveling ones, `cohort_dir`.

    `subject`, `session` and `scanner` belong to the first; `suffixes`, `site_fields` and `scanner_fields` to
    `bids_dir`; `contrasts`, `withheld` and `runs` to `cohort_dir`, where every image's target is its subject's first
    visit unless one is given for all. In `bids_dir`, `runs` say which is preferred. Jobs that are not `with_targets`
    have none.
    """
    ways = {"sources": sources, "cohort_file": cohort_file, "cohort_dir": cohort_dir, "bids_dir": bids_dir}
    _refuse_what_does_not_belong(_only_way(ways), subject, session, scanner)
    if not with_targets and (target is not None or targets is not None):
        raise InputError(f"this run takes no target, got {target or targets!r}")
    named = read_named_targets(named_targets)
    wanted = (target, targets, target_contrast)
    if cohort_dir is not None:
        given = target is not None or targets is not None
        goals = resolve_targets(*wanted, named) if given else None
        return jobs_from_cohort(cohort_dir, contrasts, runs, with_targets, withheld, goals)
    if bids_dir is not None:
        goals = resolve_targets(*wanted, named) if with_targets else {}
        fields = (ensure_tuple(site_fields), goals, ensure_tuple(scanner_fields))
        return jobs_from_bids(bids_dir, suffixes, ensure_tuple(runs), *fields)
    if cohort_file is not None:
        return jobs_from_file(cohort_file, *wanted, named=named, with_targets=with_targets)
    return [subject_job(sources, *wanted, subject, session, scanner, named=named, with_targets=with_targets)]


def _only_way(ways: Mapping[str, Any]) -> str:
    """The name of the one that is given."""
    given = [name for name, value in ways.items() if value is not None]
    if len(given) != 1:
        raise InputError(f"exactly one of {', '.join(ways)} must be given, got {' and '.join(given) or 'none'}")
    return given[0]


def _refuse_what_does_not_belong(way: str, subject: Any, session: Any, scanner: Any) -> None:
    """What one subject's sources alone leave open, tables and folders tell."""
    if way == "sources":
        return
    if subject is not None or session is not None:
        raise InputError(f"`subject` and `session` belong to `sources`, got {subject or session!r} beside {way}")
    if scanner is not None:
        raise InputError(
            f"`scanner` belongs to `sources`, got {scanner!r} beside {way}; there a column or sidecars tell"
        )
