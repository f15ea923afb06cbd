from pathlib import Path

import numpy as np
import pytest

from scripts.base.text_files import write_json
from scripts.images.bids_cohort import output_path, read_cohort
from scripts.images.grid import GRID_AFFINE, GRID_SHAPE
from scripts.images.mni152 import load_template
from scripts.images.volumes import write_volume
from scripts.jobs.from_cohort import TravelingPeople
from scripts.jobs.jobs import Job
from scripts.jobs.naming import GRID_SPACE, OutputNames, sidecar_path, site_code_path
from scripts.jobs.wanted import WantedTargets

OUT = Path("/out")


def names(session: str | None = "ses-02", run: int | None = 1, desc: str = "harmonized", space: str | None = None):
    return OutputNames(OUT, Job("sub-01", session, run, {}, {}), desc, space)


@pytest.mark.parametrize(
    ("session", "run", "space", "name"),
    [
        ("ses-02", 1, None, "sub-01/ses-02/anat/sub-01_ses-02_run-1_desc-harmonized_T1w.nii.gz"),
        ("ses-02", None, None, "sub-01/ses-02/anat/sub-01_ses-02_desc-harmonized_T1w.nii.gz"),
        (None, None, None, "sub-01/anat/sub-01_desc-harmonized_T1w.nii.gz"),
        (None, None, GRID_SPACE, "sub-01/anat/sub-01_space-MNI152NLin2009aSym_desc-harmonized_T1w.nii.gz"),
    ],
)
def test_an_image_is_named_by_what_the_job_has(session, run, space, name):
    assert names(session, run, space=space).image("t1w") == OUT / name


def test_what_comes_with_an_image_cannot_be_taken_for_it():
    outputs = names(session=None, run=None, desc="meaningless", space="X")
    anat = OUT / "sub-01" / "anat"
    assert outputs.image("pd") == anat / "sub-01_space-X_desc-meaningless_PDw.nii.gz"
    assert outputs.imputed("pd") == anat / "sub-01_space-X_desc-imputedPDw_mask.nii.gz"
    assert outputs.uncertainty("pd") == anat / "sub-01_space-X_stat-uncertainty_desc-meaninglessPDw_statmap.nii.gz"
    attention = "sub-01_space-X_stat-attentionFLAIR_desc-meaninglessPDw_statmap.nii.gz"
    assert outputs.attention("pd", "flair") == anat / attention
    assert outputs.features() == anat / "sub-01_desc-meaningless_features.tsv"


def test_a_sidecar_lies_beside_its_output():
    outputs = names()
    folder = OUT / "sub-01" / "ses-02" / "anat"
    assert sidecar_path(outputs.image("flair")) == folder / "sub-01_ses-02_run-1_desc-harmonized_FLAIR.json"
    assert sidecar_path(outputs.features()) == folder / "sub-01_ses-02_run-1_desc-harmonized_features.json"


@pytest.mark.parametrize(
    ("site", "name"),
    [("Oslo, ward 7", "target-Osloward7_T1w.json"), ("../北京_1", "target-北京1_T1w.json"), ("/", "target-_T1w.json")],
)
def test_a_site_gives_its_code_a_name_that_stays_in_the_folder(site, name):
    assert site_code_path(OUT, site, "t1w") == OUT / name


def test_an_evaluation_finds_what_a_cohort_job_wrote(tmp_path):
    for name in ("sub-01_ses-01_T1w", "sub-01_ses-02_run-1_T1w", "sub-01_ses-02_run-02_T1w"):
        path = tmp_path / "sub-01" / name.split("_")[1] / "anat" / f"{name}.nii.gz"
        write_volume(path, np.zeros((2, 2, 2), np.uint8))
        write_json(path.with_name(f"{name}.json"), {})
    jobs = TravelingPeople(tmp_path, runs=(1, 2)).jobs(WantedTargets())
    written = [OutputNames(OUT, job, "harmonized").image("t1w") for job in jobs]
    assert written == [output_path(OUT, image) for image in read_cohort(tmp_path)]


def test_the_working_grid_has_the_space_its_name_says():
    # The symmetric template mirrors onto itself about x = 0: LAS voxel 96, so voxels 1 to 191.
    t1w = load_template().t1w[1:]
    assert GRID_SHAPE[0] == 192 and GRID_AFFINE[0] @ [96, 0, 0, 1] == 0
    np.testing.assert_array_equal(t1w, t1w[::-1])
