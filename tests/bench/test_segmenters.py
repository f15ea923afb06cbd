from pathlib import Path

import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.base.regions import REGIONS
from scripts.bench.segmenters import SEGMENTERS, Judge, JudgedImage, main, rows
from scripts.images.bids_cohort import CohortImage, read_cohort, truth_path
from scripts.images.nifti import read_nifti
from scripts.images.volumes import write_volume

from ..methods.mispel.paired_scans import write_pairs

COUNT = len(REGIONS)


def judged(segmenter: str, person: str, overlap: float, volume: float) -> JudgedImage:
    return JudgedImage(segmenter, person, np.full(COUNT, overlap), np.full(COUNT, volume), np.full(COUNT, 100.0))


def test_rows_hold_the_measures_of_both_segmenters():
    found = [
        # One person on two scanners: |dV| / V is 10 and 30 %, and sd / mean is 10 sqrt(2) / 120 and 0.
        judged("classical", "sub-01", 0.8, 110.0),
        judged("classical", "sub-01", 0.9, 130.0),
        judged("network", "sub-01", 0.6, 80.0),
        judged("network", "sub-01", 0.6, 80.0),
    ]
    expected = ["0.850", "0.600", "20.0", "20.0", "11.79", "0.00"]
    assert rows(found) == [[name, *expected] for name in (*REGIONS, "mean of regions")]


def test_the_spread_is_that_of_each_person_and_then_the_mean_of_people():
    sizes = {"sub-01": (90.0, 110.0), "sub-02": (200.0, 200.0)}
    found = [
        judged(name, person, 1.0, volume) for name in SEGMENTERS for person, both in sizes.items() for volume in both
    ]
    # The first person's is 14.14 %, the second one's 0.
    assert rows(found)[0][-2:] == ["7.07", "7.07"]


def test_a_table_of_each_contrast_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    cohort = write_pairs(tmp_path / "cohort", people=3)
    seen = []

    def judge(self: Judge, image: CohortImage) -> list[JudgedImage]:
        seen.append(image.subject)
        return [judged(name, image.subject, 0.7, 100.0) for name in SEGMENTERS]

    monkeypatch.setattr(Judge, "__call__", judge)
    text = main([str(cohort), "--people", "01", "sub-03"])
    assert seen == ["sub-01", "sub-01", "sub-03", "sub-03"]
    assert "### t1w\n\n4 images of 2 people." in text
    assert "| region | classical: Dice ↑ | network: Dice ↑ | classical: volume error (%) ↓ |" in text
    assert "| mean of regions | 0.700 | 0.700 | 0.0 | 0.0 | 0.00 | 0.00 |" in text


def test_people_who_are_not_there_are_refused(tmp_path: Path):
    cohort = write_pairs(tmp_path / "cohort", people=1)
    with pytest.raises(InputError, match="must have images of --people, it has none"):
        main([str(cohort), "--people", "77"])


def test_a_judge_compares_both_with_the_truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    cohort = write_pairs(tmp_path / "cohort", people=1)
    image = read_cohort(cohort)[0]
    shape = read_nifti(image.path).voxels.shape
    truth = np.zeros(shape, np.uint8)
    truth[:4] = 1
    write_volume(truth_path(cohort, "sub-01", "desc-regions_dseg"), truth)
    half = np.where(np.arange(shape[0])[:, None, None] < 2, truth, 0).astype(np.uint8)
    monkeypatch.setattr("scripts.bench.segmenters.TissueSegmenter", lambda: lambda voxels: truth)
    monkeypatch.setattr("scripts.bench.segmenters.NetworkSegmenter", lambda weights: lambda voxels: half)
    classical, network = Judge(cohort, tmp_path)(image)
    assert (classical.segmenter, network.segmenter) == SEGMENTERS
    assert classical.dice[0] == 1 and network.dice[0] == pytest.approx(2 / 3)
    assert classical.volumes[0] == classical.true_volumes[0] == 2 * network.volumes[0]
