"""Slices, colors, outlines and PNG files: what pictures are made of."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from scripts.qc.slices import PLANES, Cell, border, diverging, encode_png, gray, outline, sequential

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


def test_fullest_slice_of_each_plane():
    mask = one_voxel(1, 2, 3) + one_voxel(1, 2, 4) + one_voxel(3, 2, 4) > 0
    assert [plane.fullest(mask) for plane in PLANES] == [4, 2, 1]


def test_grays_run_from_black_to_white_and_stop_there():
    np.testing.assert_array_equal(gray(np.array([[-1.0, 0.0, 0.5, 1.0, 7.0]])), [[0, 0, 128, 255, 255]])


def test_no_change_and_nothing_are_black():
    assert diverging(np.zeros((1, 1))).max() <= 2
    assert sequential(np.zeros((1, 1))).tolist() == [[[0, 0, 0]]]
    (less, more) = diverging(np.array([[-0.5, 0.5]]))[0].astype(int)
    assert less[2] > less[0] and more[0] > more[2]


def test_outline_of_a_pixel_has_four_sides():
    mask = np.zeros((3, 3), bool)
    mask[1, 2] = True
    assert border(mask) == "M2 1V2M3 1V2M2 1H3M2 2H3"
    assert border(np.zeros((2, 2), bool)) == ""


def test_outline_of_a_ring_has_its_hole_too():
    mask = np.ones((5, 5), bool)
    mask[1:4, 1:4] = False
    sides = [(abs(float(b) - float(a))) for a, b in re.findall(r"M\d+ (\d+)V(\d+)", border(mask))]
    assert sorted(sides) == [3, 3, 5, 5]


def test_outlines_of_masks_leave_out_single_pixels():
    mask = np.zeros((9, 9), bool)
    mask[4, 4] = True
    assert outline(mask, 0.5) == ""
    mask[1:8, 1:8] = True
    assert outline(mask, 0.5).count("V") >= 2


def test_a_framed_cell_keeps_its_pixels_and_says_where_its_outlines_begin():
    cell = Cell(np.full((2, 4, 3), 7, np.uint8), edges="RLAP").framed(6, 5)
    assert cell.pixels.shape == (6, 5, 3) and cell.shift == (0, 2) and cell.edges == "RLAP"
    assert (cell.pixels[2:4, :4] == 7).all() and cell.pixels.sum() == 7 * 24


@pytest.mark.parametrize("shape", [(5, 7), (4, 3, 3), (1, 1)])
def test_a_reader_of_png_gets_the_pixels_back_whatever_their_memory_order(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    content = encode_png(pixels)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), pixels)
    assert content == encode_png(np.asfortranarray(pixels))
