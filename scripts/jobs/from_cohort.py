"""Jobs from a BIDS folder of traveling people, in which every image has a reference."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai.utils import ensure_tuple

from ..base.arguments import as_path, as_text
from ..base.contrasts import BIDS_SUFFIX, CONTRASTS
from ..base.errors import InputError
from ..images.bids_cohort import UNKNOWN, CohortImage, read_cohort
from .jobs import Job
from .targets import TargetSpec
from .wanted import WantedTargets
from .ways import Way


@dataclass(frozen=True)
class TravelingPeople(Way):
    """Every visit in `cohort_dir`; an image's target is its subject's first one of the same contrast.

    Targets that the user names take the place of all those. Images of contrasts that are `withheld` have targets, but
    are no sources.
    """

    option = "cohort_dir"

    cohort_dir: Any = None
    contrasts: str | Sequence[str] = CONTRASTS
    runs: int | Sequence[int] = (1,)
    withheld: str | Sequence[str] = ()

    @property
    def is_given(self) -> bool:
        """Whether there is a folder."""
        return self.cohort_dir is not None

    def jobs(self, wanted: WantedTargets) -> list[Job]:
        """A job for every session and run of every subject."""
        goals = wanted.if_given()
        images, runs = self._images(), ensure_tuple(self.runs)
        references = _references(images) if wanted.taken and not goals else {}
        sites = {(image.subject, image.session): image.site for image in images if image.site != UNKNOWN}
        jobs = []
        for (subject, session, run), visit in _visits(images).items():
            sources = {
                contrast: path for contrast, path in visit.items() if contrast not in ensure_tuple(self.withheld)
            }
            if run in runs and sources:
                own: dict[str, TargetSpec] = {c: references[subject, c] for c in visit if references}
                jobs.append(Job(subject, session, run, sources, dict(goals or own), sites.get((subject, session))))
        return jobs

    def _images(self) -> list[CohortImage]:
        """The images of the `contrasts`, of all runs; refuse what cannot be chosen of them."""
        contrasts, runs, withheld = map(ensure_tuple, (self.contrasts, self.runs, self.withheld))
        if not contrasts or not set(contrasts) <= set(CONTRASTS):
            raise InputError(f"`contrasts` must hold some of {list(CONTRASTS)}, got {list(contrasts)}")
        images = read_cohort(as_path(as_text(self.cohort_dir, "cohort_dir")), contrasts)
        known = sorted({image.run for image in images})
        if not runs or not set(runs) <= set(known):
            raise InputError(f"`runs` must hold some of the cohort's runs {known}, got {list(runs)}")
        if not set(withheld) < set(contrasts):
            raise InputError(f"`withheld` must leave some of the `contrasts` {list(contrasts)}, got {list(withheld)}")
        return images


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
