from pathlib import Path

import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.bench.scanner_styles import ComparedScanners, distances, luminances, main, wasserstein_of_histograms
from scripts.images.bids_cohort import output_path, read_cohort

from ..harmonize.tiny_subjects import write_image
from ..methods.mispel.paired_scans import SCANNERS, scan, write_pairs


def test_distance_of_histograms_is_how_far_their_mass_moves():
    first, second = np.array([1.0, 0, 0, 0]), np.array([0, 0, 0.5, 0.5])
    assert wasserstein_of_histograms(first, second, 0.1) == pytest.approx(0.25)


def test_images_of_scanners_that_are_alike_have_no_distance_and_full_luminance():
    brain = {"sub-1": np.ones((8, 8, 8), dtype=bool)}
    image = np.random.default_rng(0).uniform(0.5, 1, (8, 8, 8)).astype(np.float32)
    same = {("sub-1", "A"): image, ("sub-1", "B"): image}
    assert distances(same, brain) == [0] and luminances(same, brain) == pytest.approx([1])
    darker = {("sub-1", "A"): image, ("sub-1", "B"): image - 0.25}
    assert distances(darker, brain) == pytest.approx([0.25], abs=0.01)
    assert luminances(darker, brain)[0] < 0.99


def test_a_method_that_comes_near_the_truth_has_the_best_row(tmp_path: Path):
    cohort = write_pairs(tmp_path / "cohort", people=2)
    for image in read_cohort(cohort):
        person = int(image.subject.removeprefix("sub-"))
        noise = np.random.default_rng(person).uniform(-1, 1, scan(person, 0).shape) * (scan(person, 0) > 0)
        write_image(output_path(tmp_path / "perfect", image), scan(person, 0) + noise)
    methods = [f"unharmonized={SCANNERS[0]}", f"perfect={SCANNERS[0]}={tmp_path / 'perfect'}"]
    table = main(["--cohort", str(cohort), "--people", "01", "02", "--methods", *methods])
    before, after = (line.split("|")[2:8] for line in table.splitlines()[2:])
    assert float(after[0].split()[0]) < 0.5 < 5 < float(before[0].split()[0])
    assert before[2].strip() == "" and float(after[4].split()[0]) > 0.99 > float(before[4].split()[0])
    assert float(after[3].split()[0]) > 40 > float(before[3].split()[0])
    assert float(after[5].split()[0]) > float(before[5].split()[0])
    coarse = main(["--cohort", str(cohort), "--people", "01", "--coarse", "--methods", methods[0]])
    # Means of eight voxels have another distance.
    assert coarse.splitlines()[2].startswith("| unharmonized |") and coarse.splitlines()[2] != table.splitlines()[2]


def test_what_cannot_be_compared_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="a method must be name=scanner or name=scanner=folder, got mine"):
        ComparedScanners.of("mine")
    with pytest.raises(InputError, match="must have images of sub-09"):
        main(["--cohort", str(write_pairs(tmp_path, people=1)), "--people", "09", "--methods", "raw=-"])
