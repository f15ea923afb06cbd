"""Numbers that summarise several values, and how they are written in a Markdown table."""

import math
from collections.abc import Iterable, Sequence

import numpy as np


def mean_and_sd(values: Iterable[float]) -> tuple[float, float]:
    """Mean and sample standard deviation (n - 1) of the values that are defined; NaN where there are too few."""
    defined = np.array([value for value in values if not math.isnan(value)])
    if len(defined) == 0:
        return math.nan, math.nan
    spread = defined.std(ddof=1) if len(defined) > 1 and np.isfinite(defined).all() else math.nan
    return float(defined.mean()), float(spread)


def format_mean(mean: float, sd: float = math.nan, decimals: int = 3, mark: str = "") -> str:
    """`0.812 ± 0.031*`, without the part that is not defined, and a dash for nothing."""
    if math.isnan(mean):
        return "–"
    return f"{mean:.{decimals}f}" + ("" if math.isnan(sd) else f" ± {sd:.{decimals}f}") + mark


def markdown_table(heads: Sequence[str], lines: Iterable[Sequence[str]], text_columns: int = 1) -> str:
    """A table whose first columns are text and whose other columns are numbers."""
    rule = ["---"] * text_columns + ["---:"] * (len(heads) - text_columns)
    return "\n".join("| " + " | ".join(line) + " |" for line in [heads, rule, *lines]) + "\n"
