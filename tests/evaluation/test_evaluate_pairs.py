"""What an evaluation says of pairs of scanners."""

from pathlib import Path

import numpy as np
import pytest

from scripts.evaluation.measurements import PairMeasurement, read_pair_measurements
from scripts.images.bids_cohort import read_cohort
from scripts.images.volumes import read_volume
from scripts.metrics.scaling import divide_by_percentile
from scripts.metrics.ssim import windowed_ssim

from .ball_cohort import BRAIN, make_evaluation, write_cohort, write_copy_of_references


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    write_cohort(folder, subjects=3)
    return folder


@pytest.fixture(scope="module")
def result(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    copies = write_copy_of_references(folder / "copies", read_cohort(cohort))
    chosen = {"tables": ["pairs"], "participant_label": ["02", "sub-03"]}
    make_evaluation(cohort, {"copies": copies}, folder / "evaluation", **chosen).run()
    return folder / "evaluation"


def pick(result: Path, measure: str, method: str = "unharmonized") -> list[PairMeasurement]:
    found = read_pair_measurements(result / "measurements" / "pairs.csv")
    return [m for m in found if (m.measure, m.method) == (measure, method)]


def test_every_pair_of_the_chosen_subjects_is_compared_once(result):
    pairs = [("scanner-1", "scanner-2"), ("scanner-1", "scanner-3"), ("scanner-2", "scanner-3")]
    expected = [(subject, *pair) for subject in ("sub-02", "sub-03") for pair in pairs]
    for method in ("unharmonized", "copies"):
        assert [(m.subject, m.first, m.second) for m in pick(result, "similarity", method)] == expected
    assert len(pick(result, "dice")) == 2 * len(expected)


def test_measures_are_those_of_the_images(result, cohort):
    scans = [i for i in read_cohort(cohort) if i.subject == "sub-02" and i.run == 1]
    images = [read_volume(i.path)[0] for i in scans]
    scaled = [divide_by_percentile(image, BRAIN) for image in images]
    found = next(m for m in pick(result, "similarity") if (m.subject, m.second) == ("sub-02", "scanner-3"))
    assert found.value == pytest.approx(windowed_ssim(scaled[0], scaled[2], BRAIN, radius=2).value, abs=1e-6)
    difference = next(
        m for m in pick(result, "difference") if (m.subject, m.second, m.tissue) == ("sub-02", "scanner-3", "WM")
    )
    # Voxels of 2 mm are 8 microliters.
    white = [np.count_nonzero(image > 70) for image in (images[0], images[2])]
    assert difference.value == pytest.approx(0.008 * (white[0] - white[1]))


def test_tables_and_figures_are_written(result):
    assert {path.name for path in result.rglob("pairs*")} == {
        "pairs.csv",
        "pairs.md",
        "pairs_rmse.png",
        "pairs_dice.png",
    }
    line = next(
        line for line in (result / "tables" / "pairs.md").read_text().splitlines() if line.startswith("| copies | +")
    )
    # Copies of one image have all but the same volumes.
    assert line.endswith("| 6 of 6 |")
