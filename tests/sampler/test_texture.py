"""Texture: how strong it is, that contrasts share it, and that there is none unless asked for."""

import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.sampler.signal import Maps
from scripts.sampler.texture import WIDTHS, Texture


def maps(side: int = 96) -> Maps:
    ones = np.ones((side, side), dtype=np.float32)
    return Maps(ones, 0.8 * ones, 12 * ones, np.zeros((6, side, side), dtype=np.float32))


def test_all_slices_of_a_view_have_the_same_texture_and_contrasts_share_some():
    texture, strengths = Texture(0.1), np.full(len(WIDTHS), 0.05, dtype=np.float32)
    found = texture.on_slices({0: maps(), 2: maps()}, strengths, np.random.default_rng(1))
    np.testing.assert_array_equal(found[0].r1, found[2].r1)
    logs = [np.log(getattr(found[0], name)).ravel() for name in ("pd", "r1", "r2")]
    # Fields of four widths, each of .05; broad ones vary little within a slice.
    assert 0.07 < logs[1].std() < 0.12 and 0.07 < logs[2].std() < 0.12 and logs[0].std() < 0.05
    assert 0.4 < np.corrcoef(logs[1], logs[2])[0, 1] < 0.8


def test_voxels_have_as_much_as_slices():
    strengths = np.full(len(WIDTHS), 0.05, dtype=np.float32)
    found = Texture(0.1).on_voxels(maps(), strengths, np.random.default_rng(1))
    assert np.log(found.r1).std() == pytest.approx(0.1, rel=0.05)


def test_without_strength_maps_stay_as_they_are():
    texture, one = Texture(), maps()
    views = {0: one}
    assert texture.on_slices(views, texture.strengths(np.random.default_rng(0)), np.random.default_rng(1)) is views
    assert texture.on_voxels(one, np.zeros(len(WIDTHS)), np.random.default_rng(1)) is one


def test_too_much_is_refused():
    with pytest.raises(InputError, match="`most` of texture must be between 0 and 0.5, got 0.7"):
        Texture(0.7)
