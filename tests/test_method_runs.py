"""One contract over the runs of the trained methods: what is written, run again, refused, and trained in parts."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from scripts.base.errors import InputError, find_cause

from .harmonize.tiny_subjects import NARROW, NARROW_HACA3, harmonize, write_ball
from .methods.mispel.paired_scans import train_mispel, write_pairs
from .methods.mmh.tiny import NETWORK as NARROW_MMH
from .methods.ssim.tiny import NARROW as NARROW_SSIM
from .training.test_train_config import train
from .training.training_state import equal, state, stop_after_the_first_epoch

METHODS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "haca3plus": ((), NARROW),
    "haca3": (("method_haca3.json",), NARROW_HACA3),
    "mispel": (
        ("method_mispel.json",),
        {"network_def#width": 2, "scanners": ["A", "B"], "scanner": "B", "random_weights": True},
    ),
    "mmh": (
        ("method_mmh_small.json",),
        {**NARROW_MMH, "middle": 2, "steps_up": 2, "steps_down": 1, "random_weights": True},
    ),
    "ssim": (
        ("method_ssim.json",),
        {
            **{**NARROW_SSIM, "field": [16, 16, 16], "background#radius": 1, "scaling#percentile": 99.999},
            **{"random_weights": True, "styles": [["site:A"], ["site:B"]]},
        },
    ),
}
# These take no target; what a report says instead.
GOALS = {"mispel": "none; from B", "mmh": "none"}
# Neither in the order nor in the directions of the working grid.
AFFINE = np.array([[0.0, 1, 0, -15], [0, 0, 1, -28], [1, 0, 0, -6], [0, 0, 0, 1]])


def run(method: str, source: Path, output: Path, **options: Any) -> Path:
    overlays, changes = METHODS[method]
    target = {} if method in GOALS else {"target": str(write_ball(source.with_name("target_T1w.nii.gz"), seed=2))}
    return harmonize(output, *overlays, sources={"t1w": str(source)}, **changes, **target, **options)


def written(output: Path) -> dict[Path, bytes]:
    return {path.relative_to(output): path.read_bytes() for path in output.rglob("*") if path.is_file()}


@pytest.mark.parametrize("method", METHODS)
def test_shape_and_affine_are_kept_and_a_run_is_not_repeated(method, tmp_path):
    source = write_ball(tmp_path / "sub-01_T1w.nii.gz", seed=1, affine=AFFINE)
    output = run(method, source, tmp_path / "out")
    (path,) = output.rglob("*_T1w.nii.gz")
    given, made = (nibabel.Nifti1Image.from_filename(file) for file in (source, path))
    assert made.shape == given.shape
    np.testing.assert_allclose(made.affine, AFFINE)
    voxels = np.asarray(made.dataobj)
    assert np.isfinite(voxels).all()
    assert not voxels[np.asarray(given.dataobj) == 0].any()
    before, time = written(output), path.stat().st_mtime_ns
    run(method, source, output)
    assert path.stat().st_mtime_ns == time
    again = written(run(method, source, tmp_path / "again"))
    assert again[path.relative_to(output)] == before[path.relative_to(output)]


@pytest.mark.parametrize("method", METHODS)
def test_a_file_that_is_no_image_is_refused_and_leaves_nothing(method, tmp_path):
    source = tmp_path / "sub-01_T1w.nii.gz"
    source.write_text("no image")
    with pytest.raises(RuntimeError) as caught:
        run(method, source, tmp_path / "out")
    assert "sub-01_T1w.nii.gz" in str(find_cause(caught.value, InputError))
    assert not list(tmp_path.glob("out/**/*.nii.gz"))


@pytest.mark.parametrize("method", METHODS)
def test_the_report_says_what_an_image_was_brought_to(method, tmp_path):
    source = write_ball(tmp_path / "sub-01_T1w.nii.gz", seed=1)
    output = run(method, source, tmp_path / "out", qc_report=True, **{"report#viewer_megabytes": 0})
    page = next(path for path in output.glob("*.html") if path.name.startswith("sub-01")).read_text()
    assert GOALS.get(method, "target_T1w.nii.gz") in page
    assert ("The harmonized curve should be closer" in page) is (method not in GOALS)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a table for HACA3, to which the scans of two scanners are of two contrasts."""
    folder = write_pairs(tmp_path_factory.mktemp("cohort"))
    stem = "sub-0{0}/ses-0{1}/anat/sub-0{0}_ses-0{1}_run-1_T1w.nii.gz"
    rows = [",".join([f"0{n}", stem.format(n, 1), stem.format(n, 2)]) for n in (1, 2, 3)]
    (folder / "study.csv").write_text("\n".join(["subject,t1w,t2w", *rows]) + "\n")
    return folder


def train_method(method: str, cohort: Path, output: Path) -> dict[str, Any]:
    if method == "mispel":
        return state(train_mispel(cohort, output))
    return state(train(cohort / "study.csv", output, artifact_weights=""))


@pytest.mark.parametrize("method", ["haca3", "mispel"])
def test_an_interrupted_training_goes_on_exactly(method, cohort, tmp_path, monkeypatch):
    expected = train_method(method, cohort, tmp_path / "whole")
    with monkeypatch.context() as patch:
        stop_after_the_first_epoch(patch)
        with pytest.raises(RuntimeError):
            train_method(method, cohort, tmp_path / "parts")
    assert state(tmp_path / "parts")["epoch"] == 1
    assert equal(train_method(method, cohort, tmp_path / "parts"), expected)
