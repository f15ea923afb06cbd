"""Compares ways to harmonize a subject and writes the tables of docs/validation/performance.md: `make bench`.

Every way runs in a process of its own, the ways in turn, and the table has medians over the turns. Weights are random,
which changes no time.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from ..base.contrasts import BIDS_SUFFIX
from ..base.markdown_table import markdown_table
from ..base.text_files import write_text
from ..images.nifti import write_on_working_grid
from ..images.orientations import ORIENTATIONS
from ..inferers.precision import PRECISIONS
from ..methods.haca3.attention import CodeAttention, ForegroundAttention
from ..methods.haca3.fusion_net import FusionNet
from ..methods.haca3.published_network import published_network
from ..phantom.cohort import draw_cohort
from ..phantom.phantom import Phantom
from ..phantom.scanner import load_ranges
from .inference import SOURCES, WAYS
from .simulation import DESIGNS_FILE

BUNDLE = Path(__file__).parents[2]
PAGE = BUNDLE / "docs" / "validation" / "performance.md"
# Seconds of a matrix product after which no larger one is timed.
_SLOW = 0.5
BEGIN, END = "<!-- begin: make bench -->", "<!-- end: make bench -->"
# Of the real images, where they are set.
REAL_SUBJECT = "mni/sub-ms07_space-MNI152_desc-brain_{suffix}.nii.gz"


def write_phantom(folder: Path, head: bool) -> None:
    """A subject's sources from one scanner, and as target the T1w image of another."""
    phantom, designs = Phantom(), json.loads(DESIGNS_FILE.read_text())["designs"]
    cohort = draw_cohort("treat", designs, load_ranges(), seed=1, subjects=1)
    plan = cohort.subjects[0]
    person = phantom.render_subject(phantom.draw_subject(plan.seed, plan.age, plan.lesion_load, head))
    target, source = plan.visits[:2]
    scans = {contrast: (source, contrast) for contrast in SOURCES} | {"target": (target, "t1w")}
    for name, (visit, contrast) in scans.items():
        image = phantom.acquire(person, cohort.scanners[visit.scanner], contrast, visit.run_seed(1))
        write_on_working_grid(folder / f"{name}.nii.gz", image, "phantom")


def link_real(folder: Path, data: Path) -> None:
    """The real subject, harmonized to its own T1w image: for the time that is all the same."""
    for name in (*SOURCES, "target"):
        suffix = BIDS_SUFFIX["t1w" if name == "target" else name]
        (folder / f"{name}.nii.gz").symlink_to(data / REAL_SUBJECT.format(suffix=suffix))


