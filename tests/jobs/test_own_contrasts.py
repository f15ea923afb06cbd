import logging
from pathlib import Path

import pytest

from scripts.base.errors import InputError
from scripts.jobs.jobs import Job
from scripts.jobs.own_contrasts import choose_own_contrasts


def job(name: str, *contrasts: str, targets: tuple[str, ...] = ("t1w", "flair")) -> Job:
    sources = {contrast: Path(f"{name}_{contrast}.nii.gz") for contrast in contrasts}
    return Job(name, None, None, sources, {contrast: Path(f"target_{contrast}.nii.gz") for contrast in targets})


JOBS = [job("sub-01", "t1w", "flair"), job("sub-02", "t1w", "pd"), job("sub-03", "t2w")]


def test_what_a_subject_lacks_is_no_target_unless_it_is_to_be_imputed(caplog):
    with caplog.at_level(logging.WARNING):
        whole, part = choose_own_contrasts(JOBS, impute=False)
    assert whole == JOBS[0]
    assert part.sources == JOBS[1].sources
    assert part.targets == {"t1w": Path("target_t1w.nii.gz")}
    assert caplog.messages == [
        "not harmonized in t1w, because they have no such image: sub-03",
        "not harmonized in flair, because they have no such image: sub-02, sub-03",
    ]
    assert choose_own_contrasts(JOBS, impute=True) == JOBS


def test_few_of_many_who_lack_a_contrast_are_named(caplog):
    jobs = [job(f"sub-{number}", "t1w") for number in range(5)]
    choose_own_contrasts(jobs, impute=False)
    assert caplog.messages == [
        "not harmonized in flair, because they have no such image: sub-0, sub-1, sub-2 and 2 more"
    ]


def test_jobs_that_have_no_targets_anyway_are_kept():
    jobs = [job("sub-01", "pd", targets=())]
    assert choose_own_contrasts(jobs, impute=False) == jobs
    assert choose_own_contrasts([], impute=False) == []


def test_targets_that_nobody_has_are_refused():
    words = (
        "no image has the contrast of a target, and none may be imputed (`impute_contrasts` is false, or the method"
        " cannot); targets are flair, t1w, images are pd, t2w"
    )
    with pytest.raises(InputError) as caught:
        choose_own_contrasts([job("sub-01", "pd"), job("sub-02", "t2w")], impute=False)
    assert str(caught.value) == words
