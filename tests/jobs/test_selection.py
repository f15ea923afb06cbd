from pathlib import Path
from typing import Any

import pytest

from scripts.base.errors import InputError
from scripts.jobs.jobs import Job
from scripts.jobs.selection import select_jobs

JOBS = [
    Job(f"sub-{subject}", session, None, {"t1w": Path("a.nii")}, {})
    for subject, session in (("01", "ses-1"), ("01", "ses-2"), ("02", "ses-1"), ("12", None))
]


def chosen(**choice: Any) -> list[int]:
    return [JOBS.index(job) for job in select_jobs(JOBS, **choice)]


@pytest.mark.parametrize(
    ("choice", "numbers"),
    [
        ({}, [0, 1, 2, 3]),
        ({"participant_label": "01"}, [0, 1]),
        ({"participant_label": ["sub-02", "01"]}, [0, 1, 2]),
        ({"participant_label": "02, sub-12"}, [2, 3]),
        # As the command line hands over what looks like a number.
        ({"participant_label": 12}, [3]),
        ({"session_label": 1}, [0, 2]),
        ({"participant_label": "01", "session_label": "ses-2"}, [1]),
        ({"part": 1, "parts": 2}, [1, 3]),
        ({"participant_label": "01", "part": 1, "parts": 2}, [1]),
        ({"part": 4, "parts": 5}, []),
    ],
)
def test_labels_and_shares_choose_jobs(choice, numbers):
    assert chosen(**choice) == numbers


def test_every_job_is_in_one_share():
    assert sorted(number for part in range(3) for number in chosen(part=part, parts=3)) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"participant_label": "3"}, "`participant_label` must be among sub-01, sub-02, sub-12, got sub-3"),
        ({"participant_label": "../01"}, "`participant_label` must be among sub-01, sub-02, sub-12, got sub-../01"),
        ({"participant_label": []}, r"`participant_label` must be among sub-01, sub-02, sub-12, got \[\]"),
        ({"participant_label": "02", "session_label": 2}, "`session_label` must be among ses-1, got ses-2"),
        ({"participant_label": 12, "session_label": 2}, "`session_label` must be among none, got ses-2"),
        ({"part": 2, "parts": 2}, "`part` must be a whole number from 0 to `parts` - 1, got part 2 of 2 parts"),
        ({"part": "a", "parts": 2}, "`part` must be a whole number from 0 to `parts` - 1, got part a of 2 parts"),
    ],
)
def test_a_wrong_choice_is_refused(choice, words):
    with pytest.raises(InputError, match=words):
        chosen(**choice)
