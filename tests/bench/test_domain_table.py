from pathlib import Path

import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.base.text_files import write_json
from scripts.bench.domain_table import MEASURES, main, measure

from ..harmonize.tiny_subjects import AFFINE, write_image

SCANNERS = ("A", "B", "C")
STEM = "sub-01/ses-0{0}/anat/sub-01_ses-0{0}_run-1"


def image(gamma: float) -> np.ndarray:
    """A ramp in a cube, bent; its 95th percentile is not changed by a gain."""
    values = np.zeros((16, 16, 16))
    values[3:13, 3:13, 3:13] = np.linspace(0.1, 1, 1000).reshape(10, 10, 10) ** gamma
    return values


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    for number, (scanner, gamma) in enumerate(zip(SCANNERS, (1.0, 1.3, 1.6), strict=True), start=1):
        write_image(tmp_path / "cohort" / f"{STEM.format(number)}_T1w.nii.gz", 300 * number * image(gamma), AFFINE)
        write_json(tmp_path / "cohort" / f"{STEM.format(number)}_T1w.json", {"StationName": scanner})
    return tmp_path / "cohort"


def test_a_method_that_makes_all_alike_is_seen_to(cohort, tmp_path):
    for number in (1, 2, 3):
        write_image(tmp_path / "mine" / f"{STEM.format(number)}_desc-harmonized_T1w.nii.gz", image(1.3), AFFINE)
    table = measure(cohort, "A", {"mine": tmp_path / "mine"}, ["01"])
    assert list(table) == ["unharmonized", "mine"]
    assert {name: len(values) for name, values in table["mine"].items()} == {
        "between": 3,
        **dict.fromkeys(("target", "ssim", "psnr", "pcc"), 2),
    }
    assert table["mine"]["between"] == [0, 0, 0] and min(table["unharmonized"]["between"]) > 0.01
    # To the target's own image, which is never exchanged for what the method made of it.
    raw, mine = table["unharmonized"]["target"], table["mine"]["target"]
    assert mine == pytest.approx([raw[0]] * 2, rel=1e-3) and raw[1] > 1.5 * raw[0]
    assert table["mine"]["psnr"][1] > table["unharmonized"]["psnr"][1]


def test_the_table_has_a_row_for_each_method(cohort, capsys):
    main([str(cohort), "A"])
    head, _, row, *rest = capsys.readouterr().out.splitlines()
    assert all(heading in head for heading in MEASURES.values())
    assert row.startswith("| unharmonized | 0.") and not any(rest)


def test_a_scanner_that_nobody_was_on_is_refused(cohort):
    with pytest.raises(InputError, match="one image of the target's scanner Z, got 0 among those of sub-01"):
        measure(cohort, "Z", {}, [])
