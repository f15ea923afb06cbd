import json
from pathlib import Path

import pytest

from scripts.qc.summaries import read_made_from, read_origin, read_summaries


def write(folder: Path, content: str) -> Path:
    (folder / "sub-01_T1w.json").write_text(content, encoding="utf-8")
    return folder / "sub-01_T1w.nii.gz"


def test_site_and_scanner_are_read_from_the_sidecar(tmp_path):
    path = write(tmp_path, json.dumps({"InstitutionName": "Genève", "StationName": "MR2", "Manufacturer": "Philips"}))
    assert read_origin(path) == ("Genève", "MR2")


def test_a_scanner_without_a_name_is_known_by_its_model(tmp_path):
    content = {"Manufacturer": "Siemens", "ManufacturersModelName": "Prisma", "MagneticFieldStrength": 3}
    assert read_origin(write(tmp_path, json.dumps(content))) == ("", "Siemens Prisma 3")


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"InstitutionName": null}'])
def test_a_sidecar_that_says_nothing_is_no_obstacle(tmp_path, content):
    assert read_origin(write(tmp_path, content)) == ("", "")


def test_no_sidecar_is_no_obstacle(tmp_path):
    assert read_origin(tmp_path / "sub-01_T1w.nii.gz") == ("", "")


@pytest.mark.parametrize("content", ["{", "[1]", ""])
def test_a_damaged_summary_is_as_good_as_none(tmp_path, content):
    path = tmp_path / "sub-01" / "figures" / "sub-01_desc-summary_qc.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert read_made_from(path) is None and read_summaries(tmp_path) == []
