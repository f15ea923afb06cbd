"""Inference on preprocessed images needs nothing beyond requirements.txt.

A second virtual environment would take minutes to build. Instead a fresh interpreter is made unable to import whatever
requirements.txt does not bring in, directly or through the packages it names, and then runs configs/inference.json.
"""

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import numpy as np
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .harmonize.tiny_subjects import NARROW, write_ball

BUNDLE = Path(__file__).parents[1]

# Runs in the slim interpreter; the first argument lists the modules that are not there, the second the run's arguments.
SLIM_RUN = """
import json, sys

absent = set(json.loads(sys.argv[1]))

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import monai.bundle
monai.bundle.run(**json.loads(sys.argv[2]))
"""


def runtime_packages() -> set[str]:
    """Names of everything that installing requirements.txt brings in."""
    lines = (BUNDLE / "requirements.txt").read_text().splitlines()
    waiting = [canonicalize_name(line.partition("==")[0]) for line in lines if not line.startswith("#")]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            needs = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        found.add(name)
        requirements = [Requirement(need) for need in needs]
        waiting += [
            canonicalize_name(r.name) for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})
        ]
    return found


def absent_modules() -> set[str]:
    """Installed modules that no runtime package provides."""
    runtime = runtime_packages()
    return {
        module
        for module, packages in packages_distributions().items()
        if not runtime & {canonicalize_name(package) for package in packages}
    }


def test_extras_are_absent():
    assert absent_modules() >= {"scipy", "sklearn", "nilearn", "torchio", "matplotlib", "pytest", "threadpoolctl"}
    assert not absent_modules() & {"monai", "torch", "nibabel", "ignite", "numpy", "fire", "itk"}


def test_inference_runs_with_the_runtime_packages_alone(tmp_path):
    # Voxels of 2 mm have to be resampled, which takes ITK.
    affine = np.array([[2.0, 0, 0, -30], [0, 2, 0, -46], [0, 0, 2, -20], [0, 0, 0, 1]])
    arguments = {
        "config_file": str(BUNDLE / "configs" / "inference.json"),
        "bundle_root": str(BUNDLE),
        "sources": {"t1w": str(write_ball(tmp_path / "sub-01_T1w.nii.gz", seed=1, affine=affine))},
        "target": str(write_ball(tmp_path / "site-3_T1w.nii.gz", seed=2)),
        "output_dir": str(tmp_path / "out"),
        "space": "both",
        "registration": "none",
        **NARROW,
    }
    command = [sys.executable, "-c", SLIM_RUN, json.dumps(sorted(absent_modules())), json.dumps(arguments)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert len(list((tmp_path / "out").rglob("*_desc-meaningless_T1w.nii.gz"))) == 2
