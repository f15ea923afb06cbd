import logging

import numpy as np
import pytest

from scripts.images.cut_off import tell_what_is_cut_off
from scripts.images.grid import GRID_AFFINE, GRID_SHAPE
from scripts.images.nifti import read_image
from scripts.images.resampling import NativeResult, to_native_grid

from .little_image import save


@pytest.mark.parametrize(
    ("share", "head", "level"),
    [
        (0.0009, False, None),
        (0.001, False, "WARNING"),
        (0.2, False, "WARNING"),
        (0.0009, True, None),
        (0.2, True, "INFO"),
    ],
)
def test_what_is_cut_off_is_said_from_a_thousandth_on(caplog, share, head, level):
    nothing = np.zeros((2, 2, 2))
    with caplog.at_level(logging.INFO):
        tell_what_is_cut_off("sub-01, t1w", NativeResult(nothing, nothing > 0, 7, share), head)
    assert [record.levelname for record in caplog.records] == ([] if level is None else [level])
    if level is not None:
        assert caplog.messages[0].startswith(
            f"sub-01, t1w: {100 * share:.1f} % of the {'head' if head else 'brain'} lies"
        )


@pytest.mark.parametrize("cut", [0, 2, 10])
def test_the_share_is_of_what_the_image_shows(tmp_path, cut):
    affine = GRID_AFFINE.copy()
    affine[2, 3] = GRID_AFFINE[2, 3] - cut
    voxels = np.zeros((192, 224, 40), np.float32)
    voxels[50:100, 60:160, :20] = 100
    image = read_image(save(tmp_path / "image.nii", voxels, affine))
    native = to_native_grid(np.zeros(GRID_SHAPE, np.float32), image)
    assert native.foreground_outside == 50 * 100 * cut
    assert native.share_outside == cut / 20
