"""configs/multi_gpu_evaluate.json under torchrun, with two processes on the CPU."""

import subprocess
from pathlib import Path

import pytest

from scripts.evaluation.measurements import read_measurements
from scripts.images.bids_cohort import read_cohort

from ..harmonize.test_multi_gpu_inference import BUNDLE, torchrun
from .ball_cohort import make_evaluation, write_cohort, write_copy_of_references

CONFIGS = [str(BUNDLE / "configs" / name) for name in ("evaluate.json", "multi_gpu_evaluate.json")]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    write_cohort(folder)
    return folder


def evaluate(cohort: Path, copies: Path, output: Path, tables: list[str]) -> subprocess.CompletedProcess:
    given = {
        "config_file": CONFIGS,
        "bundle_root": str(BUNDLE),
        "cohort_dir": str(cohort),
        "methods": {"copies": str(copies)},
        "output_dir": str(output),
        "contrasts": ["t1w"],
        "tables": tables,
        "segmenter": {"_target_": "tests.evaluation.ball_cohort.ThresholdSegmenter"},
    }
    return torchrun(given)


def test_two_processes_measure_what_one_does(cohort, tmp_path):
    copies = write_copy_of_references(tmp_path / "copies", read_cohort(cohort))
    result = evaluate(cohort, copies, tmp_path / "out", ["regions"])
    assert result.returncode == 0, result.stderr
    make_evaluation(cohort, {"copies": copies}, tmp_path / "alone", tables=["regions"]).run()
    found, expected = (
        [m for m in read_measurements(tmp_path / name / "measurements" / "regions.csv") if m.measure != "volume"]
        for name in ("out", "alone")
    )
    assert found == expected
    assert "segment images, a share of 1 / 2: " in result.stderr


@pytest.mark.slow
def test_what_is_refused_by_the_first_process_ends_the_other(cohort, tmp_path):
    result = evaluate(cohort, tmp_path / "nowhere", tmp_path / "out", ["regions"])
    assert result.returncode == 1
    assert "`methods#copies` must be a folder of outputs" in result.stderr
    assert not (tmp_path / "out").exists()
