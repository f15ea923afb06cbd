import math

import pytest

from scripts.base.markdown_table import format_mean, markdown_table, mean_and_sd


def test_mean_and_sample_sd_by_hand() -> None:
    # Deviations -2, 0, 2: sd = sqrt(8 / 2); what is not defined does not count.
    assert mean_and_sd([2.0, math.nan, 4.0, 6.0]) == pytest.approx((4.0, 2.0))


@pytest.mark.parametrize(("values", "mean"), [([], math.nan), ([3.0], 3.0), ([1.0, math.inf], math.inf)])
def test_sd_is_undefined_where_there_is_none(values: list[float], mean: float) -> None:
    found_mean, found_sd = mean_and_sd(values)
    assert found_mean == pytest.approx(mean, nan_ok=True)
    assert math.isnan(found_sd)


def test_formats_what_is_defined() -> None:
    assert format_mean(0.8124, 0.03) == "0.812 ± 0.030"
    assert format_mean(0.8124, mark="*", decimals=1) == "0.8*"
    assert format_mean(math.nan, 1.0) == "–"


def test_table() -> None:
    assert markdown_table(["method", "n"], [["nyul", "4"]]) == "| method | n |\n| --- | ---: |\n| nyul | 4 |\n"
    assert markdown_table(["id", "is"], [], text_columns=2) == "| id | is |\n| --- | --- |\n"
