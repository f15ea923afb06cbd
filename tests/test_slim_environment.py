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
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.io.cohort import output_path, read_cohort
from scripts.io.volumes import read_volume, write_json, write_volume

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


@pytest.fixture
def cohort_dir(tmp_path: Path) -> Path:
    """One subject, two visits, one contrast, with intensities that differ between the visits."""
    folder = tmp_path / "cohort"
    brain = np.random.default_rng(0).uniform(100, 200, (16, 16, 16)).astype(np.float32)
    for session, gain in (("ses-01", 1.0), ("ses-02", 3.0)):
        path = folder / "sub-01" / session / "anat" / f"sub-01_{session}_run-1_T1w.nii.gz"
        write_volume(path, gain * brain)
        write_json(path.with_name(path.name.replace(".nii.gz", ".json")), {"StationName": session})
    return folder


def test_extras_are_absent():
    assert absent_modules() >= {"scipy", "sklearn", "nilearn", "torchio", "matplotlib", "pytest", "threadpoolctl"}
    assert not absent_modules() & {"monai", "torch", "nibabel", "ignite", "numpy", "fire", "itk"}


def test_inference_runs_with_the_runtime_packages_alone(cohort_dir, tmp_path):
    arguments = {
        "config_file": str(BUNDLE / "configs" / "inference.json"),
        "bundle_root": str(BUNDLE),
        "cohort_dir": str(cohort_dir),
        "output_dir": str(tmp_path / "harmonized"),
        "workers": 1,
    }
    command = [sys.executable, "-c", SLIM_RUN, json.dumps(sorted(absent_modules())), json.dumps(arguments)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    first, second = (read_volume(output_path(tmp_path / "harmonized", image))[0] for image in read_cohort(cohort_dir))
    np.testing.assert_allclose(second, first, rtol=1e-4)
