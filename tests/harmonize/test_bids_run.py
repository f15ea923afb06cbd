"""configs/inference.json over a raw BIDS folder: its table of suffixes, labels, and a site as the target."""

import json
from pathlib import Path

import pytest

from scripts.base.errors import InputError, find_cause
from scripts.jobs.targets import read_target_code

from .bids_study import status, write_study
from .tiny_subjects import harmonize, write_ball

SITE = {"target": "site:site 1", "target_contrast": "t1w"}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Persons 1 and 3 are of site 1; person 2 has an image after a contrast agent alone."""
    folder = write_study(tmp_path / "study")
    for path in (folder / "sub-02" / "anat").iterdir():
        path.rename(path.with_name(path.name.replace("_T1w", "_ce-gad_T1w")))
    return folder


def test_a_chosen_person_is_harmonized_to_a_site_of_the_whole_cohort(study, tmp_path):
    asked = {"suffixes#ce_T1w": "t1w", "participant_label": "02"}
    output = harmonize(tmp_path / "out", bids_dir=str(study), **SITE, **asked)
    assert status(output) == {"sub-02": ["done", ""]}
    (image,) = output.rglob("*_T1w.nii.gz")
    assert image == output / "sub-02" / "anat" / "sub-02_desc-meaningless_T1w.nii.gz"
    sidecar = json.loads(image.with_name("sub-02_desc-meaningless_T1w.json").read_text())
    assert sidecar["SourceImages"]["t1w"]["file"] == "sub-02_ce-gad_T1w.nii.gz"
    assert sidecar["Target"]["origin"] == "mean of 2 images of site site 1"
    assert read_target_code(output / "target-site1_T1w.json").numbers["theta"] == sidecar["Target"]["theta"]


def test_images_after_a_contrast_agent_are_not_used_unless_asked_for(study, tmp_path):
    with pytest.raises(Exception) as caught:
        harmonize(tmp_path / "out", bids_dir=str(study), **SITE, participant_label="02")
    words = "`participant_label` must be among sub-01, sub-03, got sub-02"
    assert str(find_cause(caught.value, InputError)) == words
    assert not (tmp_path / "out").exists()


def test_a_method_that_cannot_impute_leaves_out_what_a_person_lacks(tmp_path):
    study = write_study(tmp_path / "study", suffixes=("T1w", "FLAIR"))
    (study / "sub-02" / "anat" / "sub-02_FLAIR.nii.gz").unlink()
    targets = {c: str(write_ball(tmp_path / f"target_{s}.nii.gz", 9)) for c, s in (("t1w", "T1w"), ("flair", "FLAIR"))}
    output = harmonize(tmp_path / "out", "method_mean_std.json", bids_dir=str(study), targets=targets)
    assert status(output) == {f"sub-0{number}": ["done", ""] for number in (1, 2, 3)}
    made = [path.name.removesuffix(".nii.gz") for path in sorted(output.rglob("*.nii.gz"))]
    expected = [("01", "FLAIR"), ("01", "T1w"), ("02", "T1w"), ("03", "FLAIR"), ("03", "T1w")]
    assert made == [f"sub-{person}_desc-harmonized_{suffix}" for person, suffix in expected]
