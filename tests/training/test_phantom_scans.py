from collections import defaultdict
from dataclasses import dataclass, fields
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from scripts.base.contrasts import CONTRASTS
from scripts.base.errors import InputError
from scripts.phantom.scanner import Scanner
from scripts.training.phantom_scans import PhantomScans
from scripts.training.slices import SliceStream

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
        return SimpleNamespace(brain=brain, tissues=2 * brain, seed=parameters)

    def acquire(self, subject: SimpleNamespace, scanner: Scanner, contrast: str, visit_seed: int) -> np.ndarray:
        rng = np.random.default_rng([subject.seed, scanner.seed, CONTRASTS.index(contrast), visit_seed])
        return (subject.brain * rng.uniform(1.0, 5.0, subject.brain.shape)).astype(np.float32)


CUTTING = {field.name for field in fields(SliceStream)}


def people(**options: Any) -> PhantomScans:
    return PhantomScans({"train": DESIGN}, **{"phantom": BoxPhantom(), **options})


def slices(**options: Any) -> SliceStream:
    """Some of the options are of the people, some of how they are cut."""
    small = {"field_of_view": 8, "slices_per_orientation": 2, "reference_slices": 4, "rounds": 1}
    given = {name: value for name, value in options.items() if name in CUTTING}
    return SliceStream(people(**{name: options[name] for name in options.keys() - CUTTING}), **{**small, **given})


def name_of(sample: dict[str, Any]) -> tuple:
    return tuple(sample[key] for key in ("subject", "scanner", "orientation", "slice"))


def names(samples) -> list[tuple]:
    return [name_of(sample) for sample in samples]


def scans(dataset: SliceStream) -> dict[tuple[str, str], np.ndarray]:
    """By subject and scanner the contrasts (4, 8, 8, 8) of the first round, scaled and padded."""
    cohort, phantom, found = dataset.scans.draw(), BoxPhantom(), {}
    for plan in cohort.subjects:
        for visit in plan.visits:
            volumes = found[f"epoch-1_round-1_{plan.name}", visit.scanner] = np.zeros((4, 8, 8, 8), np.float32)
            for contrast in visit.contrasts:
                person, scanner = phantom.render_subject(plan.seed), cohort.scanners[visit.scanner]
                image = phantom.acquire(person, scanner, contrast, visit.run_seed(1))
                volumes[CONTRASTS.index(contrast), 1:-1, :, 1:-1] = image / np.percentile(image, 95)
    return found


def place_of(coronal: torch.Tensor, volumes: np.ndarray) -> int:
    """Where in the volumes (4, 8, 8, 8) a coronal slice (4, 8, 8) comes from; its rows run downwards."""
    (place,) = (y for y in range(8) if np.allclose(volumes[:, :, y, ::-1].swapaxes(1, 2), coronal, rtol=1e-6))
    return place


def test_one_pass_has_the_middle_slices_of_every_scan_once():
    samples = list(slices())
    found = names(samples)
    assert len(set(found)) == len(found) == 3 * 2 * 3 * 2  # subjects, scanners, orientations, slices
    assert {orientation for _, _, orientation, _ in found} == {"axial", "coronal", "sagittal"}
    assert {place for *_, place in found} == {3, 4}
    scanners = defaultdict(set)
    for subject, scanner, *_ in found:
        scanners[subject].add(scanner)
    assert sorted(scanners) == ["epoch-1_round-1_sub-01", "epoch-1_round-1_sub-02", "epoch-1_round-1_sub-03"]
    assert [len(visited) for visited in scanners.values()] == [2, 2, 2]


def test_sample_is_the_scaled_slice_with_absent_contrasts_empty():
    dataset = slices(subjects=1, scanners_per_subject=12, orientations=["coronal"])
    scanners, lacking = dataset.scans.draw().scanners, 0
    samples = {name_of(sample): sample for sample in dataset}
    for (subject, name), volumes in scans(dataset).items():
        sample, scanner = samples[subject, name, "coronal", 3], scanners[name]
        assert sample["image"].shape == (4, 8, 8) and sample["image"].dtype == torch.float32
        assert place_of(sample["image"], volumes) == 3
        assert sample["site"] == scanner.site
        for image, available, contrast in zip(sample["image"], sample["available"], CONTRASTS, strict=True):
            assert available == float(contrast in scanner.protocols) == float(image.any())
            lacking += not available
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


