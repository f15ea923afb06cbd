import logging
from pathlib import Path

import pytest

from scripts.base.errors import InputError
from scripts.base.text_files import write_json
from scripts.jobs.from_bids import BidsFolder
from scripts.jobs.from_cohort import TravelingPeople
from scripts.jobs.from_file import SubjectsFile
from scripts.jobs.from_sources import OneSubject
from scripts.jobs.jobs import Job
from scripts.jobs.middle_ground import to_middle_ground
from scripts.jobs.targets import MiddleGround
from scripts.jobs.wanted import WantedTargets
from scripts.jobs.ways import Way

FIELDS = ["StationName"]


@pytest.fixture
def bids(tmp_path: Path) -> Path:
    """Two visits to scanners that their sidecars name; the second, whose name is inherited, has a FLAIR image."""
    for session, suffix in (("ses-01", "T1w"), ("ses-02", "T1w"), ("ses-02", "FLAIR")):
        image = tmp_path / "bids" / "sub-01" / session / "anat" / f"sub-01_{session}_{suffix}.nii.gz"
        write_json(image.with_name(image.name.replace(".nii.gz", ".json")), {"StationName": f"scanner-{session}"})
        image.touch()
    return tmp_path / "bids"


def scanners(way: Way) -> list[dict]:
    jobs = way.jobs(WantedTargets(taken=False))
    return [job.targets for job in to_middle_ground(jobs, ["t1w"], FIELDS)]


def test_every_way_to_name_jobs_can_name_scanners(bids):
    expected = [{"t1w": MiddleGround("scanner-ses-01")}, {"t1w": MiddleGround("scanner-ses-02")}]
    assert scanners(BidsFolder(str(bids))) == expected
    assert scanners(TravelingPeople(str(bids), contrasts="t1w")) == expected
    image = str(bids / "sub-01/ses-01/anat/sub-01_ses-01_T1w.nii.gz")
    assert scanners(OneSubject({"t1w": image})) == expected[:1]
    assert scanners(OneSubject({"t1w": image}, scanner="mine")) == [{"t1w": MiddleGround("mine")}]
    table = bids.parent / "study.csv"
    table.write_text(f"subject,scanner,t1w\n01,A 1,{image}\n02,,{image}\n03,,elsewhere.nii.gz\n")
    rows = scanners(SubjectsFile(str(table)))
    assert rows == [{"t1w": MiddleGround(name)} for name in ("A 1", "scanner-ses-01", None)]


def test_inherited_sidecars_name_scanners_too(bids):
    for path in bids.rglob("*_T1w.json"):
        path.unlink()
    write_json(bids / "T1w.json", {"DeviceSerialNumber": 7})
    study = BidsFolder(str(bids), scanner_fields=["StationName", "DeviceSerialNumber"])
    assert scanners(study) == [{"t1w": MiddleGround("7")}, {"t1w": MiddleGround("7")}]


def test_what_the_method_does_not_harmonize_is_left_out(caplog):
    both = Job("sub-01", None, None, {"t1w": Path("a.nii"), "flair": Path("b.nii")}, {})
    other = Job("sub-02", None, None, {"flair": Path("c.nii")}, {})
    with caplog.at_level(logging.WARNING):
        (job,) = to_middle_ground([both, other], "t1w", FIELDS)
    assert job.sources == {"t1w": Path("a.nii")}
    assert "sub-02 is left out: it has no t1w image" in caplog.text
    with pytest.raises(InputError, match="this method harmonizes t1w, but the images are all flair"):
        to_middle_ground([other], ["t1w"], FIELDS)


def test_jobs_of_methods_with_targets_stay_as_they_are():
    job = Job("sub-01", None, None, {"t1w": Path("a.nii")}, {"flair": Path("b.nii")})
    assert to_middle_ground([job], [], FIELDS) == [job]


def test_an_unknown_contrast_is_refused():
    with pytest.raises(InputError, match=r"`middle_ground` must hold some of t1w, t2w, pd, flair, got \['dwi'\]"):
        to_middle_ground([], ["dwi"], FIELDS)
