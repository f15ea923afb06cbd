from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from scripts.base.contrasts import CONTRASTS
from scripts.base.errors import InputError
from scripts.base.text_files import write_json
from scripts.jobs.choose import choose_jobs
from scripts.jobs.from_bids import BidsFolder
from scripts.jobs.from_cohort import TravelingPeople
from scripts.jobs.from_file import SubjectsFile
from scripts.jobs.from_sources import OneSubject
from scripts.jobs.jobs import Job
from scripts.jobs.wanted import WantedTargets

SOURCES = {"t1w": "sub-01_T1w.nii.gz"}
TARGET = "site-3_T1w.nii.gz"


def choose(given: Mapping[str, Any] = MappingProxyType({}), **wanted: Any) -> list[Job]:
    """The jobs where the user has `given` options of the ways to name subjects."""
    ways = [
        OneSubject(*(given.get(key) for key in ("sources", "subject", "session", "scanner"))),
        SubjectsFile(given.get("cohort_file")),
        TravelingPeople(given.get("cohort_dir"), given.get("contrasts", CONTRASTS)),
        BidsFolder(given.get("bids_dir")),
    ]
    return choose_jobs(ways, WantedTargets(**wanted))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A file of subjects, and a cohort of two visits whose first has no FLAIR image."""
    (tmp_path / "study.csv").write_text("subject,t1w\n01,a.nii.gz\n02,b.nii.gz\n")
    for session, suffix in (("ses-01", "T1w"), ("ses-02", "T1w"), ("ses-02", "FLAIR")):
        image = tmp_path / "bids" / "sub-01" / session / "anat" / f"sub-01_{session}_{suffix}.nii.gz"
        write_json(image.with_name(image.name.replace(".nii.gz", ".json")), {})
        image.touch()
    return tmp_path


def test_each_way_gives_its_jobs(folder):
    (one,) = choose({"sources": SOURCES, "session": "00"}, target=TARGET)
    assert (one.name, one.targets) == ("sub-01_ses-00", {"t1w": Path(TARGET)})
    two = choose({"cohort_file": str(folder / "study.csv")}, target=TARGET)
    assert [(job.name, job.targets) for job in two] == [(f"sub-0{n}", {"t1w": Path(TARGET)}) for n in (1, 2)]
    (first, second) = choose({"bids_dir": str(folder / "bids")}, target=TARGET)
    assert [(job.name, list(job.sources)) for job in (first, second)] == [
        ("sub-01_ses-01", ["t1w"]),
        ("sub-01_ses-02", ["t1w", "flair"]),
    ]
    assert first.targets == second.targets == {"t1w": Path(TARGET)}
    visits = choose({"cohort_dir": str(folder / "bids"), "contrasts": "t1w"})
    first = folder / "bids/sub-01/ses-01/anat/sub-01_ses-01_T1w.nii.gz"
    assert [(job.name, job.targets) for job in visits] == [(f"sub-01_ses-0{n}_run-1", {"t1w": first}) for n in (1, 2)]


def test_jobs_without_targets_need_none(folder):
    ways: list[dict[str, Any]] = [{"sources": SOURCES}, {"cohort_file": str(folder / "study.csv")}]
    # Its FLAIR image has no reference.
    ways += [{"cohort_dir": str(folder / "bids")}, {"bids_dir": str(folder / "bids")}]
    jobs = [job for way in ways for job in choose(way, taken=False)]
    assert [job.targets for job in jobs] == [{}] * 7
    with pytest.raises(InputError, match="every subject needs a reference, ses-01 run-1, but sub-01 has none in flair"):
        choose({"cohort_dir": str(folder / "bids")})


def test_named_targets_are_known_to_every_way(folder):
    write_json(folder / "targets.json", {"site_3": {"t1w": {"theta": [0, 1], "eta": [2, 3]}}})
    for way in (
        {"sources": SOURCES},
        {"cohort_file": str(folder / "study.csv")},
        {"cohort_dir": str(folder / "bids")},
        {"bids_dir": str(folder / "bids")},
    ):
        job = choose(way, target="site_3", named_targets=folder / "targets.json")[0]
        assert job.targets["t1w"].numbers == {"theta": [0, 1], "eta": [2, 3]}


@pytest.mark.parametrize(
    ("given", "wanted", "words"),
    [
        ({}, {}, "exactly one of sources, cohort_file, cohort_dir, bids_dir must be given, got none"),
        ({"sources": SOURCES, "cohort_dir": "x"}, {}, "exactly one of .* must be given, got sources and cohort_dir"),
        (
            {"cohort_dir": "x", "subject": "01"},
            {},
            "`subject` and `session` belong to `sources`, got '01' beside cohort_dir",
        ),
        (
            {"cohort_file": "x", "session": 1},
            {},
            "`subject` and `session` belong to `sources`, got 1 beside cohort_file",
        ),
        (
            {"cohort_file": "x", "scanner": "A"},
            {},
            "`scanner` belongs to `sources`, got 'A' beside cohort_file; there a column",
        ),
        ({"cohort_dir": "x"}, {"target": "a", "taken": False}, "this run takes no target, got 'a'"),
        ({"sources": SOURCES}, {"targets": {"t1w": "a"}, "taken": False}, "this run takes no target, got {'t1w'"),
        ({"sources": SOURCES}, {}, "exactly one of `target` and `targets` must be given, got neither"),
    ],
)
def test_wrong_way_is_refused(given, wanted, words):
    with pytest.raises(InputError, match=words):
        choose(given, **wanted)