def test_reference_is_another_central_coronal_slice_of_the_visit():
    dataset = slices(subjects=1, slices_per_orientation=4)
    volumes, drawn = scans(dataset), defaultdict(set)
    for sample in dataset:
        place = place_of(sample["reference"], volumes[name_of(sample)[:2]])
        assert (sample["orientation"], sample["slice"]) != ("coronal", place)
        drawn[sample["orientation"]].add(place)
    assert set(drawn) == {"axial", "coronal", "sagittal"}
    assert set.union(*drawn.values()) == {2, 3, 4, 5}


def test_truth_is_the_same_slice_of_the_next_visit():
    dataset = slices(subjects=2, scanners_per_subject=3, traveling=True)
    volumes = scans(dataset)
    samples = {name_of(sample): sample for sample in dataset}
    assert len(samples) == 2 * 3 * 3 * 2
    for (subject, scanner, *where), sample in samples.items():
        route = [name for person, name in volumes if person == subject]
        following = route[(route.index(scanner) + 1) % 3]
        other = samples[subject, following, *where]
        assert torch.equal(sample["truth"], other["image"]) and not torch.equal(sample["truth"], sample["image"])
        assert torch.equal(sample["truth_available"], other["available"])
        place = place_of(sample["reference"], volumes[subject, scanner])
        assert place_of(sample["truth_reference"], volumes[subject, following]) == place


def test_truth_is_unknown_where_nobody_travels():
    sample = next(iter(slices()))
    assert sample["truth"].shape == sample["truth_reference"].shape == (4, 8, 8)
    assert not sample["truth"].any() and not sample["truth_reference"].any() and not sample["truth_available"].any()


def test_bias_correction_leaves_a_share_of_every_field():
    @dataclass(frozen=True)
    class Watched(BoxPhantom):
        seen: dict[tuple[str, str], float]

        def acquire(self, subject: SimpleNamespace, scanner: Scanner, contrast: str, visit_seed: int) -> np.ndarray:
            self.seen[scanner.name, contrast] = scanner.protocols[contrast].bias_strength
            return super().acquire(subject, scanner, contrast, visit_seed)

    whole, corrected = {}, {}
    images = [
        [sample["image"] for sample in slices(phantom=Watched(seen), bias_left=left)]
        for seen, left in ((whole, 1.0), (corrected, 0.3))
    ]
    assert len(whole) > 12
    assert corrected == {key: pytest.approx(0.3 * strength) for key, strength in whole.items()}
    # Whose acquisition here knows nothing of fields.
    assert all(torch.equal(first, second) for first, second in zip(*images, strict=True))


def test_slices_that_show_nothing_are_left_out():
    found = names(slices(subjects=1, scanners_per_subject=1, slices_per_orientation=8))
    assert sorted((orientation, place) for _, _, orientation, place in found) == [
        *(("axial", place) for place in range(2, 6)),
        *(("coronal", place) for place in range(1, 7)),
        *(("sagittal", place) for place in range(2, 6)),
    ]


# Also more workers than people.
@pytest.mark.parametrize("subjects", [1, 5])
def test_workers_share_the_subjects_and_change_no_sample(subjects):
    dataset = slices(subjects=subjects, traveling=True)
    alone = {name_of(sample): sample for sample in dataset}
    shared = {name_of(sample): sample for sample in DataLoader(dataset, batch_size=None, num_workers=2)}
    assert shared.keys() == alone.keys()
    for name, sample in alone.items():
        assert all(torch.equal(v, shared[name][k]) for k, v in sample.items() if torch.is_tensor(v))
        assert shared[name]["seed"] == sample["seed"]


