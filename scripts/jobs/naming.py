"""Where outputs go, as BIDS derivatives: `<out>/sub-X/[ses-Y/]anat/sub-X[_ses-Y][_run-N]` and then

    [_space-S]_desc-D_T1w.nii.gz                            harmonized image, T1w being the target's contrast
    [_space-S]_desc-imputedT1w_mask.nii.gz                  1 where no source showed that part of the image
    [_space-S]_stat-uncertainty_desc-DT1w_statmap.nii.gz    how much the three planes disagree about that image
    [_space-S]_stat-attentionFLAIR_desc-DT1w_statmap.nii.gz how much of that image comes from the source FLAIR
    _desc-D_features.tsv                                    codes of the sources' slices, a row for each
    _desc-code_T1w.json                                     code of the source T1w, which can be a target
    _from-T1w_to-S_mode-image_xfm.txt                       how the source T1w came to the space S, as ITK has it

D is "harmonized", or "encoded" for a table alone, or what else is to be seen at a glance, such as "meaningless". Beside
each volume lies a JSON sidecar. Without a space an image lies on the subject's own grid. BIDS has no name for such maps
and tables yet: the maps follow the usage of its drafted extension for statistics, and end in no contrast, so that
nobody takes them for images. In the folder itself lie `status.csv`, what became of each visit, and
`target-Oslo_T1w.json`, the code of a site that was the target.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from ..base.contrasts import BIDS_SUFFIX
from .jobs import Job

# BIDS's identifier of the ICBM 2009a nonlinear symmetric template, in whose space the working grid lies.
GRID_SPACE = "MNI152NLin2009aSym"

# Lines for the output folder's .bidsignore: what a validator would not know.
BIDS_IGNORED = (
    "status.csv",
    "target-*.json",
    "*_desc-code_*.json",
    "*_statmap.nii.gz",
    "*_statmap.json",
    "*_features.tsv",
    "*_features.json",
    "*_xfm.txt",
    "*.html",
    "figures",
)


@dataclass(frozen=True)
class OutputNames:
    """The files of one job under `folder`; `desc` and `space` are BIDS labels."""

    folder: Path
    job: Job
    desc: str
    space: str | None = None

    def image(self, contrast: str) -> Path:
        """The harmonized image in one target's contrast."""
        return self._volume(f"desc-{self.desc}_{BIDS_SUFFIX[contrast]}")

    def imputed(self, contrast: str) -> Path:
        """The mask of what was made up in that image."""
        return self._volume(f"desc-imputed{BIDS_SUFFIX[contrast]}_mask")

    def uncertainty(self, contrast: str) -> Path:
        """The uncertainty of that image."""
        return self._volume(f"stat-uncertainty_desc-{self.desc}{BIDS_SUFFIX[contrast]}_statmap")

    def attention(self, contrast: str, source: str) -> Path:
        """The weight of one source in that image."""
        attention = f"attention{BIDS_SUFFIX[source]}"
        return self._volume(f"stat-{attention}_desc-{self.desc}{BIDS_SUFFIX[contrast]}_statmap")

    def features(self) -> Path:
        """The table of codes; it lies in no space."""
        return self._anat / f"{self.job.name}_desc-{self.desc}_features.tsv"

    def code(self, source: str) -> Path:
        """The code of one source."""
        return self._anat / f"{self.job.name}_desc-code_{BIDS_SUFFIX[source]}.json"

    def transform(self, source: str) -> Path:
        """The motion of one source to the space of the working grid."""
        return self._anat / f"{self.job.name}_from-{BIDS_SUFFIX[source]}_to-{GRID_SPACE}_mode-image_xfm.txt"

    @property
    def _anat(self) -> Path:
        session = [] if self.job.session is None else [self.job.session]
        return self.folder.joinpath(self.job.subject, *session, "anat")

    def _volume(self, what: str) -> Path:
        space = "" if self.space is None else f"space-{self.space}_"
        return self._anat / f"{self.job.name}_{space}{what}.nii.gz"


def site_code_path(folder: Path, site: str, contrast: str) -> Path:
    """The code of a site that was the target of a run; of its name remain letters and digits of any script."""
    label = re.sub(r"[\W_]", "", site)
    return folder / f"target-{label}_{BIDS_SUFFIX[contrast]}.json"


def sidecar_path(output: Path) -> Path:
    """The JSON file beside an output; none of the names has another dot."""
    return output.with_name(output.name.partition(".")[0] + ".json")
