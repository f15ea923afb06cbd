from pathlib import Path
from typing import Any

import pytest
import torch

from scripts.base.contrasts import CONTRASTS
from scripts.methods.haca3.fusing import MedianFusion
from scripts.methods.haca3.fusion_volumes import FusionVolumes
from scripts.methods.haca3.network import Haca3
from scripts.methods.haca3.triplanar import TriPlanarInferer

from ...training.test_phantom_scans import people
from .small import small_haca3_plus


@pytest.fixture(scope="module")
def network() -> Haca3:
    return small_haca3_plus(target_slices=2).float()


def volumes(network: Haca3, folder: Path, **options: Any) -> FusionVolumes:
    scans = people(scanners_per_subject=2)
    return FusionVolumes(scans, network, TriPlanarInferer(MedianFusion()), folder, **{"number": 2, **options})


def test_a_person_is_harmonized_to_all_contrasts_of_another_scanner(network, tmp_path):
    data = volumes(network, tmp_path, contrast_dropout=0.0, degraded=0.0)
    person = data.person(0)
    visit, other = next(iter(data.people.people(1, 1)))
    available = [contrast for contrast, there in zip(CONTRASTS, other.available, strict=True) if there]
    assert list(person["contrasts"]) == available
    assert torch.equal(person["mask"][0] > 0, visit.mask)
    assert torch.equal(person["visible"], person["mask"])
    for contrast, volume in person["contrasts"].items():
        wanted = other.volumes[CONTRASTS.index(contrast)].clamp(max=5)
        torch.testing.assert_close(volume["target"][0].float(), wanted, rtol=1e-3, atol=1e-3)
        assert volume["planes"].shape == (3, 6, 8, 6)
        for plane in volume["planes"]:
            assert plane[visit.mask].std() > 0
            assert not plane[~visit.mask].any()


def test_whole_examples_differ_in_contrast(network, tmp_path):
    data = volumes(network, tmp_path)
    contrasts = [list(data.person(number)["contrasts"]) for number in range(2)]
    assert [data.example(number)["contrast"] for number in range(2)] == [contrasts[0][0], contrasts[1][1]]


def test_sources_are_missing_and_degraded_as_often_as_asked_for(network, tmp_path):
    def planes(**options: Any) -> torch.Tensor:
        folder = tmp_path / "_".join(map(str, options.values()))
        return volumes(network, folder, number=1, **options).example(0)["planes"]

    whole, fewer, worse = planes(contrast_dropout=0.0, degraded=0.0), planes(contrast_dropout=1.0), planes(degraded=1.0)
    assert not torch.allclose(whole, fewer) and not torch.allclose(whole, worse)


def test_patches_lie_in_the_volume_and_differ_from_epoch_to_epoch(network, tmp_path):
    data = volumes(network, tmp_path, patches=3, patch_size=4)
    first = list(data)
    assert [patch["planes"].shape for patch in first] == 6 * [(3, 4, 4, 4)]
    assert all(patch["mask"].any() for patch in first)
    again = list(data)
    data.set_epoch(2)
    other = list(data)
    assert all(torch.equal(one["target"], two["target"]) for one, two in zip(first, again, strict=True))
    assert not all(torch.equal(one["target"], two["target"]) for one, two in zip(first, other, strict=True))


def test_a_patch_is_no_larger_than_the_volume(network, tmp_path):
    patch = next(iter(volumes(network, tmp_path, patches=1, patch_size=7)))
    assert patch["planes"].shape == (3, 6, 7, 6)


def test_an_epoch_has_everybody_once_in_an_order_of_its_own(network, tmp_path):
    data, orders = volumes(network, tmp_path, number=3), []
    for epoch in range(1, 6):
        data.set_epoch(epoch)
        orders.append([example["subject"] for example in data])
    assert all(sorted(order) == sorted(orders[0]) and len(set(order)) == 3 for order in orders)
    assert len(set(map(tuple, orders))) > 1


def test_processes_share_the_people(network, tmp_path):
    data, found = volumes(network, tmp_path, number=3), []
    for process in (0, 1):
        data.set_epoch(1, process, 2)
        found.append({example["subject"] for example in data})
    assert (len(found[0]), len(found[1]), len(found[0] | found[1])) == (2, 1, 3)


def test_what_was_made_is_kept_for_the_same_network(network, tmp_path):
    first = volumes(network, tmp_path).example(0)
    (path,) = tmp_path.iterdir()
    made = path.stat().st_mtime_ns
    again = volumes(network, tmp_path).example(0)
    assert path.stat().st_mtime_ns == made
    assert torch.equal(first["planes"], again["planes"])
    other = small_haca3_plus(target_slices=2).float()
    other.decoder.head[2].bias.data += 1
    assert not torch.equal(volumes(other, tmp_path).example(0)["planes"], first["planes"])
    assert path.stat().st_mtime_ns > made
