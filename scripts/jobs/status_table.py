"""The table of what became of each visit, in the folder of the outputs; several processes may write to it in turn.

    subject,session,run,state,reason,outputs,choices
    sub-01,,,done,,sub-01/anat/sub-01_desc-harmonized_T1w.nii.gz,"t1w is ..., not ..."
    sub-02,,,failed,image file ... is empty (0 bytes),,
    sub-03,,,waiting,,,

It has no times, so that a run that was interrupted and went on ends with the table of one that was not.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from ..base.folder_lock import brief_lock
from ..base.text_files import write_text
from .jobs import Job

STATUS_TABLE = "status.csv"
STATUS_LOCK = ".status-lock"
_KEYS = ("subject", "session", "run")
_COLUMNS = (*_KEYS, "state", "reason", "outputs", "choices")


def write_status(folder: Path, jobs: Sequence[Job], state: str, reason: str = "", outputs: Sequence[Path] = ()) -> None:
    """Give the visits of `jobs` new rows, leaving those of others as they are."""
    # One line for a row, whatever a message has in it.
    reason = " ".join(reason.split())
    places = ";".join(path.relative_to(folder).as_posix() for path in outputs)
    with brief_lock(folder / STATUS_LOCK):
        rows = _read(folder / STATUS_TABLE)
        for job in jobs:
            key = (job.subject, job.session or "", "" if job.run is None else str(job.run))
            rows[key] = (*key, state, reason, places, "; ".join(job.choices))
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([_COLUMNS, *(rows[key] for key in sorted(rows))])
        # Names of files need not be UTF-8.
        write_text(folder / STATUS_TABLE, text.getvalue().encode(errors="backslashreplace").decode())


def _read(path: Path) -> dict[tuple[str, ...], tuple[str, ...]]:
    """The rows by what `_KEYS` say; none of a table of other columns."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = [tuple(row) for row in csv.reader(file)]
    return {row[: len(_KEYS)]: row for row in rows[1:]} if rows[:1] == [_COLUMNS] else {}
