import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from scripts.qc.charts import PALETTE, Chart, Line, Point, line_chart, ticks
from scripts.qc.page import draw

SVG = "{http://www.w3.org/2000/svg}"


def points_chart(points: list[Point]) -> Chart:
    return Chart("code 1", "code 2", "codes <1>", (0.0, 1.0), (0.0, 1.0), points=points)


def test_a_chart_of_nothing_but_zeros_is_drawn():
    assert "<path" in draw(line_chart([Line("flat", "#123", np.arange(3.0), np.zeros(3))], ("x", "y"), "flat"))


def test_a_line_has_a_gap_where_a_value_is_missing():
    line = Line("a", "#abc", np.arange(5.0), np.array([1.0, 2.0, np.nan, 2.0, 1.0]))
    chart = line_chart([line], ("x", "y"), "gap")
    assert re.sub("[^ML]", "", chart.path(line)) == "MLML"
    assert f'd="{chart.path(line)}" fill="none" stroke="#abc"' in draw(chart)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (-3, 7, [-2, 0, 2, 4, 6]), (0.1, 0.12, [0.1, 0.105, 0.11, 0.115, 0.12])],
)
def test_ticks_are_round_numbers_within_the_range(low, high, expected):
    assert ticks((low, high)) == expected


def test_groups_have_a_color_each_and_a_new_shape_when_colors_run_out():
    drawn = draw(points_chart([Point(0.5, 0.5, place, "") for place in range(2 * len(PALETTE))]))
    marks = re.findall('<path class="mark".*?>', drawn, re.DOTALL)
    assert len(set(marks)) == 2 * len(PALETTE)
    assert PALETTE[1] in marks[1] and PALETTE[1] in marks[len(PALETTE) + 1]


def test_points_carry_their_names_and_the_chart_its_description():
    chart = points_chart([Point(0.0, 1.0, 0, "sub-01 & more"), Point(1.0, 0.0, None, "target")])
    root = ElementTree.fromstring(draw(chart))
    assert [title.text for title in root.iter(f"{SVG}title")] == ["codes <1>", "sub-01 & more", "target"]
    assert root.get("role") == "img"
