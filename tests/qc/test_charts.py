import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from scripts.qc.charts import PALETTE, Bar, Line, Point, _ticks, bar_chart, group_mark, line_chart, scatter_chart


def test_bars_are_as_long_as_their_values():
    chart = bar_chart([Bar("a", 0.5, "50 %", "#123"), Bar("<b>", 0.25, "25 %", "#123")], "shares", most=1.0)
    first, second = (float(width) for width in re.findall(r'<rect[^>]* width="([\d.]+)"', chart))
    assert first == pytest.approx(2 * second)
    assert "&lt;b&gt;" in chart


def test_a_chart_of_nothing_but_zeros_is_drawn():
    assert "<rect" in bar_chart([Bar("a", 0.0, "0", "#123")], "zeros")
    assert "<path" in line_chart([Line("flat", "#123", np.arange(3.0), np.zeros(3))], "x", "y", "flat")


def test_a_line_has_a_gap_where_a_value_is_missing():
    line = Line("a", "#abc", np.arange(5.0), np.array([1.0, 2.0, np.nan, 2.0, 1.0]))
    (curve,) = re.findall(r'd="([^"]+)" fill="none" stroke="#abc"', line_chart([line], "x", "y", "gap"))
    assert re.sub("[^ML]", "", curve) == "MLML"


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (-3, 7, [-2, 0, 2, 4, 6]), (0.1, 0.12, [0.1, 0.105, 0.11, 0.115, 0.12])],
)
def test_ticks_are_round_numbers_within_the_range(low, high, ticks):
    assert _ticks(low, high) == ticks


def test_groups_have_a_color_each_and_a_new_shape_when_colors_run_out():
    marks = [str(group_mark(place)) for place in range(2 * len(PALETTE))]
    assert len(set(marks)) == 2 * len(PALETTE)
    assert PALETTE[1] in marks[1] and PALETTE[1] in marks[len(PALETTE) + 1]


def test_points_carry_their_names():
    points = [Point(0.0, 1.0, "site <1>", "sub-01 & more"), Point(1.0, 0.0, "b", "sub-02")]
    chart = scatter_chart(points, ["site <1>", "b"], "code 1", "code 2", "codes", ((0, 1), (0, 1)))
    titles = [title.text for title in ElementTree.fromstring(chart).iter("{http://www.w3.org/2000/svg}title")]
    assert titles == ["codes", "sub-01 & more", "sub-02"]
