"""The tables of the experiment that takes parts of HACA3+ away."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..base.markdown_table import format_mean, markdown_table, mean_and_sd
from .method_comparison import NOTE, methods_markdown

UNHARMONIZED, HACA3_PLUS = "unharmonized", "HACA3+"
NO_ARTIFACT_ENCODER, NO_ATTENTION = "without artifact encoder", "without attention"
METHODS = (UNHARMONIZED, HACA3_PLUS, NO_ARTIFACT_ENCODER, NO_ATTENTION)
# The source of the target's contrast, as it was acquired and with an artifact.
ACQUIRED, DEGRADED = "clean", "degraded"
STATES = (ACQUIRED, DEGRADED)


@dataclass(frozen=True)
class AblationRow:
    """One number about one method's image of one person, whose source of the contrast `target` is in one `state`."""

    subject: str
    scanner: str
    target_scanner: str
    target: str
    artifact: str
    state: str
    method: str
    measure: str
    value: float


def ablation_markdown(rows: Sequence[AblationRow], significance: float) -> str:
    """The methods with a paired test of HACA3+ against each other one, and what parts bring by kind of artifact."""
    measures = list(dict.fromkeys(row.measure for row in rows))
    heads = {(state, measure): f"{state}: {measure.upper()} ↑" for state in STATES for measure in measures}
    found = {(method, head): _values(rows, method, *which) for method in METHODS for which, head in heads.items()}
    people = len({row.subject for row in rows})
    note = (
        f"Mean ± sd over {people} people, inside the brain; the source of the target's contrast is clean or degraded.\n"
    )
    table = methods_markdown(found, list(heads.values()), HACA3_PLUS, significance)
    note += NOTE.format(reference=HACA3_PLUS, significance=significance)
    return f"{table}\n{note}\n{_by_artifact(rows, measures)}"


def _by_artifact(rows: Sequence[AblationRow], measures: Sequence[str]) -> str:
    """What HACA3+ has more than without a part, where the source is degraded."""
    parts = [(method, measure) for method in (NO_ARTIFACT_ENCODER, NO_ATTENTION) for measure in measures]
    lines = []
    for kind in dict.fromkeys(row.artifact for row in rows):
        chosen = [row for row in rows if row.artifact == kind]
        cells = []
        for method, measure in parts:
            ours, theirs = (_values(chosen, m, DEGRADED, measure) for m in (HACA3_PLUS, method))
            mean, sd = mean_and_sd(ours[subject] - theirs[subject] for subject in ours)
            cells.append(("+" if mean >= 0 else "") + format_mean(mean, sd))
        lines.append([kind, str(len({row.subject for row in chosen})), *cells])
    heads = [f"{method}: {measure.upper()}" for method, measure in parts]
    note = "By how much HACA3+ is above what is left without a part where the source is degraded, by its artifact.\n"
    return markdown_table(["artifact", "n", *heads], lines) + "\n" + note


def _values(rows: Sequence[AblationRow], method: str, state: str, measure: str) -> dict[str, float]:
    """By subject."""
    return {r.subject: r.value for r in rows if (r.method, r.state, r.measure) == (method, state, measure)}
