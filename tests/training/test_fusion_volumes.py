from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scripts.inferers.fusing import MedianFusion
from scripts.inferers.triplanar import TriPlanarInferer
from scripts.networks.haca3 import Haca3
from scripts.training.fusion_volumes import FusionVolumes

from ..inferers.small import small_haca3_plus
from .test_phantom_slices import slices

FIELD_OF_VIEW = 96


@pytest.fixture(scope="module")
def network() -> Haca3:
    return small_haca3_plus(target_slices=2).float()


def volumes(network: Haca3, folder: Path, **options: Any) -> FusionVolumes:
    people = slices(scanners_per_subject=2, field_of_view=FIELD_OF_VIEW)
    return FusionVolumes(people, network, TriPlanarInferer(MedianFusion()), folder, **{"number": 2, **options})


def test_an_example_is_a_person_on_two_scanners(network, tmp_path):
    data = volumes(network, tmp_path, target_dropout=0.0, contrast_dropout=0.0)
    example = data.example(0)
    visit, other = next(iter(data.people.scans(1, 1)))
    contrast = ("t1w", "t2w", "pd", "flair").index(example["contrast"])
    # A box of 6 x 8 x 6 voxels in the middle of a cube, axes (Z, Y, X).
    inside = (0, slice(45, 51), slice(44, 52), slice(45, 51))
    truth = other.volumes[contrast].clamp(max=5).permute(2, 1, 0)
    torch.testing.assert_close(example["target"][inside], truth, rtol=1e-3, atol=1e-3)
    assert torch.equal(example["mask"][inside] > 0, visit.mask.permute(2, 1, 0))
    assert torch.equal(example["visible"], example["mask"])
    assert example["planes"].shape == (3, *[FIELD_OF_VIEW] * 3)
    for plane in example["planes"]:
        assert plane[inside[1:]][example["mask"][inside] > 0].std() > 0
        # Scaled to what most voxels of the person's own grid stay below.
        assert np.percentile(plane[inside[1:]], 95) == pytest.approx(1, rel=0.01)


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
