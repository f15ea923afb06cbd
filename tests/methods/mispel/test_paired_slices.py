from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scripts.base.errors import InputError
from scripts.methods.mispel.paired_slices import PairedSlices, cut_window
from scripts.methods.mispel.paired_subjects import PairedSubject
from scripts.preprocessing.mean_scale import ScaleByMeand

from .paired_scans import SCANNERS, scan, write_pairs, write_scan


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("cohort"))


def paired(cohort: Path, person: int) -> PairedSubject:
    stem = "sub-{0:02d}/ses-{1:02d}/anat/sub-{0:02d}_ses-{1:02d}_run-1_T1w.nii.gz"
    images = {name: cohort / stem.format(person, number) for number, name in enumerate(SCANNERS, start=1)}
    return PairedSubject(f"sub-{person:02d}", images)


def slices(cohort: Path, *people: int, **options: Any) -> PairedSlices:
    return PairedSlices([paired(cohort, person) for person in people], "t1w", ScaleByMeand(), **options)


def test_a_sample_is_the_same_slice_on_all_scanners(cohort):
    data = slices(cohort, 1)
    # The ball covers z from 10 to 18 of its own grid, whose z = -6 lies at 72 on the working grid.
    assert sorted(place for _, place in data.places) == [82 + n for n in range(9)]
    sample = next(each for each in data if each["slice"] == 86)
    assert sample["image"].shape == (2, 224, 192)
    assert (sample["subject"], sample["scanner"]) == ("sub-01", ", ".join(SCANNERS))
    for number, image in enumerate(sample["image"]):
        own = scan(1, number)
        assert float(image.max()) == pytest.approx(own[:, :, 14].max() / own[own > 0].mean(), rel=1e-3)
        assert int((image > 0).sum()) == np.count_nonzero(own[:, :, 14])


def test_a_round_has_every_slice_once_and_the_next_has_another_order(cohort):
    data = slices(cohort, 1, 2)
    names = [(s["subject"], s["slice"]) for s in islice(data, 36)]
    assert len(set(names[:18])) == len(set(names[18:])) == 18
    assert names[:18] != names[18:]
    assert [(s["subject"], s["slice"]) for s in islice(data, 18)] == names[:18]
    data.set_epoch(2)
    assert [(s["subject"], s["slice"]) for s in islice(data, 18)] != names[:18]


def test_processes_share_a_round(cohort):
    data, names = slices(cohort, 1), []
    for process in (0, 1):
        data.set_epoch(1, process, processes=2)
        names += [s["slice"] for s in islice(data, 4)]
    assert len(set(names)) == 8


def test_windows_are_the_same_on_all_scanners_and_hold_something(cohort):
    for sample in islice(slices(cohort, 1, window=12), 9):
        assert sample["image"].shape == (2, 12, 12)
        assert torch.equal(sample["image"][0] > 0, sample["image"][1] > 0)
        assert sample["image"].any()


def test_a_window_never_leaves_the_image():
    image = torch.zeros(1, 6, 9)
    image[0, 0, 8] = 1
    for seed in range(20):
        assert cut_window(image, 5, np.random.default_rng(seed)).shape == (1, 5, 5)
        assert cut_window(image, 5, np.random.default_rng(seed))[0, 0, 4] == 1
    assert cut_window(image, 8, np.random.default_rng(0)).shape == (1, 6, 8)


def test_scans_that_are_not_coregistered_are_refused(cohort, tmp_path):
    write_pairs(tmp_path, people=1)
    write_scan(tmp_path, 1, 1, np.roll(scan(1, 1), 3, axis=0))
    words = r"the scans of sub-01 must be coregistered, with an overlap \(Dice\) of at least 0.9, but that of scanner-1"
    with pytest.raises(InputError, match=words + r" and scanner-2.5T is 0\.[4-7]"):
        slices(tmp_path, 1)
    slices(tmp_path, 1, least_overlap=0.4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"window": 0}, "`window` must be a whole number of at least 1, got 0"),
        ({"least_overlap": 1.5}, "`least_overlap` must be between 0 and 1, got 1.5"),
    ],
)
def test_wrong_settings_are_refused(cohort, options, words):
    with pytest.raises(InputError, match=words):
        slices(cohort, 1, **options)
