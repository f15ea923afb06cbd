"""Eqs. (11) to (13): percentiles that the target's scanner would give to the source's person."""

import logging
import math

import numpy as np
import pytest
import torch

from scripts.methods.haca3plus.planes import PlanesInferer
from scripts.methods.haca3plus.tissue_levels import Brightness, aimed_at, carry_over, interiors, volume_levels

from .tiny import tiny_network

PERCENTILES = torch.tensor([[0.1, 0.3, 0.5, 0.8, 1.2]])


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ([0.2, 0.6, 1.0], [0.1, 0.6, 1.1]),
        ([1.0, 0.6, 0.2], [1.1, 0.6, 0.1]),
        # One that either does not know.
        ([0.6, 0.2, 1.0], [0.9, 0.3, 0.0]),
        ([0.0, 0.5, 0.9], [0.2, 0.25, 0.9]),
        ([0.0, 0.5, 0.0], [0.2, 0.25, 0.9]),
    ],
)
def test_percentiles_follow_the_line_through_the_levels_that_both_know(source, target):
    found = carry_over(PERCENTILES, torch.tensor([source]), torch.tensor([target]))
    pairs = sorted((s, t) for s, t in zip(source, target, strict=True) if s and t)
    knots = np.array([(0.0, 0.0), *pairs])
    expected = np.interp(PERCENTILES[0], *knots.T)
    beyond = PERCENTILES[0].numpy() > knots[-1, 0]
    expected[beyond] = PERCENTILES[0].numpy()[beyond] * knots[-1, 1] / knots[-1, 0]
    np.testing.assert_allclose(found[0], expected, atol=1e-6)


def test_without_levels_and_with_equal_ones_nothing_changes():
    for source, target in (([0.0] * 3, [0.3, 0.6, 1.0]), ([0.3, 0.6, 1.0], [0.0] * 3), ([0.3, 0.6, 1.0],) * 2):
        found = carry_over(PERCENTILES, torch.tensor([source]), torch.tensor([target]))
        torch.testing.assert_close(found, PERCENTILES)


@pytest.mark.parametrize(
    ("source", "target", "same"),
    [
        # Gray and white matter change places, or are nearly one in the source: they are taken as one.
        ([0.2, 0.6, 1.0], [0.1, 1.1, 0.7], ([0.2, 0.8, 0.8], [0.1, 0.9, 0.9])),
        ([0.2, 0.7, 0.8], [0.1, 0.5, 1.0], ([0.2, 0.75, 0.75], [0.1, 0.75, 0.75])),
        # Fluid changes places with gray matter, or is nearly as bright in the source: it does not count.
        ([0.8, 0.6, 1.0], [0.3, 0.6, 0.9], ([0.0, 0.6, 1.0], [0.0, 0.6, 0.9])),
        ([0.7, 0.6, 0.4], [1.2, 0.6, 0.4], ([0.0, 0.6, 0.4], [0.0, 0.6, 0.4])),
        # Steep, but not too steep.
        ([0.7, 0.6, 0.4], [0.9, 0.6, 0.4], ([0.7, 0.6, 0.4], [0.9, 0.6, 0.4])),
    ],
)
def test_what_no_gentle_curve_can_join_is_taken_together_or_left_out(source, target, same):
    found = carry_over(PERCENTILES, torch.tensor([source]), torch.tensor([target]))
    torch.testing.assert_close(found, carry_over(PERCENTILES, *(torch.tensor([each]) for each in same)))
    assert (found.diff() >= 0).all()


SAME, OTHER = 1000.0, 1100.0


def seen(percentiles: torch.Tensor, levels: torch.Tensor, extent: float = SAME) -> Brightness:
    return Brightness(percentiles, levels, torch.tensor([[extent]]))


@pytest.mark.parametrize(
    ("apart", "extent", "share"),
    [
        (0.0, 1000, 1.0),
        (0.06, 1000, 1.0),
        (0.09, 1000, 0.5),
        (0.12, 1000, 0.0),
        (0.2, 1000, 0.0),
        # Larger or smaller by 1 %, 2.25 % and 4 %, and not known.
        (0.03, 990, 1.0),
        (0.03, 1000 * math.exp(0.0225), 0.5),
        (0.09, 1000 * math.exp(-0.0225), 0.25),
        (0.03, 1040, 0.0),
        (0.0, 0, 0.0),
    ],
)
def test_the_targets_own_percentiles_are_aimed_at_where_it_shows_the_same_person(apart, extent, share):
    source, target = torch.tensor([[0.3, 0.6, 1.0]]), torch.tensor([[0.2, 0.7, 1.1]])
    moved = carry_over(PERCENTILES, source, target)
    # Up for one, down for the next, by the same.
    given = moved + apart * moved.mean() * torch.tensor([[1.0, -1.0, 1.0, -1.0, 1.0]])
    expected = share * given + (1 - share) * moved
    aimed = aimed_at(seen(PERCENTILES, source), seen(given, target, extent))
    torch.testing.assert_close(aimed.percentiles, expected)
    assert float(aimed.corrected) == pytest.approx(1 - share, abs=1e-4)