def test_processes_share_the_subjects():
    shares = []
    for process in range(2):
        dataset = slices(subjects=5)
        dataset.set_epoch(1, process, processes=2)
        shares.append(names(dataset))
    assert len(shares[0]) == 36 and len(shares[1]) == 24
    assert sorted(shares[0] + shares[1]) == sorted(names(slices(subjects=5)))


def test_batches_collate():
    batch = next(iter(DataLoader(slices(), batch_size=6)))
    assert batch["image"].shape == (6, 4, 8, 8) and batch["available"].shape == (6, 4)
    assert batch["mask"].shape == (6, 1, 8, 8) and batch["mask"].dtype == torch.bool
    assert len(batch["subject"]) == 6


def test_further_rounds_and_epochs_have_new_people_on_the_same_scanners():
    dataset = slices(rounds=None, buffer_size=1)
    draws = [dataset.scans.draw(epoch, round) for epoch in (1, 2) for round in (1, 2)]
    assert all(draw.scanners == draws[0].scanners for draw in draws)
    assert len({plan.seed for draw in draws for plan in draw.subjects}) == 12
    endless = iter(dataset)
    subjects = {next(endless)["subject"] for _ in range(50)}
    assert subjects == {
        f"epoch-1_round-{round}_sub-0{number}" for round, number in ((1, 1), (1, 2), (1, 3), (2, 1), (2, 2))
    }
    dataset.set_epoch(2)
    assert next(iter(dataset))["subject"] == "epoch-2_round-1_sub-01"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cohort": "trains"}, "`cohort` must be one of train, got trains"),
        ({"subjects": 0}, "cohort train: `subjects` must be a whole number of at least 1, got 0"),
        ({"scanners_per_subject": 0}, "`scanners_per_subject` must be a whole number of at least 1, got 0"),
        ({"scanners_per_subject": 200}, r"`visits` must be .* from 1 to its 132 scanners, got \[200, 200\]"),
        ({"bias_left": 1.5}, "`bias_left` must be between 0 and 1, got 1.5"),
        ({"buffer_size": 0.5}, "`buffer_size` must be a whole number of at least 1, got 0.5"),
        ({"rounds": 0}, "`rounds` must be a whole number of at least 1, got 0"),
        (
            {"traveling": True, "scanners_per_subject": 1},
            "`traveling` needs `scanners_per_subject` of at least 2, got 1",
        ),
        ({"reference_slices": 1}, "`reference_slices` must be a whole number of at least 2, got 1"),
        ({"reference_slices": 9}, "`reference_slices` must be at most the `field_of_view`, 8, got 9"),
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


def test_a_slice_that_is_used_twice_is_two_samples():
    once, twice = (list(slices(uses=uses)) for uses in (1, 2))
    assert sorted(names(twice)) == sorted(2 * names(once))
    # Whatever is drawn for a sample follows from its seed.
    assert len({sample["seed"] for sample in twice}) == len(twice)


def test_preprocessing_takes_the_place_of_the_percentile():
    def halve(data: dict[str, Any]) -> dict[str, Any]:
        assert data["available"].shape == (4,)
        return {**data, "image": data["image"] / 2}

    raw, halved = (next(next(people(preprocessing=each).people(1, 1))) for each in (lambda data: data, halve))
    assert torch.equal(halved.volumes, raw.volumes / 2)
    assert 1 < raw.volumes[0][raw.mask].min() < raw.volumes.max() < 5


def test_buffers_that_cannot_mix_a_batch_are_told_of(caplog):
    # Two people with 2 scans of 3 * 2 slices each.
    slices(buffer_size=24).warn_of_batches(2)
    assert not caplog.records
    slices(buffer_size=23).warn_of_batches(2)
    slices(buffer_size=23).warn_of_batches(4, share=0.26)
    assert [record.getMessage() for record in caplog.records] == 2 * [
        "`buffer_size` 23 is less than the 24 samples of 2 people, as many as a batch has samples: those of a batch "
        "will be of fewer people"
    ]
