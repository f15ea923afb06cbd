"""A table of methods, each tested against one of them on the same people."""

from collections.abc import Mapping, Sequence

from ..base.markdown_table import format_mean, markdown_table, mean_and_sd
from ..metrics.statistics import bonferroni, paired_wilcoxon

# The value of each subject.
Values = Mapping[str, float]

NOTE = (
    "PSNR is in dB. \\* differs from {reference}: paired Wilcoxon test, Bonferroni-corrected for all cells,"
    " p below {significance:g}.\n"
)


def methods_markdown(
    found: Mapping[tuple[str, str], Values], heads: Sequence[str], reference: str, significance: float
) -> str:
    """A line for each method and a column for each of `heads`, of the values `found` of (method, head)."""
    methods = list(dict.fromkeys(method for method, _ in found))
    tests = [(method, head) for method in methods if method != reference for head in heads]
    corrected = bonferroni([_compare(found[method, head], found[reference, head]) for method, head in tests])
    p_values = dict(zip(tests, corrected, strict=True))

    def cell(method: str, head: str) -> str:
        differs = p_values.get((method, head), 1.0) < significance
        return format_mean(*mean_and_sd(found[method, head].values()), mark="\\*" if differs else "")

    lines = [[method, *(cell(method, head) for head in heads)] for method in methods]
    return markdown_table(["method", *heads], lines)


def _compare(first: Values, second: Values) -> float:
    return paired_wilcoxon([first[subject] for subject in second], list(second.values()))