def run_way(way: str, subject: Path, results: Path, targets: int = 1, planes: int = 3) -> dict[str, Any]:
    """Measure one way in a new process."""
    command = [sys.executable, "-m", "scripts.bench.inference", way, str(subject), str(results)]
    command += ["--targets", str(targets), "--planes", str(planes)]
    output = subprocess.run(command, cwd=BUNDLE, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


def compare_ways(
    subject: Path, ways: Sequence[str], further: Sequence[str], repeats: int, planes: int
) -> dict[str, dict[str, Any]]:
    """Medians of each way, how its image differs from that of fp32, and of `further` ways what a second target adds."""
    measured: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        for _ in range(repeats):
            for way in ways:
                measured[way].append(run_way(way, subject, results, planes=planes))
                print(subject.name, way, json.dumps(measured[way][-1]), file=sys.stderr, flush=True)
        table = {way: _medians(runs) for way, runs in measured.items()}
        exact = np.load(results / "fp32.npz")
        for way in ways:
            key = "plane" if way == "naive" and planes < len(ORIENTATIONS) else "image"
            table[way]["likeness"] = likeness_text(np.load(results / f"{way}.npz")[key], exact[key])
        for way in further:
            if way in ways:
                with_second = run_way(way, subject, results, targets=2)
                table[way]["second"] = with_second["seconds"] / table[way]["seconds"] - 1
    return table


class Machine:
    """What this machine can do, and what the parts of the network ask of it."""

    def __init__(self) -> None:
        network, fusion = published_network(ForegroundAttention(CodeAttention())), FusionNet()
        slices = torch.rand(1, 1, network.field_of_view, network.field_of_view)
        anatomy, cube = slices.expand(-1, 3, -1, -1), torch.rand(1, 3, 32, *slices.shape[2:])
        # Of a slice: of one source, or of one target.
        self.gflop = {
            "encode anatomy": _gflop(lambda: network.anatomy_encoder(slices)),
            "encode code": _gflop(lambda: network.encode_code(slices)),
            "decode": _gflop(lambda: network.decoder(anatomy)),
        }
        self.fusion_gflop = _gflop(lambda: fusion(cube)) * network.field_of_view / 32
        self.peaks = {name: _peak(dtype) for name, dtype in PRECISIONS.items()}

    def share(self, way: str, row: dict[str, Any]) -> str:
        """What encoders and decoder reach of the peak of their precision."""
        if way not in WAYS or way == "naive":
            return "–"
        gflop = sum(self.gflop[stage] * row["calls"][stage] for stage in self.gflop)
        seconds = sum(row["stages"][stage] for stage in self.gflop)
        return f"{gflop / seconds / self.peaks[WAYS[way].get('precision', 'fp32')]:.0%}"

    def describe(self) -> str:
        """What it does in a second."""
        return " and ".join(f"{peak:.0f} GFLOP/s in {name}" for name, peak in self.peaks.items())

    def work(self) -> str:
        """Markdown: what the network does."""
        rows = [(f"{stage}, a slice", f"{gflop:.2f}") for stage, gflop in self.gflop.items()]
        rows.append(("fusion, a volume", f"{self.fusion_gflop:.0f}"))
        return "\n".join(["### Work", "", markdown_table(["what", "GFLOP"], rows)])


def tables(subject: str, ways: dict[str, dict[str, Any]], turns: str, planes: int, machine: Machine) -> str:
    """Markdown: where and how often it ran, totals, stages."""
    naive = ways["naive"]["seconds"]
    header = ["way", "seconds", "times as fast", "peak GiB", "a further target takes", "of the machine's peak", "image"]
    totals = [
        (
            way,
            f"{row['seconds']:.1f}",
            f"{naive / row['seconds']:.1f}",
            f"{row['peak_gib']:.2f}",
            f"{row['second']:.0%}" if "second" in row else "–",
            machine.share(way, row),
            row["likeness"],
        )
        for way, row in ways.items()
    ]
    names = list(dict.fromkeys(name for row in ways.values() for name in row["stages"]))
    stages = [(way, *(f"{row['stages'].get(name, 0):.1f}" for name in names)) for way, row in ways.items()]
    lines = [
        f"### {subject}",
        "",
        f"{describe_machine()}, {machine.describe()}; {turns}.",
        "",
        markdown_table(header, totals),
    ]
    if planes < len(ORIENTATIONS):
        lines += [
            f"Of the naive way, {planes} of {len(ORIENTATIONS)} planes ran, and is what is compared;"
            " the others are taken to last as long.",
            "",
        ]
    return "\n".join([*lines, markdown_table(["seconds in", *names], stages)])


def describe_machine() -> str:
    """What the numbers depend on."""
    model = next((line.partition(":")[2].strip() for line in _cpu_info() if line.startswith("model name")), "CPU")
    return f"{model}, {torch.get_num_threads()} threads, Python {platform.python_version()}, torch {torch.__version__}"


def _cpu_info() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def _gflop(part: Callable[[], Any]) -> float:
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        part()
    return counter.get_total_flops() / 1e9


def _peak(dtype: torch.dtype, size: int = 2048) -> float:
    """GFLOP a second of a large matrix product, the best of ten.

    A processor that lacks a precision takes minutes for such a product, so that it is led up to from small ones, and a
    slow one is the last.
    """
    best = 0.0
    for side in (size // 8, size // 4, size // 2, *[size] * 10):
        matrix = torch.rand(side, side).to(dtype)
        start = perf_counter()
        matrix @ matrix
        seconds = perf_counter() - start
        best = max(best, 2 * side**3 / seconds / 1e9)
        if seconds > _SLOW:
            break
    return best


def _medians(runs: list[dict[str, Any]]) -> dict[str, Any]:
    stages = {name: median(run["stages"].get(name, 0.0) for run in runs) for name in runs[0]["stages"]}
    totals = {key: median(run[key] for run in runs) for key in ("seconds", "peak_gib")}
    return {**totals, "stages": stages, "calls": runs[0]["calls"]}


def likeness_text(image: np.ndarray, exact: np.ndarray) -> str:
    """How alike two volumes are where either is not 0."""
    if np.array_equal(image, exact):
        return "identical"
    shown = (image != 0) | (exact != 0)
    error, peak = (image - exact)[shown], np.percentile(exact[shown], 99)
    share = np.count_nonzero(np.abs(error) > 1e-3) / error.size
    return f"{20 * np.log10(peak / np.sqrt(np.mean(error**2))):.1f} dB, {share:.1%} of voxels differ by > 0.001"


def subjects(folder: Path, wanted: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Heading and folder of each wanted subject; the real one only where its images are set."""
    data = os.environ.get("HARMONIZATION_TEST_DATA")
    makers: dict[str, Callable[[Path], None]] = {
        "skull-stripped phantom": lambda place: write_phantom(place, head=False),
        "whole-head phantom": lambda place: write_phantom(place, head=True),
    }
    if data:
        makers["real brain (sub-ms07 of open_ms_data)"] = lambda place: link_real(place, Path(data))
    for heading, make in makers.items():
        if heading.split()[0] in wanted:
            place = folder / heading.split()[0]
            place.mkdir()
            make(place)
            yield heading, place


def main() -> None:
    """Measure, and rewrite the sections of the page that tell of it."""
    kinds = ["skull-stripped", "whole-head", "real"]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--planes", type=int, default=1, help="how many planes the naive way decodes (default: 1)")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--further", nargs="*", default=list(WAYS)[1:], choices=list(WAYS)[1:], help="with two targets")
    parser.add_argument("--subjects", nargs="+", default=kinds, choices=kinds)
    options = parser.parse_args()
    machine, turns = Machine(), turns_of(options.repeats)
    write_section(machine.work())
    with tempfile.TemporaryDirectory() as folder:
        for heading, place in subjects(Path(folder), options.subjects):
            ways = compare_ways(place, options.ways, options.further, options.repeats, options.planes)
            write_section(tables(heading, ways, turns, options.planes, machine))


def turns_of(repeats: int) -> str:
    """How often something was measured, in words."""
    return "one turn" if repeats == 1 else f"medians of {repeats} turns"


def write_section(section: str) -> None:
    """Put a section in the place of the one with the same heading; others stay."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    old, _, after = rest.partition(END)
    sections = {text.partition("\n")[0]: f"### {text}" for text in old.strip().split("### ")[1:]}
    sections[section.partition("\n")[0].removeprefix("### ")] = section
    body = "\n\n".join(text.strip() for text in sections.values())
    write_text(PAGE, f"{before}{BEGIN}\n\n{body}\n\n{END}{after}")


if __name__ == "__main__":
    main()
