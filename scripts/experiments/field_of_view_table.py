"""Tables of the experiment on a limited field of view."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..base.markdown_table import format_mean, markdown_table, mean_and_sd

# What was acquired; what is made of full fields of view, and of cropped ones.
UNHARMONIZED, FULL, CROPPED = "unharmonized, full", "harmonized, full", "harmonized, cropped"
METHODS = (UNHARMONIZED, FULL, CROPPED)
# Regions: of the brain, what the cropped source lost and another one shows, and all that some source shows; and outside
# of what any source shows.
CROPPED_PART, BRAIN, UNSEEN = "cropped part", "brain", "unseen"
# What is compared with: the scan of the target's scanner, and `FULL`.
TRUTH, HARMONIZED = "truth", "harmonized full"
# Measures where no source shows anything: of the brain there, and of the output's voxels that are not exactly 0.
SIZE, NONZERO = "brain voxels", "voxels not 0"


@dataclass(frozen=True)
class FieldOfViewRow:
    """One number about one image of one person, whose source `cropped` lost a part at `side`."""

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


def field_of_view_markdown(rows: Sequence[FieldOfViewRow]) -> str:
    """All people, each kind of crop, and what becomes of voxels that no source shows."""
    return "\n".join([_all_people(rows), _kinds_of_crop(rows), _outside(rows)])


def _all_people(rows: Sequence[FieldOfViewRow]) -> str:
    """What was acquired and what is made of it beside each other."""
    lines = [
        [region, reference, measure.upper(), *(_cell(rows, method, (region, reference, measure)) for method in METHODS)]
        for region, reference, measure in _comparisons(rows)
    ]
    people = len({row.subject for row in rows})
    note = (
        f"Mean ± sd over {people} people. Cropped part: brain that the cropped source lost and another one shows.\n"
        "Brain: all that some source shows. Truth: the scan of the target's scanner. Harmonized full: what is made of\n"
        "full fields of view. PSNR is in dB.\n"
    )
    return markdown_table(["region", "compared with", "measure ↑", *METHODS], lines) + "\n" + note


def _kinds_of_crop(rows: Sequence[FieldOfViewRow]) -> str:
    """The cropped part against the truth, source by source and side by side."""
    kinds = {(row.cropped, _kind_of_side(row.side)): None for row in rows}
    measures = [measure for *where, measure in _comparisons(rows) if where == [CROPPED_PART, TRUTH]]
    lines = []
    for source, side in kinds:
        chosen = [row for row in rows if (row.cropped, _kind_of_side(row.side)) == (source, side)]
        cells = [
            _cell(chosen, method, (CROPPED_PART, TRUTH, measure))
            for measure in measures
            for method in (UNHARMONIZED, CROPPED)
        ]
        lines.append([source, side, str(len({row.subject for row in chosen})), *cells])
    heads = [f"{method}: {name.upper()} ↑" for name in measures for method in (UNHARMONIZED, CROPPED)]
    note = "The cropped part against the truth, by the source that is cropped and the side that it loses.\n"
    return markdown_table(["cropped source", "side", "n", *heads], lines) + "\n" + note


def _outside(rows: Sequence[FieldOfViewRow]) -> str:
    """A sentence."""

    def of(measure: str) -> list[float]:
        return [row.value for row in rows if (row.region, row.measure) == (UNSEEN, measure)]

    return (
        f"Voxels that no source shows, {mean_and_sd(of(SIZE))[0]:.0f} of a person's brain on average, and whose "
        f"output is not exactly 0, over all people: {sum(of(NONZERO)):.0f}.\n"
    )


def _comparisons(rows: Iterable[FieldOfViewRow]) -> list[Comparison]:
    return list(dict.fromkeys((r.region, r.reference, r.measure) for r in rows if r.reference))


def _cell(rows: Iterable[FieldOfViewRow], method: str, comparison: Comparison) -> str:
    """Mean and deviation over people, empty where the method is not compared so."""
    by_subject = {
        r.subject: r.value for r in rows if (r.method, r.region, r.reference, r.measure) == (method, *comparison)
    }
    return format_mean(*mean_and_sd(by_subject.values())) if by_subject else ""


def _kind_of_side(side: str) -> str:
    return side if side == "anterior" else "left or right"
