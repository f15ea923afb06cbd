"""The current BIDS validator finds no error in what runs leave."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .bids_study import write_study
from .tiny_subjects import harmonize, write_ball

VALIDATOR = Path(sys.executable).with_name("bids-validator-deno")

pytestmark = pytest.mark.skipif(
    not VALIDATOR.exists(), reason="the BIDS validator of requirements-dev.txt is not installed"
)


def errors(folder: Path) -> list[dict[str, Any]]:
    command = [str(VALIDATOR), "--format", "json", str(folder)]
    result = subprocess.run(command, capture_output=True, text=True)
    found = json.loads(result.stdout)["issues"]["issues"]
    return [issue for issue in found if issue["severity"] == "error"]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return write_study(tmp_path / "study", people=1, suffixes=("T1w", "FLAIR"))


def test_harmonized_images_with_all_maps_in_both_spaces_are_valid_derivatives(study, tmp_path):
    targets = {contrast: str(write_ball(tmp_path / f"{contrast}.nii.gz", seed=5)) for contrast in ("t1w", "flair")}
    maps = ["attention", "uncertainty", "imputed"]
    output = harmonize(tmp_path / "out", bids_dir=str(study), targets=targets, space="both", maps=maps)
    assert len(list(output.rglob("*.nii.gz"))) == 2 * 2 * 5
    assert errors(output) == []


def test_codes_are_valid_derivatives(study, tmp_path):
    output = harmonize(tmp_path / "codes", "encode.json", bids_dir=str(study))
    assert len(list(output.rglob("*_desc-code_*.json"))) == 2
    assert errors(output) == []


def test_the_validator_would_find_an_error(study, tmp_path):
    assert errors(study) == []
    (study / "sub-01" / "anat" / "sub-01_T1w.nii.gz").write_bytes(b"")
    assert "EMPTY_FILE" in {issue["code"] for issue in errors(study)}
