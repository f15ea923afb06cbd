from collections import Counter
from itertools import islice
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from scripts.base.contrasts import CONTRASTS
from scripts.base.errors import InputError
from scripts.training.volumes import PatchStream, VolumeStream

from .test_phantom_scans import people

SHAPE = (6, 8, 6)


def volumes(scans: dict[str, Any] | None = None, **options: Any) -> VolumeStream:
    return VolumeStream(people(**scans or {}), **{"rounds": 1, **options})


def patches(scans: dict[str, Any] | None = None, **options: Any) -> PatchStream:
    return PatchStream(people(**scans or {}), **{"rounds": 1, "patch_size": (4, 5, 3), "patches": 3, **options})


def by_scan(samples) -> dict[tuple[str, str], list[dict[str, Any]]]:
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for sample in samples:
        found.setdefault((sample["subject"], sample["scanner"]), []).append(sample)
    return found


def test_a_whole_scan_is_a_sample_with_its_labels():
    data = volumes()
    found = by_scan(data)
    assert len(found) == 3 * 2
    for visits in data.scans.people(1, 1):
        for scan in visits:
            (sample,) = found[scan.about["subject"], scan.about["scanner"]]
            assert torch.equal(sample["image"], scan.volumes) and torch.equal(sample["available"], scan.available)
            assert torch.equal(sample["mask"][0], scan.mask) and torch.equal(sample["tissues"][0], scan.tissues)
            assert sample["site"] == scan.about["site"] in data.scans.labels("site")
            assert sample["scanner"] in data.scans.labels("scanner")


def test_some_contrasts_can_be_had_in_their_own_order():
    whole, some = by_scan(volumes()), by_scan(volumes(contrasts=["flair", "t1w"]))
    for key, (sample,) in some.items():
        assert torch.equal(sample["image"], whole[key][0]["image"][[3, 0]])
        assert torch.equal(sample["available"], whole[key][0]["available"][[3, 0]])


def test_a_scan_without_any_of_the_contrasts_gives_no_sample():
    options = {"subjects": 1, "scanners_per_subject": 40}
    scans = by_scan(volumes(options))
    lacking = {key for key, (sample,) in scans.items() if not sample["available"][CONTRASTS.index("pd")]}
    assert lacking
    assert by_scan(volumes(options, contrasts=["pd"])).keys() == scans.keys() - lacking


def test_truth_is_the_next_visit_in_the_same_place():
    options = {"subjects": 1, "scanners_per_subject": 3, "traveling": True}
    whole = by_scan(volumes(options))
    route = list(volumes(options).scans.draw().subjects[0].visits)
    for samples in by_scan(patches(options)).values():
        for sample in samples:
            place = [visit.scanner for visit in route].index(sample["scanner"])
            (other,) = whole[sample["subject"], route[(place + 1) % 3].scanner]
            x, y, z = sample["corner"].tolist()
            assert torch.equal(sample["truth"], other["image"][:, x : x + 4, y : y + 5, z : z + 3])
            assert torch.equal(sample["truth_available"], other["available"])


def test_patches_lie_in_the_volume_around_places_of_the_mask():
    whole, places = by_scan(volumes()), Counter()
    for key, samples in by_scan(patches()).items():
        assert len(samples) == 3 and len({sample["seed"] for sample in samples}) == 3
        for sample in samples:
            x, y, z = sample["corner"].tolist()
            places[x, y, z] += 1
            box = whole[key][0]["image"][:, x : x + 4, y : y + 5, z : z + 3]
            assert sample["image"].shape == (4, 4, 5, 3) and torch.equal(sample["image"], box)
            assert sample["mask"].any() and not sample["truth"].any()
    assert len(places) > 5


def test_a_patch_is_no_larger_than_the_volume():
    assert next(iter(patches(patch_size=[64, 64, 4])))["image"].shape == (4, 6, 8, 4)


def test_seed_and_epoch_decide_and_workers_change_no_sample():
    def found(data: Any) -> dict[Any, torch.Tensor]:
        return {(s["subject"], s["scanner"], *map(int, s["corner"]), s["seed"]): s["image"] for s in data}

    alone, shared = found(patches()), found(DataLoader(patches(), batch_size=None, num_workers=2))
    assert alone.keys() == shared.keys() and all(torch.equal(alone[key], shared[key]) for key in alone)
    data = patches()
    data.set_epoch(2)
    assert not found(data).keys() & alone.keys()


def test_batches_collate():
    batch = next(iter(DataLoader(patches(contrasts=["t1w"]), batch_size=3)))
    assert batch["image"].shape == (3, 1, 4, 5, 3) and len(batch["site"]) == 3
    assert len(list(islice(patches(rounds=None), 40))) == 40


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"contrasts": ["t1"]}, "unknown contrast of `contrasts` `t1`; did you mean `t1w`"),
        ({"contrasts": []}, r"`contrasts` must be at least one, each once, got \[\]"),
        ({"contrasts": ["t1w", "t1w"]}, "`contrasts` must be at least one, each once"),
        ({"patches": 0}, "`patches` must be a whole number of at least 1, got 0"),
        ({"patch_size": [4, 4]}, r"`patch_size` must be three numbers, got \[4, 4\]"),
        ({"patch_size": [4, 4, 0.5]}, "`patch_size` must be a whole number of at least 1, got 0.5"),
    ],
)
def test_wrong_settings_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        patches(**options)


def test_labels_are_of_sites_or_scanners():
    with pytest.raises(InputError, match="`field` must be site or scanner, got vendor"):
        people().labels("vendor")
