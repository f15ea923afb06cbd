"""Tables of the experiment on a limited field of view."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..base.markdown_table import format_mean, markdown_table, mean_and_sd
from ..metrics.statistics import bonferroni, paired_wilcoxon

# Methods: what was acquired, HACA3+ before sources are cropped, both after.
UNHARMONIZED, FULL, HACA3_PLUS, HACA3 = "unharmonized, full", "HACA3+, full", "HACA3+, cropped", "HACA3, cropped"
METHODS = (UNHARMONIZED, FULL, HACA3_PLUS, HACA3)
# Regions: of the brain, what the cropped source lost and another one shows, and all that some source shows; and outside
# of what any source shows.
CROPPED_PART, BRAIN, UNSEEN = "cropped part", "brain", "unseen"
# What is compared with: the scan of the target's scanner, and `FULL`.
TRUTH, HARMONIZED = "truth", "harmonized full"
# Measures where no source shows anything: of the brain there, and of the output's voxels that are not exactly 0.
SIZE, NONZERO = "brain voxels", "voxels not 0"


@dataclass(frozen=True)
class FieldOfViewRow:
    """One number about one method's image of one person, whose source `cropped` lost a part at `side`."""

    subject: str
    scanner: str
    target_scanner: str
    cropped: str
    side: str
    method: str
    region: str
    reference: str
    measure: str
    value: float


# Region, reference and measure.
Comparison = tuple[str, str, str]


def field_of_view_markdown(rows: Sequence[FieldOfViewRow], significance: float) -> str:
    """All people, each kind of crop, and what becomes of voxels that no source shows."""
    return "\n".join([_all_people(rows, significance), _kinds_of_crop(rows), _outside(rows)])


def _all_people(rows: Sequence[FieldOfViewRow], significance: float) -> str:
    """The methods beside each other, with a paired test of HACA3+ against HACA3 in each line."""
    comparisons = _comparisons(rows)
    found = [{method: _values(rows, method, comparison) for method in METHODS} for comparison in comparisons]
    pairs = [[(by[HACA3_PLUS][subject], by[HACA3][subject]) for subject in by[HACA3]] for by in found]
    p_values = bonferroni([paired_wilcoxon(*zip(*pair, strict=True)) for pair in pairs])
    lines = []
    for (region, reference, measure), by, pair, p in zip(comparisons, found, pairs, p_values, strict=True):
        cells = [format_mean(*mean_and_sd(by[method].values())) for method in METHODS]
        gain = f"{mean_and_sd(ours - theirs for ours, theirs in pair)[0]:+.3f}"
        lines.append(
            [region, reference, measure.upper(), *cells, gain, f"{p:.2g}" + ("\\*" if p < significance else "")]
        )
    people = len({row.subject for row in rows})
    note = (
        f"Mean ± sd over {people} people. Cropped part: brain that the cropped source lost and another one shows.\n"
        "Brain: all that some source shows. Truth: the scan of the target's scanner. Harmonized full: what HACA3+\n"
        "makes of full fields of view. PSNR is in dB. Gain: HACA3+ less HACA3, cropped; p: paired Wilcoxon test,\n"
        f"Bonferroni-corrected for all lines; \\* below {significance:g}.\n"
    )
    return markdown_table(["region", "compared with", "measure ↑", *METHODS, "gain", "p"], lines) + "\n" + note


def _kinds_of_crop(rows: Sequence[FieldOfViewRow]) -> str:
    """The cropped part against the truth, source by source and side by side."""
    kinds = {(row.cropped, _kind_of_side(row.side)): None for row in rows}
    measures = [measure for *where, measure in _comparisons(rows) if where == [CROPPED_PART, TRUTH]]
    lines = []
    for source, side in kinds:
        chosen = [row for row in rows if (row.cropped, _kind_of_side(row.side)) == (source, side)]
        cells = [
            format_mean(*mean_and_sd(_values(chosen, method, (CROPPED_PART, TRUTH, measure)).values()))
            for measure in measures
            for method in (HACA3_PLUS, HACA3)
        ]
        lines.append([source, side, str(len({row.subject for row in chosen})), *cells])
    heads = [f"{method.partition(',')[0]}: {name.upper()} ↑" for name in measures for method in (HACA3_PLUS, HACA3)]
    note = "The cropped part against the truth, by the source that is cropped and the side that it loses.\n"
    return markdown_table(["cropped source", "side", "n", *heads], lines) + "\n" + note


def _outside(rows: Sequence[FieldOfViewRow]) -> str:
    """A sentence."""

    def of(measure: str, method: str) -> list[float]:
        return [row.value for row in rows if (row.region, row.measure, row.method) == (UNSEEN, measure, method)]

    filled = [f"{method.partition(',')[0]} {sum(of(NONZERO, method)):.0f}" for method in (HACA3_PLUS, HACA3)]
    return (
        f"Voxels that no source shows, {mean_and_sd(of(SIZE, ''))[0]:.0f} of a person's brain on average, and whose "
        f"output is not exactly 0, over all people: {', '.join(filled)}.\n"
    )


def _comparisons(rows: Iterable[FieldOfViewRow]) -> list[Comparison]:
    return list(dict.fromkeys((r.region, r.reference, r.measure) for r in rows if r.reference))


def _values(rows: Iterable[FieldOfViewRow], method: str, comparison: Comparison) -> dict[str, float]:
    """By subject."""
    return {r.subject: r.value for r in rows if (r.method, r.region, r.reference, r.measure) == (method, *comparison)}


def _kind_of_side(side: str) -> str:
    return side if side == "anterior" else "left or right"
