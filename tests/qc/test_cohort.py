import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from scripts.qc.cohort import cohort_page, grouping, probe_sites, rank, scatter_charts
from scripts.qc.summaries import Summary


def summary(number: int, values: Mapping[str, float] | None = None, site: str = "", **more: Any) -> Summary:
    name = f"sub-{number:02d}"
    given: dict[str, Any] = {"contrast": "t1w", "scanner": "", "random": False, **more}
    page, thumbnail = f"{name}.html", f"{name}/figures/{name}.png"
    return Summary(name, name, site=site, page=page, thumbnail=thumbnail, values=values or {}, **given)


def features(seed: int, shift: float) -> Sequence[float]:
    return (shift + np.random.default_rng(seed).normal(0, 0.1, 4)).tolist()


def two_sites(people: int) -> list[Summary]:
    """Before, the sites differ; after, they do not."""
    return [
        summary(
            n,
            {"change": 0.1},
            f"site {n % 2}",
            probe={"before": features(n, n % 2), "after": features(n, 0)},
            codes={
                "before": {"appearance": [float(n % 2), 0.0], "artifacts": [0.0, 0.0]},
                "after": {"appearance": [0.5, 0.01 * n], "artifacts": [0.0, 0.0]},
                "target": {"appearance": [0.5, 0.0], "artifacts": [0.0, 0.0]},
            },
        )
        for n in range(people)
    ]


def test_the_one_unlike_the_others_comes_first_with_what_makes_it_so():
    values = [1.0, 2.0, 3.0, 4.0, 20.0]
    summaries = [summary(n, {"edges": 0.9, "change": value}) for n, value in enumerate(values)]
    first, *others = rank(summaries)
    assert (first.summary.name, first.measure) == ("sub-04", "change")
    # Median 3, median absolute deviation 1.
    assert first.score == pytest.approx(17 / 1.4826)
    assert [s.summary.name for s in others] == ["sub-03", "sub-00", "sub-01", "sub-02"]


def test_only_what_is_worse_than_elsewhere_stands_out():
    edges = [0.5, 0.9, 0.91, 0.92, 0.99]
    first, *_, last = rank([summary(n, {"edges": value, "histogram_before": value}) for n, value in enumerate(edges)])
    assert (first.summary.name, first.measure, first.score) == ("sub-00", "edges", pytest.approx(0.41 / 0.014826))
    assert last.score == 0


def test_images_that_are_nearly_equal_do_not_stand_out():
    hardly, clearly = (
        rank([summary(n, {"imputed": value}) for n, value in enumerate([0.0, 0.0, 0.0, 0.0, last])])[0].score
        for last in (0.005, 0.1)
    )
    assert (hardly, clearly) == (pytest.approx(0.5), pytest.approx(10))


def test_few_images_of_a_contrast_are_not_ranked():
    summaries = [summary(n, {"change": float(n)}) for n in range(4)]
    summaries += [summary(n, {"change": float(n)}, contrast="flair") for n in range(4)]
    standings = rank(summaries)
    assert [standing.score for standing in standings] == [None] * 8
    assert "too few images" in cohort_page(summaries, 3.5)


def test_images_are_grouped_by_site_and_within_one_site_by_scanner():
    several = [summary(0, site="A", scanner="1"), summary(1, site="B", scanner="1"), summary(2)]
    assert list(map(grouping(several), several)) == ["A", "B", "unknown"]
    one = [summary(0, site="A", scanner="1"), summary(1, site="A", scanner="2"), summary(2)]
    assert list(map(grouping(one), one)) == ["1", "2", "unknown"]


def test_sites_that_are_told_apart_before_are_not_after():
    pytest.importorskip("sklearn", reason="requirements-evaluate.txt is not installed")
    (accuracy,) = probe_sites(two_sites(20))
    assert not isinstance(accuracy, str)
    assert (accuracy.before, accuracy.chance, accuracy.images, accuracy.sites) == (1.0, 0.5, 20, 2)
    assert accuracy.after < 0.85


def test_without_sites_it_is_said_why_there_is_no_probe():
    assert "no sites are known" in probe_sites([summary(0), summary(1)])
    pytest.importorskip("sklearn", reason="requirements-evaluate.txt is not installed")
    assert "at least two sites, each with images" in probe_sites(two_sites(2))


def test_codes_of_both_pictures_and_the_target_share_their_ranges():
    charts = scatter_charts(two_sites(10), lambda one: int(one.site[-1]), lambda one: one.site)
    assert charts is not None
    before, after = charts
    # The target is the same for all.
    assert len(before.points) == len(after.points) == 11
    assert (before.x_range, before.y_range) == (after.x_range, after.y_range)
    (left, right), (bottom, top) = before.x_range, before.y_range
    assert left < 0 < 1 < right and bottom < 0 < 0.09 < top
    assert before.points[1].name == "sub-01, site 1" and before.points[1].group == 1
    assert scatter_charts([summary(0)], lambda one: 0, lambda one: "") is None


def test_what_a_subjects_page_warns_of_is_on_the_cohorts_page_too():
    page = cohort_page([summary(0, concerns=["0.2 % of the source was cut off."]), summary(1)], 3.5)
    assert "1 image has a note on its page" in page and "0.2 % of the source was cut off." in page


def test_page_has_every_image_and_escapes_what_names_hold():
    summaries = [*two_sites(6), summary(7, {"change": 0.9}, site="<b>&'", codes=two_sites(1)[0].codes)]
    page = cohort_page(summaries, 3.5)
    assert len(re.findall("<img ", page)) == 7
    assert "<b>&" not in page and "&lt;b&gt;&amp;&#39;" in page
    for one in summaries:
        assert f'href="{one.page}"' in page and f'src="{one.thumbnail}"' in page
    assert page == cohort_page(list(summaries), 3.5)
