"""What an evaluation refuses, always before anything is written."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.base.worker_pool import WorkerPool
from scripts.images.bids_cohort import output_path, truth_path
from scripts.images.volumes import read_volume, write_volume

from .ball_cohort import AFFINE, BRAIN, SHAPE, make_evaluation, write_cohort, write_copy_of_references

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    write_cohort(folder)
    return folder


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tables": ["image"]}, "`tables` must hold some of images, regions, site_probe, pairs, got image"),
        ({"tables": []}, "`tables` must hold some of .* got none"),
        ({"contrasts": ["t1"]}, "`contrasts` must hold some of t1w, t2w, pd, flair, got t1"),
        ({"region_contrast": "flair"}, "`region_contrast` must hold some of t1w, got flair"),
        ({"truth": "noisy"}, "`truth` must hold some of scan, clean, got noisy"),
        ({"truth": "clean"}, "`truth` may be clean for a cohort that was simulated with it, but .*desc-clean_T1w.*"),
        ({"methods": {"rescan": "x"}}, "`methods` must not be named like the rows .* got rescan"),
        ({"methods": {"nyul": "nowhere"}}, "`methods#nyul` must be a folder of outputs, but nowhere is not a folder"),
        ({"cohort_dir": "nowhere"}, "cohort_dir must be a BIDS folder"),
        ({"participant_label": "07"}, "`participant_label` must be among sub-01, sub-02, got sub-07"),
    ],
)
def test_refuses_bad_settings(cohort: Path, tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        make_evaluation(cohort, {}, tmp_path / "out", **changes).run()
    assert list(tmp_path.iterdir()) == []


def test_refuses_no_worker() -> None:
    with pytest.raises(InputError, match="`workers` must be a whole number of at least 1, got 0"):
        WorkerPool(0)


def damage_shape(path: Path) -> None:
    write_volume(path, read_volume(path)[0][:-1], AFFINE)


def damage_affine(path: Path) -> None:
    write_volume(path, read_volume(path)[0], AFFINE + 0.1)


def damage_values(path: Path) -> None:
    voxels = read_volume(path)[0]
    voxels[10, 10, 10] = np.nan
    write_volume(path, voxels, AFFINE)


def make_constant(path: Path) -> None:
    write_volume(path, np.where(BRAIN, 5.0, 0.0).astype(np.float32), AFFINE)


def make_negative(path: Path) -> None:
    write_volume(path, read_volume(path)[0] - 1000.0, AFFINE)


def make_unreadable(path: Path) -> None:
    path.write_bytes(b"not an image")


def make_empty(path: Path) -> None:
    path.write_bytes(b"")


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (make_empty, "image file .*copies.* is empty"),
        (cut_short, "image file .*copies.* is truncated"),
        (Path.unlink, "every image of the cohort is needed from every method, but .*copies.* does not exist"),
        (make_unreadable, "must be a readable NIfTI file"),
        (damage_shape, r"image shapes must match: .*copies.* has \(23, 22, 20\), its reference .* \(24, 22, 20\)"),
        (damage_affine, "image affines must match within 0.001 mm: .*copies.* differ by 0.1"),
        (damage_values, "copies.* must be finite, 1 voxels are not"),
        (make_constant, "images must not be constant inside the brain, but .*copies.* is 5 everywhere"),
        (make_negative, "copies.*percentile inside the mask must be positive"),
    ],
)
def test_refuses_a_damaged_output_of_a_method(tmp_path: Path, damage: Any, words: str) -> None:
    images = write_cohort(tmp_path / "cohort", subjects=1, sessions=2, runs=1)
    copies = write_copy_of_references(tmp_path / "copies", images)
    damage(output_path(copies, images[1]))
    with pytest.raises(InputError, match=words):
        make_evaluation(tmp_path / "cohort", {"copies": copies}, tmp_path / "out", tables=["images"]).run()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cohort", "copies"]


def test_refuses_an_empty_mask(tmp_path: Path) -> None:
    write_cohort(tmp_path / "cohort", subjects=1, sessions=2, runs=1)
    write_volume(truth_path(tmp_path / "cohort", "sub-01", "desc-brain_mask"), np.zeros(SHAPE, np.uint8), AFFINE)
    with pytest.raises(InputError, match="brain mask must hold at least one voxel"):
        make_evaluation(tmp_path / "cohort", {}, tmp_path / "out", tables=["images"]).run()


def test_refuses_one_session_only(tmp_path: Path) -> None:
    write_cohort(tmp_path / "cohort", sessions=1)
    with pytest.raises(InputError, match="at least 2 sessions .* CV is undefined.* sub-01 has only ses-01"):
        make_evaluation(tmp_path / "cohort", {}, tmp_path / "out").run()


def test_refuses_a_subject_without_a_reference(tmp_path: Path) -> None:
    images = write_cohort(tmp_path / "cohort", runs=1)
    images[0].path.unlink()
    with pytest.raises(InputError, match="every subject needs a reference, ses-01 run-1, but sub-01 has none in t1w"):
        make_evaluation(tmp_path / "cohort", {}, tmp_path / "out").run()


def test_refuses_a_site_probe_that_has_one_subject(tmp_path: Path) -> None:
    write_cohort(tmp_path / "cohort", subjects=1)
    with pytest.raises(InputError, match="at least 2 sites were each visited by 2 subjects, got 0 such sites in t1w"):
        make_evaluation(tmp_path / "cohort", {}, tmp_path / "out").run()


def test_refuses_a_folder_that_is_not_ours(cohort: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(InputError, match="must be absent, empty or an earlier evaluation, but .* holds something else"):
        make_evaluation(cohort, {}, tmp_path).run()
    assert (tmp_path / "letter.txt").read_text() == "mine"


def test_refuses_a_folder_that_cannot_be_written(cohort: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file has no folders inside")
    with pytest.raises(InputError, match="`output_dir` must be in a folder that can be written"):
        make_evaluation(cohort, {}, tmp_path / "file" / "out").run()


def test_refuses_a_segmenter_with_other_labels(cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"`segmenter` must give labels 0 to 9 of shape \(24, 22, 20\), got 0 to 99"):
        make_evaluation(
            cohort, {}, tmp_path / "out", tables=["regions"], segmenter=lambda image: 99 * (image > 0)
        ).run()
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_ends_the_bundle_with_an_error(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", "configs/evaluate.json"]
    options = ["--cohort_dir", str(tmp_path / "none"), "--output_dir", str(tmp_path / "out")]
    run = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode != 0
    assert "cohort_dir must be a BIDS folder" in run.stderr
    assert not (tmp_path / "out").exists()
