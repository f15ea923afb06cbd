"""Measures what a second process gains and writes the table: `python -m scripts.bench.scaling`.

A cohort of phantoms, T1w alone, is harmonized by configs/multi_gpu_inference.json with one process and with two, each
on a GPU of its own, or else on one thread. The seconds are of the whole command, imports included.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import torch

from ..base.markdown_table import markdown_table
from .performance import BUNDLE, describe_machine, write_phantom, write_section
from .waiting import write_cohort

CONFIGS = [str(BUNDLE / "configs" / name) for name in ("inference.json", "multi_gpu_inference.json")]


def seconds(processes: int, cohort: Path, output: Path, overrides: dict[str, object]) -> float:
    """How long so many processes take."""
    given = {
        "config_file": CONFIGS,
        "bundle_root": str(BUNDLE),
        "cohort_file": str(cohort),
        "output_dir": str(output),
        "target": "siemens_3t",
        "target_contrast": "t1w",
        **overrides,
    }
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    command = [*launcher, "-m", "monai.bundle", "run", *(f"--{key}={value}" for key, value in given.items())]
    start = perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return perf_counter() - start


def rows(taken: dict[int, float], visits: int) -> list[tuple[str, str, str, str]]:
    """For each number of processes: seconds, those of a visit, and how many times as fast as one process it is."""
    return [
        (str(processes), f"{whole:.0f}", f"{whole / visits:.0f}", f"{taken[1] / whole:.2f}")
        for processes, whole in taken.items()
    ]


def main() -> None:
    """Measure, and rewrite the section of docs/validation/performance.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", type=int, default=4)
    parser.add_argument("--precision", default="bf16")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_phantom(folder, head=False)
        cohort = write_cohort(folder, {"t1w": str(folder / "t1w.nii.gz")}, {}, options.visits)
        overrides: dict[str, object] = {"precision": options.precision}
        taken = {count: seconds(count, cohort, folder / f"out-{count}", overrides) for count in (1, 2)}
    where = f"{torch.cuda.device_count()} GPUs" if torch.cuda.is_available() else "one thread each"
    header = ["processes", "seconds", "seconds a visit", "times as fast"]
    about = f"{describe_machine()}; {where}, {options.visits} visits of one source, {options.precision}."
    write_section(
        "\n".join(["### several processes", "", about, "", markdown_table(header, rows(taken, options.visits))])
    )


if __name__ == "__main__":
    main()
