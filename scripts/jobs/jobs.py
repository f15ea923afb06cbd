"""What one run of the harmonizer does: jobs, each one visit of one subject, its sources and its targets.

They come from the command line (`from_sources.py`), from a file of subjects (`from_file.py`), from a raw BIDS folder
(`from_bids.py`) or from one in which every image has a reference (`from_cohort.py`).
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base.arguments import as_path, as_text
from ..base.errors import InputError
from .targets import TargetSpec

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
