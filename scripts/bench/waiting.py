"""Measures what a user of the default method waits for: `python -m scripts.bench.waiting`.

A simulated person with T1w, T2w and FLAIR goes to images of another scanner; the seconds are of the whole command, with
Python's imports. `--before FOLDER` measures an earlier copy of the bundle beside it, in turns, and prints both.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from ..base.contrasts import BIDS_SUFFIX
from ..base.markdown_table import markdown_table
from .inference import SOURCES
from .performance import BUNDLE, describe_machine, turns_of, write_phantom, write_section
from .preparation import write_raw_head

BRAIN, HEAD = "brain", "raw head"


@dataclass(frozen=True)
class Case:
    """A command: whose images, how many of each, and the options beside them."""

    name: str
    person: str = BRAIN
    targets: Sequence[str] = SOURCES
    visits: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CommandTime:
    """What a command took."""

    seconds: float
    peak_gib: float


def cases(visits: int) -> list[Case]:
    """What is measured."""
    raw = {"registration": "rigid", "correct_bias": True}
    return [
        Case("one target", targets=SOURCES[:1]),
        Case("three targets"),
        Case("three targets, fp32", options={"precision": "fp32"}),
        Case("three targets, bf16", options={"precision": "bf16"}),
        Case("three targets, compiled", options={"compiled": True}),
        Case("a raw head, three targets", HEAD, options=raw),
        Case(f"{visits} people of a cohort, three targets each", visits=visits),
    ]


def write_images(folder: Path) -> dict[str, dict[str, dict[str, str]]]:
    """Of each kind of person the paths of `sources` and of `targets` by contrast."""
    found = {}
    for person in (BRAIN, HEAD):
        place = folder / person.replace(" ", "_")
        place.mkdir()
        targets = {}
        if person == HEAD:
            write_raw_head(place)
        else:
            write_phantom(place, head=False)
        for contrast in SOURCES:
            # Of the same scanner as the sources' but for T1w: for the time that is all the same.
            image = place / ("target.nii.gz" if contrast == "t1w" else f"{contrast}.nii.gz")
            copy = place / f"other_{BIDS_SUFFIX[contrast]}.nii.gz"
            shutil.copyfile(image, copy)
            targets[contrast] = str(copy)
        sources = {contrast: str(place / f"{contrast}.nii.gz") for contrast in SOURCES}
        found[person] = {"sources": sources, "targets": targets}
    return found


def command(case: Case, images: Mapping[str, Mapping[str, str]], folder: Path) -> list[str]:
    """The command of a case, which writes to `folder`."""
    sources = dict(images["sources"])
    targets = {contrast: images["targets"][contrast] for contrast in case.targets}
    given: dict[str, Any] = {"output_dir": str(folder / "out"), **case.options}
    if case.visits == 1:
        given |= {"sources": str(sources), "targets": str(targets)}
    else:
        given |= {"cohort_file": str(write_cohort(folder, sources, targets, case.visits))}
    options = [text for name, value in given.items() for text in (f"--{name}", str(value))]
    return [sys.executable, "-m", "monai.bundle", "run", "--config_file", "configs/inference.json", *options]


def write_cohort(folder: Path, sources: Mapping[str, str], targets: Mapping[str, str], people: int) -> Path:
    """A cohort file of so many people, who are one; each has files of their own."""
    rows = []
    for number in range(1, people + 1):
        row = {"subject": f"{number:02d}", **{f"target_{contrast}": path for contrast, path in targets.items()}}
        for contrast, path in sources.items():
            row[contrast] = str(folder / f"sub-{number:02d}_{BIDS_SUFFIX[contrast]}.nii.gz")
            shutil.copyfile(path, row[contrast])
        rows.append(row)
    file = folder / "cohort.json"
    file.write_text(json.dumps(rows))
    return file


def measure(case: Case, images: Mapping[str, Mapping[str, str]], bundle: Path) -> CommandTime:
    """Run the command of a case in a bundle's folder."""
    with tempfile.TemporaryDirectory() as folder:
        start = perf_counter()
        process = subprocess.Popen(command(case, images, Path(folder)), cwd=bundle, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"`{case.name}` failed in {bundle}, see above")
        return CommandTime(perf_counter() - start, usage.ru_maxrss / 2**20)


def compare(
    chosen: Sequence[Case], images: Mapping[str, Mapping[str, Mapping[str, str]]], bundles: Sequence[Path], repeats: int
) -> dict[str, list[CommandTime]]:
    """Medians of each case in each bundle, the bundles in turn."""
    found = {}
    for case in chosen:
        runs: list[list[CommandTime]] = [[] for _ in bundles]
        for _ in range(repeats):
            for bundle, taken in zip(bundles, runs, strict=True):
                taken.append(measure(case, images[case.person], bundle))
                print(case.name, bundle, taken[-1], file=sys.stderr, flush=True)
        found[case.name] = [
            CommandTime(median(run.seconds for run in taken), max(run.peak_gib for run in taken)) for taken in runs
        ]
    return found


def table(found: Mapping[str, Sequence[CommandTime]], chosen: Sequence[Case]) -> str:
    """Markdown: each case, seconds in all and for a visit, and memory; then the same of an earlier bundle, if any."""
    names = ["seconds", "seconds a person", "peak GiB"]
    both = any(len(taken) > 1 for taken in found.values())
    header = ["what", *names, *([f"{name} before" for name in names] if both else []), *(["ratio"] if both else [])]
    rows = []
    for case in chosen:
        numbers = [
            text
            for one in found[case.name]
            for text in (f"{one.seconds:.0f}", f"{one.seconds / case.visits:.0f}", f"{one.peak_gib:.1f}")
        ]
        ratio = [f"{found[case.name][1].seconds / found[case.name][0].seconds:.2f}"] if both else []
        rows.append((case.name, *numbers, *ratio))
    return markdown_table(header, rows)


def main() -> None:
    """Measure; without an earlier bundle, rewrite the section of docs/validation/performance.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--visits", type=int, default=10, help="people of the cohort (default: 10)")
    parser.add_argument("--before", type=Path, help="the folder of an earlier copy of the bundle")
    parser.add_argument("--cases", nargs="+", type=int, help="places in the table, from 1")
    options = parser.parse_args()
    chosen = cases(options.visits)
    if options.cases:
        chosen = [chosen[place - 1] for place in options.cases]
    bundles = [BUNDLE, *([options.before.resolve()] if options.before else [])]
    with tempfile.TemporaryDirectory() as folder:
        # In a process of its own: else what a command starts with would be the memory of this one.
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            images = pool.submit(write_images, Path(folder)).result()
        text = table(compare(chosen, images, bundles, options.repeats), chosen)
    if options.before or options.cases:
        print(text)
        return
    about = f"{describe_machine()}; {turns_of(options.repeats)}, T1w, T2w and FLAIR, whole commands with imports."
    write_section("\n".join(["### what a user waits for", "", about, "", text]))


if __name__ == "__main__":
    main()
