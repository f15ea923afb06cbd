from collections import defaultdict
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from scripts.contrasts import CONTRASTS
from scripts.errors import InputError
from scripts.phantom.scanner import Scanner
from scripts.phantom.slices import PhantomSlices

DESIGN = {
    "subjects": 3,
    "age": [20, 60],
    "population": {"HC": 1},
    "lesion_load": [0.0, 0.0],
    "scanners": "population",
    "contrasts": ["t1w", "t2w", "pd", "flair"],
    "visits": [1, 1],
}


@dataclass(frozen=True)
class BoxPhantom:
    """A brain that fills most of a box of 6 x 8 x 6 voxels; its brightness tells subject, scanner and contrast."""

    def draw_subject(self, seed: int, age: float, lesion_load: float, head: bool) -> int:
        return seed

    def render_subject(self, parameters: int) -> SimpleNamespace:
        brain = np.zeros((6, 8, 6), dtype=np.uint8)
        brain[1:5, 1:7, 1:5] = 1
        return SimpleNamespace(brain=brain, seed=parameters)

    def acquire(self, subject: SimpleNamespace, scanner: Scanner, contrast: str, visit_seed: int) -> np.ndarray:
        rng = np.random.default_rng([subject.seed, scanner.seed, CONTRASTS.index(contrast), visit_seed])
        return (subject.brain * rng.uniform(1.0, 5.0, subject.brain.shape)).astype(np.float32)


def slices(**options: Any) -> PhantomSlices:
    settings = {"field_of_view": 8, "slices_per_orientation": 2, "epochs": 1, "phantom": BoxPhantom(), **options}
    return PhantomSlices({"train": DESIGN}, **settings)


def names(samples) -> list[tuple]:
    return [tuple(sample[key] for key in ("subject", "scanner", "orientation", "slice")) for sample in samples]


def test_one_pass_has_the_middle_slices_of_every_scan_once():
    samples = list(slices())
    found = names(samples)
    assert len(set(found)) == len(found) == 3 * 2 * 3 * 2  # subjects, scanners, orientations, slices
    assert {orientation for _, _, orientation, _ in found} == {"axial", "coronal", "sagittal"}
    assert {place for *_, place in found} == {3, 4}
    scanners = defaultdict(set)
    for subject, scanner, *_ in found:
        scanners[subject].add(scanner)
    assert sorted(scanners) == ["epoch-1_sub-01", "epoch-1_sub-02", "epoch-1_sub-03"]
    assert [len(visited) for visited in scanners.values()] == [2, 2, 2]


def test_sample_is_the_scaled_slice_with_absent_contrasts_empty():
    dataset = slices(subjects=1, scanners_per_subject=12, orientations=["coronal"])
    cohort = dataset.draw(0)
    (plan,) = cohort.subjects
    samples = {(sample["scanner"], sample["slice"]): sample for sample in dataset}
    lacking = 0
    for visit in plan.visits:
        sample, scanner = samples[visit.scanner, 3], cohort.scanners[visit.scanner]
        assert sample["image"].shape == (4, 8, 8) and sample["image"].dtype == torch.float32
        assert sample["site"] == scanner.site
        for image, available, contrast in zip(sample["image"], sample["available"], CONTRASTS, strict=True):
            assert available == float(contrast in scanner.protocols)
            if not available:
                lacking += 1
                assert not image.any()
                continue
            phantom = BoxPhantom()
            volume = phantom.acquire(phantom.render_subject(plan.seed), scanner, contrast, visit.run_seed(1))
            # Coronal rows run from the top of the padded cube downwards; x and z are padded by one voxel.
            expected = np.pad(volume[:, 3, ::-1].T, 1) / np.percentile(volume, 95)
            np.testing.assert_allclose(image, expected, rtol=1e-6)
        assert sample["mask"].shape == (1, 8, 8)
        assert torch.equal(sample["mask"][0], sample["image"][0] > 0)
    assert lacking > 0


def test_order_is_random_but_seeded():
    first, again, other = (names(slices(seed=seed)) for seed in (1, 1, 2))
    assert first == again != sorted(first)
    assert first != other
    images = [np.stack([sample["image"] for sample in slices(seed=seed)]) for seed in (1, 1, 2)]
    assert np.array_equal(images[0], images[1])
    assert not np.array_equal(images[0], images[2])


def test_buffer_mixes_people_where_it_holds_more_than_one():
    apart = [name[0] for name in names(slices(buffer_size=1))]
    mixed = [name[0] for name in names(slices(buffer_size=24))]
    assert apart == sorted(apart)
    assert mixed != sorted(mixed) and sorted(mixed) == apart


def test_workers_share_the_subjects():
    shares = []
    for batch in DataLoader(slices(subjects=5), batch_size=None, num_workers=2):
        shares.append(batch)
    alone = names(slices(subjects=5))
    assert sorted(names(shares)) == sorted(alone)


def test_batches_collate():
    batch = next(iter(DataLoader(slices(), batch_size=6)))
    assert batch["image"].shape == (6, 4, 8, 8) and batch["available"].shape == (6, 4)
    assert batch["mask"].shape == (6, 1, 8, 8) and batch["mask"].dtype == torch.bool
    assert len(batch["subject"]) == 6


def test_further_epochs_have_new_people_on_the_same_scanners():
    dataset = slices(epochs=None)
    first, second = dataset.draw(0), dataset.draw(1)
    assert first.scanners == second.scanners
    assert not {plan.seed for plan in first.subjects} & {plan.seed for plan in second.subjects}
    endless = iter(slices(epochs=None, buffer_size=1))
    subjects = {next(endless)["subject"] for _ in range(50)}
    assert subjects == {f"epoch-{epoch}_sub-0{number}" for epoch, number in ((1, 1), (1, 2), (1, 3), (2, 1), (2, 2))}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cohort": "trains"}, "`cohort` must be one of train, got trains"),
        ({"subjects": 0}, "cohort train: `subjects` must be a whole number of at least 1, got 0"),
        ({"scanners_per_subject": 0}, "`scanners_per_subject` must be a whole number of at least 1, got 0"),
        ({"scanners_per_subject": 200}, r"`visits` must be .* from 1 to its 132 scanners, got \[200, 200\]"),
        ({"buffer_size": 0.5}, "`buffer_size` must be a whole number of at least 1, got 0.5"),
        ({"epochs": 0}, "`epochs` must be a whole number of at least 1, got 0"),
        ({"slices_per_orientation": 9}, "`slices_per_orientation` must be at most the `field_of_view`, 8, got 9"),
        ({"orientations": ["oblique"]}, "`orientations` must be among axial, coronal, sagittal, got oblique"),
    ],
)
def test_wrong_settings_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        slices(**options)


def test_percentile_of_the_background_is_refused():
    with pytest.raises(InputError, match="`percentile` must lie above the background of the images, got 5"):
        next(iter(slices(percentile=5.0)))
