"""What the report of a job leaves in the output folder: its files, and the summary that the cohort's page is made of.

sub-X[_ses-Y][_run-N].html
sub-X/figures/sub-X[_ses-Y][_run-N]_desc-overview_T1w.svg   and so on, T1w being the target's contrast
sub-X/figures/sub-X[_ses-Y][_run-N]_desc-thumbnail_T1w.png
sub-X/figures/sub-X[_ses-Y][_run-N]_desc-summary_qc.json    the numbers, and a hash of all that decides the report
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..base.contrasts import BIDS_SUFFIX
from ..base.text_files import write_json
from ..harmonize.subjects import Subject
from ..jobs.jobs import Job
from .codes import Codes
from .comparison import Comparison
from .image_report import ImageReport

INDEX = "index.html"
SUMMARIES = "sub-*/figures/*_desc-summary_qc.json"


@dataclass(frozen=True)
class ReportFiles:
    """The files of one job under `folder`."""

    folder: Path
    job: Job

    @property
    def page(self) -> Path:
        """The page."""
        return self.folder / f"{self.job.name}.html"

    @property
    def summary(self) -> Path:
        """The numbers that the cohort's page needs."""
        return self._figures / f"{self.job.name}_desc-summary_qc.json"

    def figure(self, name: str, contrast: str, kind: str = "svg") -> Path:
        """A figure of one target's contrast."""
        return self._figures / f"{self.job.name}_desc-{name}_{BIDS_SUFFIX[contrast]}.{kind}"

    def relative(self, path: Path) -> str:
        """The address of a file in a page."""
        return path.relative_to(self.folder).as_posix()

    @property
    def _figures(self) -> Path:
        return self.folder / self.job.subject / "figures"


@dataclass(frozen=True)
class Summary:
    """One target of one job; `probe` has the site probe's features before and after, where they were taken.

    `page` and `thumbnail` are addresses relative to the output folder.
    """

    name: str
    subject: str
    contrast: str
    site: str
    scanner: str
    page: str
    thumbnail: str
    random: bool
    values: Mapping[str, float] = field(default_factory=dict)
    codes: Codes = field(default_factory=dict)
    probe: Mapping[str, Sequence[float]] = field(default_factory=dict)
    concerns: Sequence[str] = ()


def summarize(files: ReportFiles, subject: Subject, image: ImageReport) -> Summary:
    """The summary of one target; the site is the job's, or else what the sidecar of the reference source says."""
    institution, scanner = read_origin(subject.images[image.sidecar["Reference"]].path)
    site = subject.job.site or institution
    return Summary(
        name=subject.job.name,
        subject=subject.job.subject,
        contrast=image.contrast,
        site=site,
        scanner=scanner,
        page=files.relative(files.page),
        thumbnail=files.relative(files.figure("thumbnail", image.contrast, "png")),
        random=image.random,
        values=image.values,
        codes=image.codes,
        probe=probe_features(image.comparison) if site else {},
        concerns=image.concerns,
    )


def read_origin(path: Path) -> tuple[str, str]:
    """Site and scanner of a scan, as far as the JSON sidecar beside it tells; empty where unknown.

    BIDS has them as `InstitutionName`, and `StationName` or else manufacturer, model and field strength.
    """
    content = _read(path.with_name(path.name.partition(".nii")[0] + ".json")) or {}
    keys = ("Manufacturer", "ManufacturersModelName", "MagneticFieldStrength")
    model = " ".join(str(content[key]) for key in keys if content.get(key))
    return str(content.get("InstitutionName") or ""), str(content.get("StationName") or model)


def probe_features(comparison: Comparison) -> dict[str, list[float]]:
    """Brightness, sharpness and texture before and after; nothing where the packages for it are not installed."""
    try:
        from ..metrics.scaling import divide_by_percentile
        from ..metrics.site_probe import image_features
    except ImportError:
        return {}
    if comparison.before is None:
        return {}
    mask = comparison.inside & (comparison.before > 0)
    if not mask.any():
        return {}
    volumes = {"before": comparison.before, "after": comparison.harmonized}
    features = {when: image_features(divide_by_percentile(volume, mask), mask) for when, volume in volumes.items()}
    # Six digits tell apart what the probe can.
    return {when: [float(f"{value:.6g}") for value in np.ravel(numbers)] for when, numbers in features.items()}


def write_summaries(path: Path, made_from: str, summaries: Sequence[Summary]) -> None:
    """`made_from` is a hash of all that decides the report."""
    write_json(path, {"MadeFrom": made_from, "Targets": [asdict(summary) for summary in summaries]})


def read_made_from(path: Path) -> str | None:
    """The hash in such a file; None where there is none."""
    return (_read(path) or {}).get("MadeFrom")


def read_summaries(folder: Path) -> list[Summary]:
    """Those of all reports under an output folder, by name; a file that is damaged is passed over."""
    contents = [_read(path) for path in sorted(folder.glob(SUMMARIES))]
    return [Summary(**entry) for content in contents if content is not None for entry in content["Targets"]]


def _read(path: Path) -> dict[str, Any] | None:
    """A JSON object; None where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
