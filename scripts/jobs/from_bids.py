"""Jobs from a raw BIDS folder, one for each visit, a session of a subject.

Which image is which contrast says a table by suffix, in which `ce_T1w` stands for a T1w image after a contrast agent,
another contrast than T1w. Where a visit has several images for one contrast, one of them is chosen, by these rules one
after the other: the suffix that stands first in the table, the run that stands first in `runs`, else the lowest, the
fewest entities in the name, the first name in the alphabet.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monai.utils import ensure_tuple

from ..base.arguments import as_path, as_text
from ..base.contrasts import CONTRAST_OF_SUFFIX, CONTRASTS
from ..base.errors import InputError
from ..images.bids import BidsImage, read_bids, read_participants
from .jobs import Job
from .wanted import WantedTargets
from .ways import Way

logger = logging.getLogger(__name__)

# The prefix of a suffix after a contrast agent: BIDS's entity for it, and its sidecar's field.
_AGENT, _AGENT_FIELD = "ce", "ContrastBolusIngredient"
# Parts of a complex image that are no magnitude; they stand before the suffix in the same way.
_OTHER_PARTS = ("phase", "real", "imag")
_SITE_COLUMN = "site"


@dataclass(frozen=True)
class BidsFolder(Way):
    """Every visit in the raw `bids_dir` that has a usable image; `runs` say which runs are preferred.

    A visit's site is what participants.tsv says under `site`, else the first of the sidecars' `site_fields` that there
    is; its scanner is the first of their `scanner_fields`. Suffixes whose contrast is None are not used.
    """

    option = "bids_dir"

    bids_dir: Any = None
    suffixes: Mapping[str, str | None] = field(default_factory=lambda: dict(CONTRAST_OF_SUFFIX))
    runs: int | Sequence[int] = (1,)
    site_fields: str | Sequence[str] = ("InstitutionName",)
    scanner_fields: str | Sequence[str] = ("StationName",)

    @property
    def is_given(self) -> bool:
        """Whether there is a folder."""
        return self.bids_dir is not None

    def jobs(self, wanted: WantedTargets) -> list[Job]:
        """A job for every visit, all with the same targets."""
        targets = wanted.for_all()
        contrast_of = {kind: contrast for kind, contrast in self.suffixes.items() if contrast is not None}
        if not contrast_of or not set(contrast_of.values()) <= set(CONTRASTS):
            raise InputError(f"`suffixes` must give suffixes one of {list(CONTRASTS)}, got {dict(self.suffixes)}")
        folder = as_path(as_text(self.bids_dir, "bids_dir"))
        if not folder.is_dir():
            raise InputError(f"`bids_dir` must be a BIDS folder, but {folder} is not a folder")
        sites, jobs = read_participants(folder, _SITE_COLUMN), []
        for (subject, session), found in _visits(folder, contrast_of).items():
            ranked = sorted(found, key=lambda image: _rank(image, [*contrast_of], ensure_tuple(self.runs)))
            sources, choices = _choose(ranked, contrast_of)
            site = sites.get(subject) or _first(ranked, ensure_tuple(self.site_fields))
            scanner = _first(ranked, ensure_tuple(self.scanner_fields))
            jobs.append(Job(subject, session, None, sources, dict(targets), site, choices, scanner))
            for choice in choices:
                logger.info("%s: %s", jobs[-1].name, choice)
        return jobs


def _visits(folder: Path, contrast_of: Mapping[str, str]) -> dict[tuple[str, str | None], list[BidsImage]]:
    """The usable images of each subject and session."""
    images = read_bids(folder)
    visits: dict[tuple[str, str | None], list[BidsImage]] = {}
    for image in images:
        if _kind(image) in contrast_of:
            visits.setdefault((image.subject, image.session), []).append(image)
    _tell(folder, images, visits, contrast_of)
    return visits


def _kind(image: BidsImage) -> str:
    """What the table calls an image."""
    has_agent = _AGENT in image.entities or (image.sidecar or {}).get(_AGENT_FIELD)
    part = image.entities.get("part")
    marks = [_AGENT] if has_agent else [part] if part in _OTHER_PARTS else []
    return "_".join([*marks, image.suffix])


def _first(images: Sequence[BidsImage], fields: Sequence[str]) -> str | None:
    """What the first image says that says something."""
    return next((value for image in images if (value := image.first_of(fields)) is not None), None)


def _rank(image: BidsImage, kinds: Sequence[str], runs: Sequence[int]) -> tuple[int, int, int, str]:
    preference = runs.index(image.run) if image.run in runs else len(runs) + image.run
    return kinds.index(_kind(image)), preference, len(image.entities), image.path.name


def _choose(ranked: Sequence[BidsImage], contrast_of: Mapping[str, str]) -> tuple[dict[str, Path], tuple[str, ...]]:
    """The first image of each contrast, and what was chosen where there are more."""
    sources, choices = {}, []
    for contrast in CONTRASTS:
        paths = [image.path for image in ranked if contrast_of[_kind(image)] == contrast]
        if paths:
            sources[contrast] = paths[0]
        if paths[1:]:
            others = ", ".join(path.name for path in paths[1:])
            choices.append(f"{contrast} is {paths[0].name}, not {others}")
    return sources, tuple(choices)


def _tell(
    folder: Path, images: Sequence[BidsImage], visits: Mapping[tuple[str, str | None], Any], contrast_of: Mapping
) -> None:
    """Say what is used and what is not; refuse a folder of which nothing is."""
    unused = Counter(_kind(image) for image in images if _kind(image) not in contrast_of)
    rest = ", ".join(f"{count} {kind}" for kind, count in sorted(unused.items())) or "none"
    if not visits:
        raise InputError(
            f"`bids_dir` must hold images sub-*/[ses-*/]anat/*_<suffix>.nii[.gz] of a suffix {', '.join(contrast_of)},"
            f" found none in {folder}; of others: {rest}"
        )
    subjects = {subject for subject, _ in visits}
    logger.info("%s: %d visits of %d subjects; images not used: %s", folder, len(visits), len(subjects), rest)
    left_out = sorted({path.name for path in folder.glob("sub-*") if path.is_dir()} - subjects)
    if left_out:
        logger.warning("%s: no usable image of %s", folder, ", ".join(left_out))
    bare = sum(image.sidecar is None for image in images if _kind(image) in contrast_of)
    if bare:
        logger.info("%s: %d images have no sidecar, so that scanner and contrast agent are unknown", folder, bare)
