"""configs/inference.json with the correction of bias: of sources and of targets alike."""

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from ..harmonize.tiny_subjects import SHAPE, harmonize, write_image

X, Y, Z = np.meshgrid(*(np.linspace(-1, 1, size) for size in SHAPE), indexing="ij")
INSIDE = X**2 + Y**2 + Z**2 < 0.8**2


def write_uneven_ball(path: Path, axis: np.ndarray, seed: int) -> Path:
    """A ball of one tissue that becomes brighter along an axis."""
    noise = np.random.default_rng(seed).normal(0, 0.5, SHAPE)
    return write_image(path, np.where(INSIDE, 100 * np.exp(0.5 * axis) + noise, 0))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, tuple[np.ndarray, dict[str, Any]]]:
    """Inside the ball what a run without and one with correction write, and their sidecars."""
    folder = tmp_path_factory.mktemp("runs")
    found = {}
    for corrected in (False, True):
        output = harmonize(
            folder / str(corrected),
            "method_mean_std.json",
            sources={"t1w": str(write_uneven_ball(folder / "sub-01_T1w.nii.gz", X, seed=1))},
            target=str(write_uneven_ball(folder / "target_T1w.nii.gz", Y, seed=2)),
            target_contrast="t1w",
            correct_bias=corrected or None,
            **{"bias_correction#voxel_mm": 2.0, "bias_correction#iterations": [20, 20]},
        )
        path = output / "sub-01" / "anat" / "sub-01_desc-harmonized_T1w.nii.gz"
        sidecar = json.loads(path.with_name("sub-01_desc-harmonized_T1w.json").read_text())
        found[corrected] = nibabel.load(path).get_fdata()[INSIDE], sidecar
    return found


def slope(values: np.ndarray) -> float:
    """Along X, as a share of the mean."""
    return float(np.polyfit(X[INSIDE], values / values.mean(), 1)[0])


def test_without_it_source_and_target_stay_uneven(runs):
    values, sidecar = runs[False]
    assert slope(values) > 0.4
    assert values.std() / values.mean() > 0.15
    assert sidecar["Method"]["corrections"] == []


def test_sources_are_corrected(runs):
    values, sidecar = runs[True]
    assert abs(slope(values)) < 0.05
    (correction,) = sidecar["Method"]["corrections"]
    assert correction == {
        "_target_": "BiasCorrection",
        "voxel_mm": 2.0,
        "iterations": [20, 20],
        "control_points": 4,
    }


def test_targets_are_corrected(runs):
    # This method gives the result the mean and the standard deviation of the target.
    (before, _), (after, _) = runs[False], runs[True]
    assert after.std() / after.mean() < 0.5 * before.std() / before.mean()
