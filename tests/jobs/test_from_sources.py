import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts.base.errors import InputError
from scripts.base.text_files import write_json
from scripts.jobs.from_sources import OneSubject
from scripts.jobs.jobs import Job
from scripts.jobs.targets import StoredCode
from scripts.jobs.wanted import WantedTargets

CLEAN = StoredCode("t1w", {"theta": [0.0, 0.0], "eta": [0.0, 0.0]}, name="clean")


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Job]:
    """A subject who has a T1w image, `first`, and a named target, but for `changes`."""
    write_json(tmp_path / "targets.json", {"clean": CLEAN.to_json()})

    def make(first: str = "sub-01_T1w.nii.gz", **changes: Any) -> Job:
        wanted = {"target": "clean"} | {key: changes.pop(key) for key in ("target", "targets") if key in changes}
        subject = OneSubject(**({"sources": {"t1w": first}} | changes))
        return subject.job(WantedTargets(**wanted, named_targets=tmp_path / "targets.json"))

    return make


def test_a_subject_job_has_sources_and_targets_in_the_order_of_contrasts(job):
    result = job(
        sources={"flair": "b.nii.gz", "t1w": "/data/sub-07_ses-x2_acq-a_run-03_T1w.nii.gz"},
        target=None,
        targets={"pd": "pd.nii", "t1w": "clean"},
    )
    assert (result.subject, result.session, result.run) == ("sub-07", "ses-x2", 3)
    assert result.name == "sub-07_ses-x2_run-3"
    expected = [("t1w", Path("/data/sub-07_ses-x2_acq-a_run-03_T1w.nii.gz")), ("flair", Path("b.nii.gz"))]
    assert list(result.sources.items()) == expected
    assert list(result.targets.items()) == [("t1w", CLEAN), ("pd", Path("pd.nii"))]
    assert pickle.loads(pickle.dumps(result)) == result


@pytest.mark.parametrize(
    ("first", "labels", "name"),
    [
        ("sub-01_T1w.nii.gz", {}, "sub-01"),
        ("sub-01_ses-02_T1w.nii.gz", {"subject": "007"}, "sub-007_ses-02"),
        ("sub-01_ses-02_T1w.nii.gz", {"subject": "sub-A", "session": "ses-9"}, "sub-A_ses-9"),
        ("patient 7_T1.v2.nii.gz", {}, "sub-patient7T1v2"),
        ("scan.nii", {"session": "02"}, "sub-scan_ses-02"),
        # Not BIDS: the label goes on after the hyphen, and must not be cut there.
        ("sub-01-b_T1w.nii.gz", {}, "sub-sub01bT1w"),
    ],
)
def test_labels_come_from_the_command_line_or_the_first_source(job, first, labels, name):
    assert job(first, **labels).name == name


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"subject": 12},
            "`subject` must be text, got 12; put what you wrote in quotes, on the command line in two pairs",
        ),
        ({"session": 2}, "`session` must be text, got 2; put what you wrote in quotes"),
        ({"subject": "a_b"}, "`subject` must be letters and digits, as BIDS labels are, got `a_b`"),
        ({"subject": "../01"}, "`subject` must be letters and digits, as BIDS labels are, got `../01`"),
        (
            {"subject": "a" * 260},
            "`subject` must have at most 60 letters and digits, since it is in the names of files",
        ),
        ({"first": "a" * 100 + ".nii.gz"}, "`subject` must have at most 60 letters and digits, since it is in"),
        ({"first": "sub-1_ses-" + "b" * 100 + "_T1w.nii.gz"}, "`session` must have at most 60 letters and digits"),
        ({"session": "ses-"}, "`session` must be letters and digits, as BIDS labels are, got ``"),
        ({"first": "___.nii.gz"}, "`subject` must be given, since the file name `___` has no letters or digits"),
        ({"sources": {"t1w": 3}}, "`sources t1w` must be text, got 3; put what you wrote in quotes"),
        ({"sources": {"t1": "a.nii"}}, "unknown contrast of `sources` `t1`; did you mean `t1w`?"),
        ({"sources": None}, "`sources` must give a value for each contrast, like --sources"),
        (
            {"sources": {"t1w": "a.nii", "pd": "./a.nii"}},
            "`sources` must be different files, t1w and pd are both a.nii",
        ),
        ({"target": None}, "exactly one of `target` and `targets` must be given, got neither"),
    ],
)
def test_a_wrong_subject_is_refused(job, changes, words):
    with pytest.raises(InputError) as caught:
        job(**changes)
    assert str(caught.value).startswith(words)
