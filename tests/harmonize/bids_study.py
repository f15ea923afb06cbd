"""A raw BIDS study of tiny people, and runs over it in processes of their own."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from .tiny_subjects import BUNDLE, write_ball

# One thread, as torchrun gives each of its processes.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
# Files that are not to be the same after an interrupted run, because they tell who wrote last.
_LOCKS = (".lock-", ".status-lock")


def write_study(folder: Path, people: int = 3, suffixes: tuple[str, ...] = ("T1w",)) -> Path:
    """Each person has an image of each suffix; person n is of site 1 or 2, in turn."""
    for number in range(1, people + 1):
        for kind, suffix in enumerate(suffixes):
            stem = folder / f"sub-{number:02d}" / "anat" / f"sub-{number:02d}_{suffix}"
            write_ball(Path(f"{stem}.nii.gz"), seed=10 * number + kind, gain=100 * number)
            Path(f"{stem}.json").write_text(json.dumps({"InstitutionName": f"site {2 - number % 2}"}))
    description = {"Name": "Tiny people", "BIDSVersion": "1.9.0", "DatasetType": "raw"}
    (folder / "dataset_description.json").write_text(json.dumps(description))
    return folder


def write_target(folder: Path) -> Path:
    return write_ball(folder / "target_T1w.nii.gz", seed=999, gain=40)


def arguments(study: Path, target: Path, output: Path, *overlays: str, **changes: Any) -> dict[str, Any]:
    """Those of a run that is quick because its method is."""
    files = [str(BUNDLE / "configs" / name) for name in ("inference.json", "method_mean_std.json", *overlays)]
    given = {"bids_dir": str(study), "target": str(target), "output_dir": str(output), "bundle_root": str(BUNDLE)}
    return {"config_file": files, "registration": "none", **given, **changes}


def command_line(given: dict[str, Any]) -> list[str]:
    return [f"--{key}={value}" for key, value in given.items()]


def run(given: dict[str, Any], *, main: tuple[str, ...] = ("-m", "monai.bundle", "run")) -> subprocess.CompletedProcess:
    """`python -m monai.bundle run`, or another program that takes its arguments."""
    command = [sys.executable, "-B", *main, *command_line(given)]
    return subprocess.run(command, cwd=BUNDLE, env=ENVIRONMENT, capture_output=True, text=True)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of an output folder but its locks."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(_LOCKS)
    }


def status(output: Path) -> dict[str, list[str]]:
    """State and reason of each subject."""
    with (output / "status.csv").open(encoding="utf-8", newline="") as file:
        return {row["subject"]: [row["state"], row["reason"]] for row in csv.DictReader(file)}
