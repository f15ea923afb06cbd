"""What one run of the harmonizer does: jobs, each one visit of one subject, its sources and its targets.

They come from the command line (`subject_job`), from a file of subjects (`jobs_file.py`), from a raw BIDS folder
(`jobs_bids.py`) or from one in which every image has a reference (`jobs_from_cohort`).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai.utils import ensure_tuple

from ..base.arguments import as_path, as_text, by_contrast
from ..base.contrasts import BIDS_SUFFIX, CONTRASTS
from ..base.errors import InputError
from ..images.bids_cohort import UNKNOWN, CohortImage, read_cohort
from .targets import NamedTargets, TargetSpec, resolve_targets

# A name holds a subject, a session and much more, and file systems take 255 bytes.
_LONGEST_LABEL = 60


@dataclass(frozen=True)
class Job:
    """One visit; `sources` and `targets` are in the order of CONTRASTS and need not have the same contrasts.

    `site` is where it was scanned and `scanner` on what, as far as that is known without a look at the sidecars of
    single images; `choices` say which of several images became a source. Where there is a `brain_mask`, its brain alone
    is harmonized.
    """

    subject: str
    session: str | None
    run: int | None
    sources: dict[str, Path]
    targets: dict[str, TargetSpec]
    site: str | None = None
    choices: tuple[str, ...] = ()
    scanner: str | None = None
    brain_mask: Path | None = None

    @property
    def name(self) -> str:
        """Subject, session and run, as file names have them."""
        run = None if self.run is None else f"run-{self.run}"
        return "_".join(part for part in (self.subject, self.session, run) if part is not None)

    def contrasts_instead(self, contrast: str) -> tuple[str, ...]:
        """The contrasts of the sources of which one that is not among them is made up."""
        return () if contrast in self.sources else tuple(self.sources)


def subject_job(
    sources: Any,
    target: Any = None,
    targets: Any = None,
    target_contrast: Any = None,
    subject: Any = None,
    session: Any = None,
    scanner: Any = None,
    *,
    named: NamedTargets,
    with_targets: bool = True,
) -> Job:
    """One subject as the command line gives it; labels that are not given come from the name of the first source."""
    paths = source_paths(by_contrast(sources, "sources"))
    stem = next(iter(paths.values())).name.split(".nii")[0]
    visit = _entity(stem, "ses-[A-Za-z0-9]+") if session is None else session
    run = _entity(stem, "run-[0-9]+")
    return Job(
        subject=_subject_of_name(stem) if subject is None else to_label(subject, "subject", "sub"),
        session=None if visit is None else to_label(visit, "session", "ses"),
        run=None if run is None else int(run.removeprefix("run-")),
        sources=paths,
        targets=resolve_targets(target, targets, target_contrast, named) if with_targets else {},
        scanner=None if scanner is None else as_text(scanner, "scanner"),
    )


def jobs_from_cohort(
    cohort_dir: Any,
    contrasts: str | Sequence[str] = CONTRASTS,
    runs: int | Sequence[int] = (1,),
    with_targets: bool = True,
    withheld: str | Sequence[str] = (),
    goals: Mapping[str, TargetSpec] | None = None,
) -> list[Job]:
    """Every visit of a BIDS cohort; targets are the `goals`, or each image's is its subject's one of the same contrast.

    Images of contrasts that are `withheld` have targets, but are no sources.
    """
    contrasts, runs, withheld = ensure_tuple(contrasts), ensure_tuple(runs), ensure_tuple(withheld)
    if not contrasts or not set(contrasts) <= set(CONTRASTS):
        raise InputError(f"`contrasts` must hold some of {list(CONTRASTS)}, got {list(contrasts)}")
    images = read_cohort(as_path(as_text(cohort_dir, "cohort_dir")), contrasts)
    known = sorted({image.run for image in images})
    if not runs or not set(runs) <= set(known):
        raise InputError(f"`runs` must hold some of the cohort's runs {known}, got {list(runs)}")
    if not set(withheld) < set(contrasts):
        raise InputError(f"`withheld` must leave some of the `contrasts` {list(contrasts)}, got {list(withheld)}")
    references = _references(images) if with_targets and not goals else {}
    sites = {(image.subject, image.session): image.site for image in images if image.site != UNKNOWN}
    jobs = []
    for (subject, session, run), visit in _visits(images).items():
        sources = {contrast: path for contrast, path in visit.items() if contrast not in withheld}
        if run in runs and sources:
            own: dict[str, TargetSpec] = {c: references[subject, c] for c in visit if references}
            jobs.append(Job(subject, session, run, sources, dict(goals or own), sites.get((subject, session))))
    return jobs


def source_paths(given: dict[str, str], folder: Path = Path()) -> dict[str, Path]:
    """Files of the sources; one file for two contrasts is a slip that would pass for a result."""
    paths = {contrast: as_path(text, folder) for contrast, text in given.items()}
    owners: dict[Path, str] = {}
    for contrast, path in paths.items():
        other = owners.setdefault(path, contrast)
        if other != contrast:
            raise InputError(f"`sources` must be different files, {other} and {contrast} are both {path}")
    return paths


def to_label(value: Any, key: str, entity: str) -> str:
    """`01` and `sub-01` alike as the BIDS entity `sub-01`."""
    text = as_text(value, key).removeprefix(f"{entity}-")
    if not re.fullmatch("[A-Za-z0-9]+", text):
        raise InputError(f"`{key}` must be letters and digits, as BIDS labels are, got `{text:.60}`")
    if len(text) > _LONGEST_LABEL:
        raise InputError(
            f"`{key}` must have at most {_LONGEST_LABEL} letters and digits, since it is in the names of files,"
            f" got {len(text)}: `{text[:20]}...`"
        )
    return f"{entity}-{text}"


def _entity(stem: str, pattern: str) -> str | None:
    match = re.search(f"(?:^|_)({pattern})(?:_|$)", stem)
    return match[1] if match else None


def _subject_of_name(stem: str) -> str:
    letters = re.sub("[^A-Za-z0-9]", "", stem)
    if not letters:
        raise InputError(f"`subject` must be given, since the file name `{stem}` has no letters or digits")
    return to_label(_entity(stem, "sub-[A-Za-z0-9]+") or letters, "subject", "sub")


def _references(images: Iterable[CohortImage]) -> dict[tuple[str, str], Path]:
    """The reference of every subject and contrast."""
    references = {(image.subject, image.contrast): image.path for image in images if image.is_reference}
    for image in images:
        if (image.subject, image.contrast) not in references:
            raise InputError(
                f"every subject needs a reference, ses-01 run-1, but {image.subject} has none in {image.contrast}"
            )
    return references


def _visits(images: Iterable[CohortImage]) -> dict[tuple[str, str, int], dict[str, Path]]:
    """The images of each subject, session and run by contrast."""
    visits: dict[tuple[str, str, int], dict[str, Path]] = {}
    for image in images:
        visit = visits.setdefault((image.subject, image.session, image.run), {})
        other = visit.setdefault(image.contrast, image.path)
        if other != image.path:
            suffix = BIDS_SUFFIX[image.contrast]
            raise InputError(f"a visit must have one {suffix} image in each run, got {other} and {image.path}")
    return visits
