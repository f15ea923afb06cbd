"""The table of the experiment on a withheld contrast."""

from collections.abc import Sequence
from dataclasses import dataclass

from .method_comparison import NOTE, methods_markdown

# What is acquired on the sources' scanner and withheld, and three ways to make it.
OTHER_SCANNER, REGRESSION = "withheld scan", "regression"
MATCHED_REGRESSION, IMPUTED = "Nyul and regression", "imputed"
METHODS = (OTHER_SCANNER, REGRESSION, MATCHED_REGRESSION, IMPUTED)


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
    """A line for each method, with a paired test of the imputed images against each other one."""
    heads = {measure: f"{measure.upper()} ↑" for measure in dict.fromkeys(row.measure for row in rows)}
    found = {
        (method, head): {row.subject: row.value for row in rows if (row.method, row.measure) == (method, measure)}
        for method in METHODS
        for measure, head in heads.items()
    }
    people = len({row.subject for row in rows})
    note = f"Mean ± sd over {people} people, inside the brain. Withheld scan: what the sources' own scanner acquired.\n"
    table = methods_markdown(found, list(heads.values()), IMPUTED, significance)
    return table + "\n" + note + NOTE.format(reference=IMPUTED, significance=significance)
