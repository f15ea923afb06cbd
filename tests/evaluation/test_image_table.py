import math

import pytest

from scripts.evaluation.image_table import ImageRow, image_markdown, image_table
from scripts.evaluation.measurements import Measurement


def measure(method: str, contrast: str, values: list[float], name: str = "psnr") -> list[Measurement]:
    return [
        Measurement(method, f"sub-{index}", "ses-02", 1, contrast, "site", "scanner", name, "", value)
        for index, value in enumerate(values)
    ]


MEASUREMENTS = [
    *measure("unharmonized", "t1w", [20.0, 21.0, 22.0, 23.0, 24.0]),
    *measure("better", "t1w", [21.0, 23.0, 25.0, 27.0, 29.0]),
    *measure("equal", "t1w", [20.0, 21.0, 22.0, 23.0, 24.0]),
    *measure("rescan", "t1w", [30.0, 32.0]),
]


def rows_by_method() -> dict[str, ImageRow]:
    return {row.method: row for row in image_table(MEASUREMENTS)}


def test_means_by_hand() -> None:
    row = rows_by_method()["better"]
    assert (row.n, row.mean) == (5, 25.0)
    assert row.sd == pytest.approx(math.sqrt(10.0))


def test_p_values_by_hand() -> None:
    # Five differences of one sign: p = 2 / 2^5 = .0625, with two tests .125 by both corrections.
    rows = rows_by_method()
    assert rows["better"].p == pytest.approx(0.0625)
    assert rows["better"].p_bonferroni == pytest.approx(0.125)
    assert rows["better"].p_benjamini_hochberg == pytest.approx(0.125)
    assert rows["equal"].p == 1.0


@pytest.mark.parametrize("method", ["unharmonized", "rescan"])
def test_rows_that_are_no_method_are_not_tested(method: str) -> None:
    assert math.isnan(rows_by_method()[method].p)


def test_pairs_follow_the_visit_and_not_the_order() -> None:
    shuffled = [*MEASUREMENTS[:5], *reversed(MEASUREMENTS[5:10])]
    assert {row.method: row for row in image_table(shuffled)}["better"].p == pytest.approx(0.0625)


def test_markdown_has_a_table_per_contrast_and_marks_what_is_significant() -> None:
    rows = image_table([*MEASUREMENTS, *measure("unharmonized", "flair", [18.0])])
    text = image_markdown(rows, {"psnr": "PSNR (dB)", "ssim": "SSIM"}, significance=0.2, truth="the first visit")
    assert "### t1w" in text
    assert "### flair\n\n| method | n | PSNR (dB) | SSIM |\n| --- | ---: | ---: | ---: |\n" in text
    assert "| unharmonized | 1 | 18.000 | – |" in text
    assert "| better | 5 | 25.000 ± 3.162\\* | – |" in text
    assert "| equal | 5 | 22.000 ± 1.581 | – |" in text
    assert "each compared with the first visit (rescan" in text
