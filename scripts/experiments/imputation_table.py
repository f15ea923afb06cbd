"""The table of the experiment on a withheld contrast."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..metrics.statistics import bonferroni, paired_wilcoxon
from ..report.summary import format_mean, markdown_table, mean_and_sd

# What is acquired on the sources' scanner and withheld, and three ways to make it.
OTHER_SCANNER, REGRESSION = "withheld scan", "regression"
MATCHED_REGRESSION, HACA3_PLUS = "Nyul and regression", "HACA3+"
METHODS = (OTHER_SCANNER, REGRESSION, MATCHED_REGRESSION, HACA3_PLUS)


@dataclass(frozen=True)
class ImputationRow:
    """One number about one method's image of one person."""

    subject: str
    scanner: str
    target_scanner: str
    method: str
    measure: str
    value: float


def imputation_markdown(rows: Sequence[ImputationRow], significance: float) -> str:
    """A line for each method, with a paired test of HACA3+ against each other one."""
    measures = list(dict.fromkeys(row.measure for row in rows))
    others = [method for method in METHODS if method != HACA3_PLUS]
    found = {(m, measure): _values(rows, m, measure) for m in METHODS for measure in measures}
    tests = [(method, measure) for method in others for measure in measures]
    corrected = bonferroni([_compare(found[method, m], found[HACA3_PLUS, m]) for method, m in tests])
    p_values = dict(zip(tests, corrected, strict=True))
    lines = [
        [
            method,
            *(
                format_mean(
                    *mean_and_sd(found[method, measure].values()),
                    mark="\\*" if p_values.get((method, measure), 1.0) < significance else "",
                )
                for measure in measures
            ),
        ]
        for method in METHODS
    ]
    people = len({row.subject for row in rows})
    note = (
        f"Mean ± sd over {people} people, inside the brain. Withheld scan: what the sources' own scanner acquired.\n"
        "PSNR is in dB. \\* differs from HACA3+: paired Wilcoxon test, Bonferroni-corrected for all cells,"
        f" p below {significance:g}.\n"
    )
    return markdown_table(["method", *(f"{measure.upper()} ↑" for measure in measures)], lines) + "\n" + note


def _compare(first: dict[str, float], second: dict[str, float]) -> float:
    return paired_wilcoxon([first[subject] for subject in second], list(second.values()))


def _values(rows: Sequence[ImputationRow], method: str, measure: str) -> dict[str, float]:
    """By subject."""
    return {row.subject: row.value for row in rows if (row.method, row.measure) == (method, measure)}
