"""Which images are known to lie in MNI152 space."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

from scripts.images.nifti import NativeImage
from scripts.registration.recognition import Recognition

GRIDS = {"tiny template": [24, 20, 16, -24, -40, 0, 2]}
AFFINE = np.array([[2.0, 0, 0, -24], [0, 2, 0, -40], [0, 0, 2, 0], [0, 0, 0, 1]])
SCANNER, MNI152 = 1, 4
RECOGNITION = Recognition(grids=GRIDS)


def image(code: int, affine: np.ndarray = AFFINE, shape: tuple[int, ...] = (24, 20, 16)) -> NativeImage:
    """Bright everywhere, so that the center of mass is that of the field of view."""
    header = nibabel.Nifti1Image(np.ones(shape, np.float32), affine).header
    header.set_sform(affine, code)
    header.set_qform(None, 0)
    return NativeImage(Path("sub-1_T1w.nii.gz"), np.ones(shape, np.float32), affine, header, "")


def shifted(millimeters: tuple[float, float, float]) -> np.ndarray:
    return nibabel.affines.from_matvec(np.eye(3), millimeters) @ AFFINE


def test_a_known_grid_is_recognised_whatever_the_code():
    assert RECOGNITION(image(SCANNER))


def test_the_order_and_direction_of_axes_are_free():
    first = np.array([[0, 0, -1, 23], [1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    assert RECOGNITION(image(SCANNER, AFFINE @ first, (20, 16, 24)))


@pytest.mark.parametrize(
    ("affine", "shape"),
    [
        (shifted((0.5, 0, 0)), (24, 20, 16)),
        (AFFINE, (24, 20, 17)),
        (AFFINE @ np.diag([1.01, 1, 1, 1]), (24, 20, 16)),
        (nibabel.affines.from_matvec(nibabel.eulerangles.euler2mat(0.02)) @ AFFINE, (24, 20, 16)),
    ],
)
def test_another_grid_is_raw_unless_its_header_says_otherwise(affine, shape):
    assert not RECOGNITION(image(SCANNER, affine, shape))
    assert RECOGNITION(image(MNI152, affine, shape))


def test_a_header_that_puts_the_head_elsewhere_is_not_believed():
    assert RECOGNITION(image(MNI152, shifted((0, 0, 30))))
    assert not RECOGNITION(image(MNI152, shifted((0, 0, 60))))


def test_the_qform_counts_where_the_sform_has_no_code():
    raw = image(SCANNER, shifted((1, 0, 0)))
    raw.header.set_sform(None, 0)
    raw.header.set_qform(raw.affine, MNI152)
    assert RECOGNITION(raw)
