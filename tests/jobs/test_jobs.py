import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.base.text_files import write_json
from scripts.images.volumes import write_volume
from scripts.jobs.jobs import Job, jobs_from_cohort, subject_job
from scripts.jobs.targets import StoredCode

NAMED = {"clean": {"t1w": StoredCode("t1w", {"theta": [0.0, 0.0], "eta": [0.0, 0.0]}, name="clean")}}


def job(first: str = "sub-01_T1w.nii.gz", **changes: Any) -> Job:
    return subject_job(**({"sources": {"t1w": first}, "target": "clean", "named": NAMED} | changes))


def test_a_subject_job_has_sources_and_targets_in_the_order_of_contrasts():
    result = job(
        sources={"flair": "b.nii.gz", "t1w": "/data/sub-07_ses-x2_acq-a_run-03_T1w.nii.gz"},
        target=None,
        targets={"pd": "pd.nii", "t1w": "clean"},
    )
    assert (result.subject, result.session, result.run) == ("sub-07", "ses-x2", 3)
    assert result.name == "sub-07_ses-x2_run-3"
    expected = [("t1w", Path("/data/sub-07_ses-x2_acq-a_run-03_T1w.nii.gz")), ("flair", Path("b.nii.gz"))]
    assert list(result.sources.items()) == expected
    assert list(result.targets.items()) == [("t1w", NAMED["clean"]["t1w"]), ("pd", Path("pd.nii"))]
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
def test_labels_come_from_the_command_line_or_the_first_source(first, labels, name):
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
def test_a_wrong_subject_is_refused(changes, words):
    with pytest.raises(InputError) as caught:
        job(**changes)
    assert str(caught.value).startswith(words)


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


def names(job: Job) -> tuple[str, list[str], list[str]]:
    """The job's name and those of its files."""
    targets = [target.name for target in job.targets.values() if isinstance(target, Path)]
    return job.name, [source.name for source in job.sources.values()], targets


def test_every_visit_of_a_cohort_goes_to_its_subjects_reference(cohort):
    references = ["sub-01_ses-01_T1w.nii.gz", "sub-01_ses-01_run-1_FLAIR.nii.gz"]
    second = ["sub-01_ses-02_run-1_T1w.nii.gz", "sub-01_ses-02_run-1_FLAIR.nii.gz"]
    other = ["sub-02_ses-01_run-1_T1w.nii.gz"]
    jobs = jobs_from_cohort(str(cohort))
    assert [names(job) for job in jobs] == [
        ("sub-01_ses-01_run-1", references, references),
        ("sub-01_ses-02_run-1", second, references),
        ("sub-02_ses-01_run-1", other, other),
    ]
    assert jobs[1].sources["flair"] == cohort / "sub-01" / "ses-02" / "anat" / "sub-01_ses-02_run-1_FLAIR.nii.gz"


def test_a_given_target_takes_the_place_of_all_references(cohort):
    goals = {"flair": Path("FLAIR.nii.gz")}
    assert [job.targets for job in jobs_from_cohort(cohort, goals=goals)] == [goals] * 3


def test_sidecars_name_the_site_of_a_visit(cohort):
    for path in (cohort / "sub-01" / "ses-02").rglob("*.json"):
        write_json(path, {"InstitutionName": "Oslo"})
    assert [job.site for job in jobs_from_cohort(cohort)] == [None, "Oslo", None]


def test_contrasts_and_runs_choose_the_images_of_a_cohort(cohort):
    jobs = jobs_from_cohort(cohort, contrasts="t1w", runs=2)
    assert [names(job) for job in jobs] == [
        ("sub-01_ses-02_run-2", ["sub-01_ses-02_run-2_T1w.nii.gz"], ["sub-01_ses-01_T1w.nii.gz"])
    ]


def test_a_withheld_contrast_is_imputed(cohort):
    jobs = jobs_from_cohort(cohort, withheld="t1w")
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
        ({"cohort_dir": 2024}, "`cohort_dir` must be text, got 2024; put what you wrote in quotes"),
    ],
)
def test_a_wrong_choice_from_a_cohort_is_refused(cohort, changes, words):
    with pytest.raises(InputError) as caught:
        jobs_from_cohort(**({"cohort_dir": cohort} | changes))
    assert str(caught.value).startswith(words)


def test_a_subject_without_reference_is_refused(cohort):
    (cohort / "sub-01" / "ses-01" / "anat" / "sub-01_ses-01_run-1_FLAIR.nii.gz").unlink()
    with pytest.raises(InputError, match="every subject needs a reference, ses-01 run-1, but sub-01 has none in flair"):
        jobs_from_cohort(cohort)


@pytest.mark.parametrize(("name", "extension"), [("run-1_T1w", ".nii"), ("T1w", ".nii.gz")])
def test_two_images_that_would_have_one_output_are_refused(cohort, name, extension):
    write_image(cohort, f"sub-01_ses-02_{name}", extension)
    with pytest.raises(
        InputError, match="a visit must have one T1w image in each run, got .*_T1w.nii.* and .*_T1w.nii"
    ):
        jobs_from_cohort(cohort)
