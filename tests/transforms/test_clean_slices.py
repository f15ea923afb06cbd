import numpy as np
import pytest

from scripts.errors import InputError
from scripts.transforms.clean_slices import template_slices


def test_slices_are_padded_and_scaled(held_out_slices):
    assert len(held_out_slices) == 6
    for plane in held_out_slices:
        assert plane.shape == (224, 224)
        assert plane.dtype == np.float32
        assert plane.min() == 0
        assert np.percentile(plane[plane > 0], 95) == pytest.approx(1, abs=0.1)


def test_slices_keep_the_middle_in_the_middle(held_out_slices):
    # The axial grid is 192 x 224, so 16 rows on either side are padding.
    axial = held_out_slices[4]
    assert not axial[:16].any()
    assert not axial[-16:].any()


def test_bad_positions_and_sizes_are_refused():
    with pytest.raises(InputError, match=r"`positions` must be at least 0 and below 1, got \[1.5\]"):
        next(template_slices([1.5], 224))
    with pytest.raises(InputError, match="`size` must be at least 224, got 200"):
        next(template_slices([0.5], 200))
