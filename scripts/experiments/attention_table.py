"""Tables of the experiment on attention."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..base.markdown_table import format_mean, markdown_table, mean_and_sd

# In place of the kind of an artifact.
CLEAN = "clean"


@dataclass(frozen=True)
class ShareRow:
    """The share of attention that `source` has for a target of one contrast, whose own source has an artifact."""

    subject: str
    scanner: str
    target_scanner: str
    target: str
    kind: str
    severity: float
    source: str
    share: float


def attention_markdown(rows: Sequence[ShareRow]) -> str:
    """The shares of all sources when they are clean; that of the target's own contrast by severity, and by kind."""
    clean = [row for row in rows if row.kind == CLEAN]
    own = [row for row in rows if row.source == row.target]
    degraded = [row for row in own if row.kind != CLEAN]
    people = len({row.subject for row in rows})
    notes = [
        f"All sources clean: share of attention on each. Here and below: mean ± sd over {people} people.\n",
        "Attention on the source of the target's contrast alone, by the severity of its artifact; mean over kinds.\n",
        "The same by kind of artifact, mean over targets.\n",
    ]
    tables = [
        _table("target", clean, lambda row: row.target, lambda row: f"on {row.source}"),
        _table("target", own, lambda row: row.target, _severity),
        _table("artifact", degraded, lambda row: row.kind, _severity),
    ]
    return "\n".join(f"{table}\n{note}" for table, note in zip(tables, notes, strict=True))


def _severity(row: ShareRow) -> str:
    return f"severity {row.severity:g}" if row.severity else CLEAN


def _table(
    corner: str, rows: Iterable[ShareRow], line: Callable[[ShareRow], str], column: Callable[[ShareRow], str]
) -> str:
    """Means over what a person has in a cell, then mean and sd over people."""
    cells: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        cells[line(row), column(row)][row.subject].append(row.share)
    lines, columns = (list(dict.fromkeys(names)) for names in zip(*cells, strict=True))

    def text(name: str, head: str) -> str:
        return format_mean(*mean_and_sd(float(np.mean(shares)) for shares in cells[name, head].values()))

    return markdown_table([corner, *columns], [[name, *(text(name, head) for head in columns)] for name in lines])
