"""Jobs from a file of subjects, as a table or as JSON; paths begin in the file's folder.

The table has a header, commas or semicolons, and one row for a subject, or for a session of one:

    subject,session,t1w,flair,target_t1w
    01,02,sub01_t1.nii.gz,sub01_flair.nii.gz,site_3

Its columns are `subject`, optionally `session`, `site`, `scanner` and `brain_mask`, the contrasts and `target_` with a
contrast; an empty cell is a missing image, or a target that the defaults give. JSON is a list of objects with those
keys, or with `sources` and `targets` as objects by contrast; as in a MONAI data list it may stand under a key such as
"testing".
"""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base.arguments import as_path, as_text, by_contrast, refuse_unknown
from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..base.json_files import read_json
from .jobs import Job, source_paths, to_label
from .targets import TargetSpec
from .wanted import WantedTargets
from .ways import Way

_TARGETS = {contrast: f"target_{contrast}" for contrast in CONTRASTS}
_WHO, _MORE = ("subject", "session"), ("site", "scanner", "brain_mask")
COLUMNS = (*_WHO, *CONTRASTS, *_TARGETS.values(), *_MORE)


@dataclass(frozen=True)
class SubjectsFile(Way):
    """Every row of `cohort_file`; targets that the user names are those of rows without one of that contrast.

    Only mistakes of the file itself are refused: an image that is missing must not stop the other subjects.
    """

    option = "cohort_file"

    cohort_file: Any = None

    @property
    def is_given(self) -> bool:
        """Whether there is a file."""
        return self.cohort_file is not None

    def jobs(self, wanted: WantedTargets) -> list[Job]:
        """One job for every row, which must have a target where targets are taken."""
        file = as_path(as_text(self.cohort_file, "cohort_file"))
        # A contrast without a target is a slip, also where every row has a target.
        defaults = wanted.if_given() if wanted.target_contrast is None else wanted.for_all()
        jobs: list[Job] = []
        places: dict[str, str] = {}
        for place, row in _rows(file):
            try:
                job = _job(row, file.parent, defaults, wanted)
                if wanted.taken and not job.targets:
                    keys = ", ".join(_TARGETS.values())
                    raise InputError(f"every subject needs a target, under {keys} or as a `target` for all")
                if job.name in places:
                    raise InputError(
                        f"a subject must have one row for each `session`, {job.name} is at {places[job.name]}"
                    )
            except InputError as error:
                raise InputError(f"cohort_file {file}, {place}: {error}") from error
            places[job.name] = place
            jobs.append(job)
        if not jobs:
            raise InputError(f"cohort_file {file} must have at least one subject, it has none")
        return jobs


def _job(row: Mapping[str, Any], folder: Path, defaults: Mapping[str, TargetSpec], wanted: WantedTargets) -> Job:
    blocks = _blocks(row)
    if row.get("subject") is None:
        raise InputError("every row needs a `subject`")
    if not blocks["sources"]:
        raise InputError(f"every subject needs a source, a file under {', '.join(CONTRASTS)}")
    targets = {**defaults, **wanted.of_one(blocks["targets"], folder)}
    session, site, scanner, brain_mask = (row.get(key) for key in ("session", "site", "scanner", "brain_mask"))
    return Job(
        subject=to_label(row["subject"], "subject", "sub"),
        session=None if session is None else to_label(session, "session", "ses"),
        run=None,
        sources=source_paths(by_contrast(blocks["sources"], "sources"), folder),
        targets={contrast: targets[contrast] for contrast in CONTRASTS if contrast in targets},
        site=None if site is None else as_text(site, "site"),
        scanner=None if scanner is None else as_text(scanner, "scanner"),
        brain_mask=None if brain_mask is None else as_path(as_text(brain_mask, "brain_mask"), folder),
    )


def _blocks(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row's `sources` and `targets` by contrast, in whichever of its two forms it gives them."""
    if "sources" in row or "targets" in row:
        refuse_unknown(row, (*_WHO, *_MORE, "sources", "targets"), "key")
        return {"sources": row.get("sources"), "targets": row.get("targets")}
    refuse_unknown(row, COLUMNS, "key")
    return {
        "sources": {contrast: row[contrast] for contrast in CONTRASTS if row.get(contrast) is not None},
        "targets": {contrast: row[key] for contrast, key in _TARGETS.items() if row.get(key) is not None},
    }


def _rows(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every row and where it is."""
    if file.suffix == ".json":
        return _json_rows(file)
    if file.suffix == ".csv":
        return _table_rows(file)
    raise InputError(f"cohort_file must end in .csv or .json, got {file}")


def _json_rows(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    content = read_json(file, "cohort_file")
    if isinstance(content, Mapping):
        lists = [key for key, value in content.items() if isinstance(value, list) and value]
        if len(lists) != 1:
            raise InputError(f"cohort_file {file} must have one list of subjects, its lists are {lists}")
        content = content[lists[0]]
    if not isinstance(content, list):
        raise InputError(f"cohort_file {file} must be a list of subjects, got {content!r:.80}")
    for number, entry in enumerate(content, start=1):
        if not isinstance(entry, Mapping):
            raise InputError(f"cohort_file {file}, entry {number}: a subject must be an object, got {entry!r:.80}")
        yield f"entry {number}", entry


def _table_rows(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if file.exists() and not file.is_file():
        raise InputError(f"cohort_file {file} must be a regular file")
    try:
        # What Excel writes begins with a byte order mark, and has semicolons where the comma is a decimal mark.
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"cohort_file {file} must be a readable UTF-8 file: {error}") from error
    first = text.lstrip().partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter=";" if first.count(";") > first.count(",") else ",", strict=True)
    header: list[str] = []
    try:
        for line in reader:
            cells = [cell.strip() for cell in line]
            if any(cells) and header:
                yield f"line {reader.line_num}", _table_row(header, cells)
            elif any(cells):
                header = _table_header(cells)
    except (csv.Error, InputError) as error:
        raise InputError(f"cohort_file {file}, line {reader.line_num}: {error}") from error


def _table_header(cells: list[str]) -> list[str]:
    # Columns that were emptied in a spreadsheet are still there as separators.
    width = max(place for place, cell in enumerate(cells, start=1) if cell)
    header = [cell.lower() for cell in cells[:width]]
    refuse_unknown(header, COLUMNS, "column")
    for name in header:
        if header.count(name) > 1:
            raise InputError(f"every column must be there once, `{name}` is there {header.count(name)} times")
    if "subject" not in header or not set(CONTRASTS) & set(header):
        raise InputError(f"the header must have `subject` and at least one of {', '.join(CONTRASTS)}, got {header}")
    return header


def _table_row(header: list[str], cells: list[str]) -> dict[str, str]:
    if any(cells[len(header) :]):
        raise InputError(f"a row must have at most {len(header)} cells, as the header has, got {len(cells)}")
    return {name: cell for name, cell in zip(header, cells, strict=False) if cell}
