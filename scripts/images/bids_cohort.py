"""A cohort on disk: a BIDS folder read into a flat list of images.

    <cohort>/sub-01/ses-02/anat/sub-01_ses-02_run-1_T1w.nii.gz   and a JSON sidecar beside it

A session is one visit to one scanner; runs are the scan and its rescan in one visit. The sidecar's BIDS fields
`InstitutionName` and `StationName` name site and scanner. The first session (run 1) of a subject is its reference.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..base.contrasts import BIDS_SUFFIX, CONTRAST_OF_SUFFIX, CONTRASTS
from ..base.errors import InputError
from .bids import BidsImage, read_bids

UNKNOWN = "unknown"
"""The site or scanner of an image whose sidecar does not name it."""
_ENTITIES = {"sub", "ses", "run"}


@dataclass(frozen=True)
class CohortImage:
    """One image of one contrast; `run` is 1 where the name has no run entity."""

    subject: str
    session: str
    run: int
    contrast: str
    path: Path
    site: str
    scanner: str

    @property
    def is_reference(self) -> bool:
        """Whether this is the subject's first visit, first run: what the others are harmonized to."""
        return self.session == "ses-01" and self.run == 1


def output_path(folder: Path, image: CohortImage) -> Path:
    """Where a method's folder keeps its version of `image`, BIDS derivatives style."""
    name = f"{image.subject}_{image.session}_run-{image.run}_desc-harmonized_{BIDS_SUFFIX[image.contrast]}.nii.gz"
    return Path(folder) / image.subject / image.session / "anat" / name


def truth_path(cohort: Path, subject: str, what: str) -> Path:
    """Known truth of a phantom subject, `what` being for instance `desc-brain_mask` or `desc-regions_dseg`."""
    return Path(cohort) / "derivatives" / "truth" / subject / "anat" / f"{subject}_{what}.nii.gz"


def clean_truth_path(cohort: Path, subject: str, session: str, contrast: str) -> Path:
    """What harmonization to the subject's first scanner should make of a later visit, without noise and gain field."""
    name = f"{subject}_{session}_desc-clean_{BIDS_SUFFIX[contrast]}.nii.gz"
    return Path(cohort) / "derivatives" / "truth" / subject / session / "anat" / name


def read_cohort(folder: Path | str, contrasts: Iterable[str] = CONTRASTS) -> list[CohortImage]:
    """List the images of `contrasts` in subject, session, run and contrast order; refuse a folder that has none."""
    folder, wanted = Path(folder), set(contrasts)
    if not folder.is_dir():
        raise InputError(f"cohort_dir must be a BIDS folder, but {folder} is not a folder")
    images = [image for found in read_bids(folder) if (image := _to_cohort_image(found)) is not None]
    images = [image for image in images if image.contrast in wanted]
    if not images:
        raise InputError(f"cohort_dir must hold images sub-*/ses-*/anat/*_<suffix>.nii.gz, found none in {folder}")
    return sorted(images, key=lambda i: (i.subject, i.session, i.run, CONTRASTS.index(i.contrast)))


def _to_cohort_image(image: BidsImage) -> CohortImage | None:
    if image.session is None or image.suffix not in CONTRAST_OF_SUFFIX or not _ENTITIES.issuperset(image.entities):
        return None
    if image.sidecar is None:
        raise InputError(f"every cohort image needs a readable JSON sidecar, {image.path} has none")
    return CohortImage(
        subject=image.subject,
        session=image.session,
        run=image.run,
        contrast=CONTRAST_OF_SUFFIX[image.suffix],
        path=image.path,
        site=str(image.sidecar.get("InstitutionName", UNKNOWN)),
        scanner=str(image.sidecar.get("StationName", UNKNOWN)),
    )
