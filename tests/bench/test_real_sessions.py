from pathlib import Path

import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.bench.real_sessions import SPACE, SUFFIXES, table
from scripts.metrics.image import psnr

from ..harmonize.tiny_subjects import AFFINE, write_image

SHAPE = (12, 12, 12)
BRAIN = np.zeros(SHAPE, dtype=bool)
BRAIN[1:11, 1:11, 1:11] = True


def scan(session: int) -> np.ndarray:
    values = np.random.default_rng(session).uniform(0.2, 1.0, SHAPE)
    # What one session does not show is compared in neither.
    values[1:3] *= session == 1
    return values


def write(root: Path, method: str, session: int, voxels: np.ndarray) -> None:
    folder = root / f"{method}_{session}" / "sub-ms12" / f"ses-{session}" / "anat"
    for suffix in SUFFIXES:
        write_image(folder / f"sub-ms12_ses-{session}_{SPACE}_{suffix}.nii.gz", voxels, AFFINE)


def test_each_session_is_compared_with_the_other_as_it_was(tmp_path: Path):
    for session, other in ((1, 2), (2, 1)):
        write(tmp_path, "none", session, scan(session))
        # A gain means nothing.
        write(tmp_path, "perfect", session, 3 * scan(other))
    rows = [line.split("|")[1:-1] for line in table(tmp_path, "ms12", ["none", "perfect"], BRAIN).splitlines()[2:]]
    assert [row[0].strip() for row in rows] == ["1 to 2"] * 3 + ["2 to 1"] * 3
    region = BRAIN & (scan(1) > 0) & (scan(2) > 0)
    first, second = (scan(session) / np.percentile(scan(session)[region], 95) for session in (1, 2))
    for row in rows:
        assert float(row[2].split("/")[0]) == pytest.approx(psnr(first, second, region), abs=0.01)
        assert float(row[3].split("/")[0]) > 60 and float(row[3].split("/")[1]) > 0.9999


def test_a_method_that_was_not_run_is_refused(tmp_path: Path):
    for session in (1, 2):
        write(tmp_path, "none", session, scan(session))
    with pytest.raises(InputError, match="`nyul` must have harmonized session 1 with `--space mni`"):
        table(tmp_path, "ms12", ["nyul"], BRAIN)
