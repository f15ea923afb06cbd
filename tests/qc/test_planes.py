import numpy as np
import pytest

from scripts.images.grid import GRID_AFFINE
from scripts.qc.planes import PLANES, Box, box_around, fullest

AXIAL, CORONAL, SAGITTAL = PLANES


def one_voxel(*place: int) -> np.ndarray:
    volume = np.zeros((4, 5, 6))
    volume[place] = 1
    return volume


# In a volume of LAS order the first voxel lies at the right, back and bottom.
@pytest.mark.parametrize(
    ("plane", "shape", "row", "column"),
    [(AXIAL, (5, 4), -1, 0), (CORONAL, (6, 4), -1, 0), (SAGITTAL, (6, 5), -1, -1)],
    ids=["axial", "coronal", "sagittal"],
)
def test_right_back_and_bottom_are_where_radiologists_have_them(plane, shape, row, column):
    picture = plane.cut(one_voxel(0, 0, 0), 0)
    assert picture.shape == shape
    assert picture[row, column] == 1 == picture.sum()


def test_letters_name_the_sides_left_right_top_bottom():
    # What lies to the left of the head is at the right of the picture, what is in front at its top.
    left = AXIAL.cut(one_voxel(3, 2, 0), 0)
    assert (np.argwhere(left)[0][1] == 3) and AXIAL.edges[:2] == "RL"
    front = SAGITTAL.cut(one_voxel(0, 4, 3), 0)
    assert (np.argwhere(front)[0][1] == 0) and SAGITTAL.edges[:2] == "AP"
    top = CORONAL.cut(one_voxel(1, 0, 5), 0)
    assert (np.argwhere(top)[0][0] == 0) and CORONAL.edges[2:] == "SI"


def test_box_holds_the_mask_and_a_margin_within_the_volume():
    mask = one_voxel(1, 2, 5) > 0
    box = box_around(mask, margin=2)
    assert (box.low, box.high) == ((0, 0, 3), (4, 5, 6))
    assert box.cut(mask).shape == (4, 5, 3)
    assert box.cut(mask)[1, 2, 2]


def test_box_knows_its_place_in_mni_space():
    box = Box((96, 132, 78), (100, 140, 90))
    assert [box.millimeters(plane, 0) for plane in (SAGITTAL, CORONAL, AXIAL)] == [0, 0, 0]
    assert [box.millimeters(plane, 3) for plane in (SAGITTAL, CORONAL, AXIAL)] == [-3, 3, 3]
    np.testing.assert_array_equal(box.affine @ [0, 0, 0, 1], GRID_AFFINE @ [96, 132, 78, 1])


def test_fullest_slice_of_each_plane():
    mask = one_voxel(1, 2, 3) + one_voxel(1, 2, 4) + one_voxel(3, 2, 4) > 0
    assert [fullest(mask, plane) for plane in PLANES] == [4, 2, 1]
