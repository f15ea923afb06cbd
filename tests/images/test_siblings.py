from pathlib import Path

import pytest

from scripts.images.siblings import contrast_of_name, siblings


def test_siblings_differ_in_nothing_but_the_suffix(tmp_path):
    for name in ("sub-01_T1w.nii.gz", "sub-01_FLAIR.nii", "sub-01_T2w.nii.gz", "sub-01_T2w.nii", "sub-01_T1w.json"):
        (tmp_path / name).touch()
    for name in ("sub-02_T2w.nii.gz", "sub-01_run-2_PDw.nii.gz", "sub-01_bold.nii.gz"):
        (tmp_path / name).touch()
    found = siblings(tmp_path / "sub-01_T1w.nii.gz")
    assert found == {"t2w": tmp_path / "sub-01_T2w.nii.gz", "flair": tmp_path / "sub-01_FLAIR.nii"}


def test_a_table_may_say_which_suffixes_count(tmp_path):
    for name in ("a_T1w.nii", "a_inplaneT2.nii", "a_ce_T1w.nii"):
        (tmp_path / name).touch()
    table = {"T1w": "t1w", "inplaneT2": "t2w", "ce_T1w": None}
    assert siblings(tmp_path / "a_T1w.nii", table) == {"t2w": tmp_path / "a_inplaneT2.nii"}
    assert siblings(tmp_path / "a_T1w.nii") == {}


@pytest.mark.parametrize(
    ("name", "contrast"),
    [
        ("sub-01_T1w.nii.gz", "t1w"),
        ("x_t1w.nii.gz", "t1w"),
        ("X_FLAIR.NII", "flair"),
        ("pdw.nii", "pd"),
        ("FLAIR_to_T1w.nii.gz", None),
        ("x.nii.gz", None),
        ("x_T1w_mask.nii.gz", None),
    ],
)
def test_the_contrast_of_a_name_is_its_suffix_in_any_case(name, contrast):
    assert contrast_of_name(Path(name)) == contrast
