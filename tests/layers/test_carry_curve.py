"""Brightness from what a network made, detail from the source."""

import pytest
import torch

from scripts.base.errors import InputError
from scripts.layers.carry_curve import CurveCarrier
from scripts.layers.tone_curve import CurveFinder

FINDER = CurveFinder(threshold=0)


def noise(seed: int = 0) -> torch.Tensor:
    """A volume (1, 8, 9, 7) with background."""
    volume = torch.rand(1, 8, 9, 7, generator=torch.Generator().manual_seed(seed)) + 0.1
    volume[:, 0] = 0
    return volume


def test_the_source_goes_through_the_curve_from_what_was_seen_to_what_was_made():
    source, seen = noise(0), noise(1)
    found = CurveCarrier(FINDER)(noise(2), source, seen, 0.5 * seen + 0.2 * (seen > 0))
    # Below the first percentile the curve goes straight to 0.
    usual = source > 0.15
    torch.testing.assert_close(found[usual], 0.5 * source[usual] + 0.2, atol=0.02, rtol=0)
    assert not found[:, 0].any()


def test_only_where_both_show_something():
    source, volume = noise(0), noise(2)
    source[:, 1], volume[:, 2] = 0, 0
    found = CurveCarrier(FINDER)(volume, source, noise(1), 2 * noise(1))
    assert torch.equal(found[:, :3], volume[:, :3])
    assert (found[:, 3:] - volume[:, 3:]).abs().min(1).values.max() > 0.1


def test_a_share_of_detail_lies_between_all_and_none():
    source, volume = noise(0), noise(2)
    whole, third, none = (CurveCarrier(FINDER, share)(volume, source, noise(1), noise(3)) for share in (True, 0.3, 0))
    torch.testing.assert_close(third, volume + 0.3 * (whole - volume))
    torch.testing.assert_close(none, volume)
    for share in (-0.1, 1.1, "half"):
        with pytest.raises(InputError, match="`carry_detail` must be true, false or a number from 0 to 1, got"):
            CurveCarrier(FINDER, share)


def test_where_nothing_is_known_the_volume_stays():
    volume = noise(2)
    assert CurveCarrier(FINDER)(volume, noise(0), torch.zeros(1, 2, 2, 2), torch.ones(1, 2, 2, 2)) is volume
