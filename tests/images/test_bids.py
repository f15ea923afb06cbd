import json
import logging
from pathlib import Path
from typing import Any

import pytest

from scripts.images.bids import BidsImage, read_bids, read_participants


def touch(path: Path, content: Any = "") -> Path:
    """A file of text, or of what JSON makes of the content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def by_name(folder: Path) -> dict[str, BidsImage]:
    return {image.path.name: image for image in read_bids(folder)}


def test_images_of_subjects_with_and_without_sessions_are_found(tmp_path):
    touch(tmp_path / "sub-02/anat/sub-02_acq-fast_run-02_T2w.nii")
    touch(tmp_path / "sub-01/ses-b/anat/sub-01_ses-b_T1w.nii.gz")
    touch(tmp_path / "sub-01/ses-b/func/sub-01_ses-b_task-rest_bold.nii.gz")
    touch(tmp_path / "derivatives/x/sub-01/anat/sub-01_desc-preproc_T1w.nii.gz")
    first, second = read_bids(tmp_path)
    assert (first.subject, first.session, first.run, first.suffix) == ("sub-01", "ses-b", 1, "T1w")
    assert (second.subject, second.session, second.run, second.suffix) == ("sub-02", None, 2, "T2w")
    assert second.entities == {"sub": "02", "acq": "fast", "run": "02"}
    assert first.sidecar is second.sidecar is None


@pytest.mark.parametrize(
    "name",
    ["sub-02_T1w.nii.gz", "T1w.nii.gz", "sub-01_T1w.v2.nii.gz", "sub-01_ses-1_T1w.nii.gz", "sub-01_acq_T1w.nii.gz"],
)
def test_an_image_whose_name_belongs_elsewhere_is_not_used_and_said_to_be(tmp_path, caplog, name):
    path = touch(tmp_path / "sub-01" / "anat" / name)
    assert read_bids(tmp_path) == []
    assert caplog.messages == [f"{path} is not used: BIDS has no image of this name in this folder"]


def test_folders_with_spaces_and_links_to_elsewhere_are_read(tmp_path):
    touch(tmp_path / "mine" / "anat" / "sub-01_T1w.nii.gz")
    study = tmp_path / "Étude à deux"
    study.mkdir()
    (study / "sub-01").symlink_to(tmp_path / "mine")
    (image,) = read_bids(study)
    assert image.path == study / "sub-01" / "anat" / "sub-01_T1w.nii.gz"


def test_sidecars_are_inherited_and_the_nearest_counts(tmp_path):
    touch(tmp_path / "T1w.json", {"InstitutionName": "all", "Manufacturer": "M", "EchoTime": 1})
    touch(tmp_path / "acq-fast_T1w.json", {"EchoTime": 2})
    touch(tmp_path / "T2w.json", {"EchoTime": 9})
    touch(tmp_path / "sub-01" / "sub-01_T1w.json", {"InstitutionName": "one"})
    touch(tmp_path / "sub-01/anat/sub-01_acq-fast_T1w.nii.gz")
    touch(tmp_path / "sub-01/anat/sub-01_acq-fast_T1w.json", {"Manufacturer": "N"})
    touch(tmp_path / "sub-02/anat/sub-02_T1w.nii.gz")
    images = by_name(tmp_path)
    assert images["sub-01_acq-fast_T1w.nii.gz"].sidecar == {
        "InstitutionName": "one",
        "Manufacturer": "N",
        "EchoTime": 2,
    }
    assert images["sub-02_T1w.nii.gz"].sidecar == {"InstitutionName": "all", "Manufacturer": "M", "EchoTime": 1}


def test_a_broken_sidecar_is_said_to_be_and_counts_as_none(tmp_path, caplog):
    for subject, content in (("sub-01", '{"Manufacturer": '), ("sub-02", "[1]")):
        touch(tmp_path / subject / "anat" / f"{subject}_T1w.nii.gz")
        touch(tmp_path / subject / "anat" / f"{subject}_T1w.json", content)
    assert [image.sidecar for image in read_bids(tmp_path)] == [None, None]
    first, second = caplog.messages
    assert "sub-01/anat/sub-01_T1w.json must be a readable JSON file: Expecting value" in first
    assert "sub-02/anat/sub-02_T1w.json is not used, since it must hold an object: it holds [1]" in second


@pytest.mark.parametrize("depth", [101, 900, 100_000])
def test_a_sidecar_that_is_nested_without_end_counts_as_none(tmp_path, caplog, depth):
    touch(tmp_path / "sub-01/anat/sub-01_T1w.nii.gz")
    sidecar = touch(tmp_path / "sub-01/anat/sub-01_T1w.json", '{"StationName": ' + "[" * depth + "]" * depth + "}")
    assert [image.sidecar for image in read_bids(tmp_path)] == [None]
    (message,) = caplog.messages
    assert message.startswith(f"sidecar {sidecar} must be a readable JSON file: it is nested ")


def test_the_site_is_the_first_field_that_says_something(tmp_path):
    touch(tmp_path / "sub-01/anat/sub-01_T1w.nii.gz")
    touch(tmp_path / "T1w.json", {"InstitutionName": "", "StationName": "MR 2", "Manufacturer": "N"})
    (image,) = read_bids(tmp_path)
    assert image.first_of(["InstitutionName", "StationName", "Manufacturer"]) == "MR 2"
    assert image.first_of(["Manufacturer"]) == "N"
    assert image.first_of(["DeviceSerialNumber"]) is None


def test_a_site_is_a_text_or_a_number_that_can_be_written(tmp_path):
    touch(tmp_path / "sub-01/anat/sub-01_T1w.nii.gz")
    touch(tmp_path / "T1w.json", {"InstitutionName": ["Oslo"], "StationName": "Oslo\ud800", "Manufacturer": 3})
    (image,) = read_bids(tmp_path)
    assert image.first_of(["InstitutionName", "StationName"]) == "Oslo?"
    assert image.first_of(["Manufacturer"]) == "3"


def test_participants_have_what_the_column_says(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    table = "\ufeffparticipant_id\tage\tsite\r\nsub-01\t7\tOslo\r\nsub-02\t8\tn/a\r\nsub-03\t9\r\n"
    assert read_participants(tmp_path, "site") == {}
    touch(tmp_path / "participants.tsv", table)
    assert read_participants(tmp_path, "site") == {"sub-01": "Oslo"}
    assert read_participants(tmp_path, "scanner") == {}
    (tmp_path / "participants.tsv").write_bytes(b"participant_id\tsite\nsub-01\tM\xfcnchen\n")
    assert read_participants(tmp_path, "site") == {}
    (message,) = caplog.messages
    assert message.startswith(f"{tmp_path / 'participants.tsv'} is not used, since it cannot be read: 'utf-8' codec")
