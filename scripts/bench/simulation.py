"""Prints speeds as a Markdown table: `python -m scripts.bench.simulation [--repeats 3]`."""

import argparse
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch

from ..base.markdown_table import markdown_table
from ..images.grid import GRID_SHAPE
from ..phantom.atlas import load_atlas
from ..phantom.cohort import draw_cohort
from ..phantom.phantom import Phantom, PhantomParts
from ..phantom.scanner import load_ranges
from ..training.phantom_scans import PhantomScans
from ..training.slices import SliceStream

DESIGNS_FILE = Path(__file__).parents[2] / "configs" / "simulate.json"
# All of its scanners acquire all contrasts.
COHORT = "treat"


@dataclass(frozen=True)
class Row:
    """One line of the table; `measure` returns its number. What happens `once` per process is not repeated."""

    what: str
    measure: Callable[[], float]
    once: bool = False


def phantom_rows(
    designs: Mapping[str, Mapping[str, Any]], phantom: PhantomParts, field_of_view: int = 224
) -> list[Row]:
    """Speed of the simulation, after the atlas that a process builds first."""
    people = PhantomScans(designs, cohort=COHORT, subjects=1, phantom=phantom)
    dataset = SliceStream(people, rounds=1, field_of_view=field_of_view)
    contrasts, grid = len(designs[COHORT]["contrasts"]), "x".join(map(str, GRID_SHAPE))
    return [
        Row(f"render and scan one subject, {contrasts} contrasts, {grid} (s)", lambda: visit_seconds(designs, phantom)),
        Row(f"training slices of {contrasts} contrasts per second", lambda: slices_per_second(dataset)),
    ]


def visit_seconds(designs: Mapping[str, Mapping[str, Any]], phantom: PhantomParts) -> float:
    """Seconds to render a subject and to acquire all contrasts of one visit."""
    cohort = draw_cohort(COHORT, designs, load_ranges(), seed=1, subjects=1)
    plan = cohort.subjects[0]
    visit = plan.visits[0]
    start = perf_counter()
    person = phantom.render_subject(phantom.draw_subject(plan.seed, plan.age, plan.lesion_load, plan.head))
    for contrast in visit.contrasts:
        phantom.acquire(person, cohort.scanners[visit.scanner], contrast, visit.run_seed(1))
    return perf_counter() - start


def slices_per_second(dataset: SliceStream) -> float:
    """Rate of one pass over `dataset` in this process, rendering included."""
    start = perf_counter()
    count = sum(1 for _ in dataset)
    return count / (perf_counter() - start)


def atlas_seconds() -> float:
    """Seconds to build the atlas, the first time in a process."""
    start = perf_counter()
    load_atlas()
    return perf_counter() - start


def bench_table(rows: Iterable[Row], repeats: int) -> str:
    """Measure the rows in their order; medians over `repeats`."""
    values = {row.what: median(row.measure() for _ in range(1 if row.once else repeats)) for row in rows}
    return markdown_table(["what", "median"], [(what, f"{value:.1f}") for what, value in values.items()])


def main() -> None:
    """Print the table, with what it depends on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="how often each row is measured (default: 3)")
    repeats = parser.parse_args().repeats
    if repeats < 1:
        parser.error(f"--repeats must be at least 1, got {repeats}")
    designs = json.loads(DESIGNS_FILE.read_text())["designs"]
    rows = [Row("build the atlas, once per process (s)", atlas_seconds, once=True), *phantom_rows(designs, Phantom())]
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {repeats} repeats\n")
    print(bench_table(rows, repeats))


if __name__ == "__main__":
    main()
