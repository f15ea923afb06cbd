"""The release passes what the Model Zoo and users of bundles do with it, from a folder that is not the bundle's."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .verify_bundle import CHECKS

SCRIPT = Path(__file__).with_name("verify_bundle.py")


@pytest.fixture(scope="module")
def found(released_bundle: Path, real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is wrong, by check."""
    results = tmp_path_factory.mktemp("results")
    command = [sys.executable, "-B", SCRIPT, released_bundle, results, real_data / "meta_schema_20240725.json"]
    run = subprocess.run(command, cwd=results, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return dict(json.loads(line) for line in run.stdout.splitlines() if line.startswith('["'))


@pytest.mark.parametrize("check", CHECKS)
def test_the_release_passes(check, found):
    assert found[check] == ""