def test_what_people_of_one_scanner_differ_by_is_no_reason_to_change_a_contrast():
    levels = torch.tensor([[0.3, 0.6, 1.0]])
    turn = torch.tensor([[1.0, -1.0, 1.0, -1.0, 0.0]])
    source = seen(PERCENTILES, levels)
    # Another person's percentiles, so that levels decide; these ask for less and less change.
    for factors, changed in (([1.0, 1.4, 1.0], 1.0), ([1.0, 1.01, 1.0], 0.0), ([1.5, 1.5, 1.5], 0.0)):
        target = levels * torch.tensor([factors])
        wanted = carry_over(PERCENTILES, levels, target)
        kept = PERCENTILES * wanted.mean() / PERCENTILES.mean()
        found, share, _ = aimed_at(source, seen(3 * PERCENTILES, target, OTHER))
        torch.testing.assert_close(found, changed * wanted + (1 - changed) * kept)
        assert float(share) == pytest.approx(changed)
    # The same person's, whose scans differ less on one scanner.
    for apart, changed in ((0.005, 0.0), (0.015, 0.5), (0.025, 1.0)):
        same = PERCENTILES + apart * PERCENTILES.mean() * turn * 5 / 4
        expected = changed * same + (1 - changed) * PERCENTILES
        torch.testing.assert_close(aimed_at(source, seen(same, levels))[0], expected)


def test_the_curve_is_corrected_as_far_as_more_changes_than_between_scans_by_one_scanner():
    levels = torch.tensor([[0.3, 0.6, 1.0]])
    source = seen(PERCENTILES, levels)
    found = []
    for factor in (1.0, 1.03, 1.05, 1.07, 1.4):
        target = levels * torch.tensor([[1.0, factor, 1.0]])
        wanted = carry_over(PERCENTILES, levels, target)
        kept = PERCENTILES * wanted.mean() / PERCENTILES.mean()
        apart = float((wanted - kept).abs().mean() / wanted.mean())
        found.append(float(aimed_at(source, seen(3 * PERCENTILES, target, OTHER)).corrected))
        assert found[-1] == pytest.approx(min(max((apart - 0.01) / 0.01, 0), 1), abs=1e-4)
    assert found[0] == 0 < found[2] < 1 == found[-1]


def test_without_levels_the_targets_own_percentiles_are_aimed_at():
    given, none, some = PERCENTILES * 3, torch.zeros(1, 3), torch.ones(1, 3)
    assert torch.equal(aimed_at(seen(PERCENTILES, none), seen(given, some, OTHER))[0], given)
    assert torch.equal(aimed_at(seen(PERCENTILES, some), seen(given, none, OTHER))[0], given)


def test_pixels_count_as_the_least_share_among_their_neighbours():
    beta = torch.zeros(1, 6, 4, 3, 3)
    beta[:, 0], beta[:, 1, :, :, 2], beta[:, 0, :, :, 2] = 1, 0.5, 0.5
    shown = torch.ones(1, 1, 6, 6)
    shown[0, 0, 0, 0] = 0
    fluid, gray, white = interiors(beta, shown)[0]
    # Columns 4 and 5 are mixed, and column 3 is beside them.
    expected = torch.tensor([1, 1, 1, 0.5, 0.5, 0.5]).expand(6, 6) ** 4
    expected = expected.clone()
    expected[:2, :2] = 0
    torch.testing.assert_close(fluid, expected)
    torch.testing.assert_close(gray, torch.tensor([0, 0, 0, 0, 0, 0.5]).expand(6, 6) ** 4)
    assert not white.any()


def test_levels_are_medians_by_weight_and_0_of_a_tissue_that_is_hardly_there():
    pixels = torch.tensor([5.0, 1.0, 3.0, 2.0, 9.0])
    weights = torch.tensor([[1.0, 1, 1, 1, 0], [0.1, 0.2, 0, 0.4, 1.0], [0, 0, 0.002, 0, 0]])
    levels = volume_levels(pixels, weights, torch.tensor([4.0, 7.0]))
    torch.testing.assert_close(levels, torch.tensor([2.0, 9.0, 0.0]))
    assert not volume_levels(pixels, torch.zeros(3, 5), torch.tensor([11.0])).any()


def test_a_target_with_levels_is_brought_to_the_person_whom_it_is_for(anything_is_tissue, caplog):
    network, inferer = tiny_network(learned=True), PlanesInferer(orientations=["axial"])
    image = torch.zeros(4, 16, 16, 16)
    image[0, 3:13, 3:13, 3:13] = 0.2 + torch.rand(10, 10, 10, generator=torch.Generator().manual_seed(0))
    own = inferer.encode_volume(network, image[0], "t1w")
    assert own.levels.shape == (1, 3) and own.levels.any()
    assert own.extent.tolist() == [[1000]]
    other = own.mean.clone()
    place = slice(network.layout.eta_end, network.layout.percentiles_end)
    other[:, place] *= 3
    # The levels say that the scanner is the same, and the extent that the person differs.
    alike = torch.cat([other, own.levels, 1.1 * own.extent], 1)
    (expected,) = inferer.harmonize(image, network, [own.mean])
    with caplog.at_level(logging.INFO):
        (found,) = inferer.harmonize(image, network, [alike])
    assert "t1w: the target differs from the source no more than two people of one scanner may" in caplog.text
    torch.testing.assert_close(found.image, expected.image, atol=1e-4, rtol=0)
    (without,) = inferer.harmonize(image, network, [other])
    assert (without.image - expected.image).abs().max() > 0.1
