"""Where the report of a job lies: a page at the top of the output folder, its figures in the subject's folder.

sub-X[_ses-Y][_run-N].html
sub-X/figures/sub-X[_ses-Y][_run-N]_desc-overview_T1w.svg   and so on, T1w being the target's contrast
sub-X/figures/sub-X[_ses-Y][_run-N]_desc-thumbnail_T1w.png
sub-X/figures/sub-X[_ses-Y][_run-N]_desc-summary_qc.json    what the cohort's page, index.html, is made of
"""

from dataclasses import dataclass
from pathlib import Path

from ..base.contrasts import BIDS_SUFFIX
from ..jobs.jobs import Job

INDEX = "index.html"
SUMMARIES = "sub-*/figures/*_desc-summary_qc.json"


@dataclass(frozen=True)
class ReportNames:
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
