from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.base.text_files import write_json
from scripts.images.volumes import write_volume
from scripts.jobs.from_cohort import TravelingPeople
from scripts.jobs.jobs import Job
from scripts.jobs.wanted import WantedTargets


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Two subjects; the first has two contrasts and a rescan, and its reference has no run in its name."""
    names = ["sub-01_ses-01_T1w", "sub-01_ses-02_run-1_T1w", "sub-01_ses-02_run-2_T1w"]
    names += ["sub-01_ses-01_run-1_FLAIR", "sub-01_ses-02_run-1_FLAIR", "sub-02_ses-01_run-1_T1w"]
    for name in names:
        write_image(tmp_path / "cohort", name)
    return tmp_path / "cohort"


def write_image(cohort: Path, name: str, extension: str = ".nii.gz") -> Path:
    subject, session, *_ = name.split("_")
    path = cohort / subject / session / "anat" / f"{name}{extension}"
    write_volume(path, np.zeros((2, 2, 2), np.uint8))
    write_json(path.with_name(f"{name}.json"), {})
    return path


def jobs_of(cohort: Any, wanted: WantedTargets | None = None, **options: Any) -> list[Job]:
    return TravelingPeople(cohort, **options).jobs(wanted or WantedTargets())


def names(job: Job) -> tuple[str, list[str], list[str]]:
    """The job's name and those of its files."""
    targets = [target.name for target in job.targets.values() if isinstance(target, Path)]
    return job.name, [source.name for source in job.sources.values()], targets


def test_every_visit_of_a_cohort_goes_to_its_subjects_reference(cohort):
    references = ["sub-01_ses-01_T1w.nii.gz", "sub-01_ses-01_run-1_FLAIR.nii.gz"]
    second = ["sub-01_ses-02_run-1_T1w.nii.gz", "sub-01_ses-02_run-1_FLAIR.nii.gz"]
    other = ["sub-02_ses-01_run-1_T1w.nii.gz"]
    jobs = jobs_of(str(cohort))
    assert [names(job) for job in jobs] == [
        ("sub-01_ses-01_run-1", references, references),
        ("sub-01_ses-02_run-1", second, references),
        ("sub-02_ses-01_run-1", other, other),
    ]
    assert jobs[1].sources["flair"] == cohort / "sub-01" / "ses-02" / "anat" / "sub-01_ses-02_run-1_FLAIR.nii.gz"


def test_a_given_target_takes_the_place_of_all_references(cohort):
    goals = WantedTargets(targets={"flair": "FLAIR.nii.gz"})
    assert [job.targets for job in jobs_of(cohort, goals)] == [{"flair": Path("FLAIR.nii.gz")}] * 3


def test_sidecars_name_the_site_of_a_visit(cohort):
    for path in (cohort / "sub-01" / "ses-02").rglob("*.json"):
        write_json(path, {"InstitutionName": "Oslo"})
    assert [job.site for job in jobs_of(cohort)] == [None, "Oslo", None]


def test_contrasts_and_runs_choose_the_images_of_a_cohort(cohort):
    jobs = jobs_of(cohort, contrasts="t1w", runs=2)
    assert [names(job) for job in jobs] == [
        ("sub-01_ses-02_run-2", ["sub-01_ses-02_run-2_T1w.nii.gz"], ["sub-01_ses-01_T1w.nii.gz"])
    ]


def test_a_withheld_contrast_is_imputed(cohort):
    jobs = jobs_of(cohort, withheld="t1w")
    references = ["sub-01_ses-01_T1w.nii.gz", "sub-01_ses-01_run-1_FLAIR.nii.gz"]
    # The other subject has nothing else.
    assert [names(job) for job in jobs] == [
        ("sub-01_ses-01_run-1", references[1:], references),
        ("sub-01_ses-02_run-1", ["sub-01_ses-02_run-1_FLAIR.nii.gz"], references),
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"contrasts": ["t1w"], "withheld": ["t1w"]},
            "`withheld` must leave some of the `contrasts` ['t1w'], got ['t1w']",
        ),
        ({"withheld": ["t3w"]}, "`withheld` must leave some of the `contrasts` ['t1w', 't2w', 'pd', 'flair'], got "),
        ({"contrasts": ["t1w", "t3w"]}, "`contrasts` must hold some of ['t1w', 't2w', 'pd', 'flair'], got "),
        ({"contrasts": []}, "`contrasts` must hold some of ['t1w', 't2w', 'pd', 'flair'], got []"),
        ({"runs": [1, 3]}, "`runs` must hold some of the cohort's runs [1, 2], got [1, 3]"),
        ({"runs": []}, "`runs` must hold some of the cohort's runs [1, 2], got []"),
        ({"cohort": 2024}, "`cohort_dir` must be text, got 2024; put what you wrote in quotes"),
    ],
)
def test_a_wrong_choice_from_a_cohort_is_refused(cohort, changes, words):
    with pytest.raises(InputError) as caught:
        jobs_of(**({"cohort": cohort} | changes))
    assert str(caught.value).startswith(words)


def test_a_subject_without_reference_is_refused(cohort):
    (cohort / "sub-01" / "ses-01" / "anat" / "sub-01_ses-01_run-1_FLAIR.nii.gz").unlink()
    with pytest.raises(InputError, match="every subject needs a reference, ses-01 run-1, but sub-01 has none in flair"):
        jobs_of(cohort)


@pytest.mark.parametrize(("name", "extension"), [("run-1_T1w", ".nii"), ("T1w", ".nii.gz")])
def test_two_images_that_would_have_one_output_are_refused(cohort, name, extension):
    write_image(cohort, f"sub-01_ses-02_{name}", extension)
    with pytest.raises(
        InputError, match="a visit must have one T1w image in each run, got .*_T1w.nii.* and .*_T1w.nii"
    ):
        jobs_of(cohort)
