import csv
import os
from pathlib import Path

from scripts.jobs.jobs import Job
from scripts.jobs.status_table import STATUS_TABLE, write_status


def job(number: int, session: str | None = None, choices: tuple[str, ...] = ()) -> Job:
    return Job(f"sub-{number}", session, None, {"t1w": Path("a.nii")}, {}, choices=choices)


def rows(folder: Path) -> list[list[str]]:
    with (folder / STATUS_TABLE).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_a_row_tells_what_became_of_a_visit(tmp_path):
    jobs = [job(2), job(1, "ses-b", choices=("t1w is a, not b", "pd is c, not d"))]
    write_status(tmp_path, jobs, "waiting")
    write_status(tmp_path, jobs[:1], "failed", reason='it is\nnot "so":\tno')
    write_status(tmp_path, jobs[1:], "done", outputs=[tmp_path / "sub-1/x.nii.gz", tmp_path / "sub-1/y.nii.gz"])
    assert rows(tmp_path) == [
        ["subject", "session", "run", "state", "reason", "outputs", "choices"],
        ["sub-1", "ses-b", "", "done", "", "sub-1/x.nii.gz;sub-1/y.nii.gz", "t1w is a, not b; pd is c, not d"],
        ["sub-2", "", "", "failed", 'it is not "so": no', "", ""],
    ]


def test_visits_of_other_runs_keep_their_rows(tmp_path):
    write_status(tmp_path, [job(1), job(2)], "done")
    write_status(tmp_path, [job(2)], "waiting")
    assert [row[3] for row in rows(tmp_path)] == ["state", "done", "waiting"]


def test_a_table_of_another_kind_is_replaced(tmp_path):
    (tmp_path / STATUS_TABLE).write_text("subject,state\nsub-9,done\n")
    write_status(tmp_path, [job(1)], "done")
    assert [row[0] for row in rows(tmp_path)] == ["subject", "sub-1"]


def test_a_name_that_is_no_unicode_does_not_stop_the_table(tmp_path):
    name = os.fsdecode(b"M\xfcller.nii")
    write_status(tmp_path, [job(1)], "failed", reason=f"{name} is empty")
    assert rows(tmp_path)[1][4] == r"M\udcfcller.nii is empty"
