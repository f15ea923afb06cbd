"""Markup, colors, outlines and sheets: what pictures are made of."""

import base64
import io
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
from PIL import Image

from scripts.qc.colors import diverging, gray, sequential
from scripts.qc.markup import Markup, join, tag
from scripts.qc.outline import outline
from scripts.qc.sheet import Cell, Row, draw_sheet

HOSTILE = '<script>alert("1")</script>&'


def test_text_and_attributes_are_escaped_and_markup_is_not():
    element = tag("a", HOSTILE, tag("b", 1.0), href=HOSTILE)
    assert element == (
        '<a href="&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;">'
        "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;<b>1</b></a>"
    )


def test_attributes_are_written_as_html_spells_them():
    assert tag("p", class_="note", stroke_width=0.5, title=None) == '<p class="note" stroke-width="0.5"></p>'
    assert tag("img", src="x.png") == '<img src="x.png">'
    assert join(["<", [Markup("<br>"), None]], 1 / 3) == "&lt;<br>0.333333"


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
    assert outline(mask) == "M2 1V2M3 1V2M2 1H3M2 2H3"
    assert outline(np.zeros((2, 2), bool)) == ""


def test_outline_of_a_ring_has_its_hole_too():
    mask = np.ones((5, 5), bool)
    mask[1:4, 1:4] = False
    sides = [(abs(float(b) - float(a))) for a, b in re.findall(r"M\d+ (\d+)V(\d+)", outline(mask))]
    assert sorted(sides) == [3, 3, 5, 5]


def test_sheet_is_an_svg_of_its_own_that_holds_its_pictures():
    pixels = np.full((4, 6), 77, np.uint8)
    rows = [Row(HOSTILE, [Cell(pixels, [("M0 0V1", "#fff")], "RLAP"), Cell(pixels)])]
    root = ElementTree.fromstring(draw_sheet(["before", HOSTILE], rows, "both"))
    space = "{http://www.w3.org/2000/svg}"
    texts = [text.text for text in root.iter(f"{space}text")]
    assert texts == ["before", HOSTILE, HOSTILE, "R", "L", "A", "P"]
    images = [image.get("href", "") for image in root.iter(f"{space}image")]
    assert len(images) == 2
    for image in images:
        content = base64.b64decode(image.removeprefix("data:image/png;base64,"))
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), pixels)


def test_pictures_of_any_size_fill_their_columns():
    widths = {}
    for size in (20, 180):
        cell = Cell(np.zeros((size, size), np.uint8))
        widths[size] = re.search(r'viewBox="0 0 (\d+)', draw_sheet(["a", "b", "c"], [Row("", [cell] * 3)], ""))
    assert widths[20] is not None and widths[20][1] == widths[180][1]
