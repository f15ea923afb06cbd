"""The recipes for containers, as far as they can be followed where no engine is at hand."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .harmonize.tiny_subjects import BUNDLE, NARROW, write_ball

ENVIRONMENTS = BUNDLE / "environments"
DOCKER = (ENVIRONMENTS / "Dockerfile").read_text()
APPTAINER = (ENVIRONMENTS / "apptainer.def").read_text()
PLACE = "/opt/brain_mri_harmonization"


def copied_by_docker() -> list[str]:
    return [name for line in re.findall(r"^COPY (.+) \S+$", DOCKER, re.M) for name in line.split()]


def test_both_recipes_are_one():
    assert re.findall(rf"^    (\S+) {PLACE}/$", APPTAINER, re.M) == copied_by_docker()
    assert re.search(r"^From: (.+)$", APPTAINER, re.M)[1] == re.search(r"^FROM (.+)$", DOCKER, re.M)[1]
    assert f"WORKDIR {PLACE}" in DOCKER and f"cd {PLACE}" in APPTAINER
    for script in ("environments/install.sh", f"{PLACE}/environments/harmonize.sh"):
        assert script in DOCKER and script in APPTAINER


def test_what_they_copy_is_all_that_they_name():
    assert all((BUNDLE / name).exists() for name in copied_by_docker())
    named = re.findall(r"requirements\S*\.txt", (ENVIRONMENTS / "install.sh").read_text())
    named += [name for file in named for name in re.findall(r"^-r (\S+)$", (BUNDLE / file).read_text(), re.M)]
    assert set(named) <= set(copied_by_docker())


def follow(folder: Path) -> None:
    """Copy what the recipes copy."""
    for name in copied_by_docker():
        if (BUNDLE / name).is_dir():
            shutil.copytree(BUNDLE / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "published"))
        else:
            shutil.copyfile(BUNDLE / name, folder / name)


def harmonize(bundle: Path, folder: Path, python: Path) -> subprocess.CompletedProcess:
    """What the image runs, from another folder than the bundle's."""
    given = {
        "sources": {"t1w": str(write_ball(folder / "sub-01_T1w.nii.gz", seed=1))},
        "target": str(write_ball(folder / "site-3_T1w.nii.gz", seed=2)),
        "output_dir": str(folder / "out"),
        "registration": "none",
        **NARROW,
    }
    command = ["sh", bundle / "environments" / "harmonize.sh", *(f"--{key}={value}" for key, value in given.items())]
    path = f"{python.parent}:{os.environ['PATH']}"
    return subprocess.run(command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True)


def test_what_is_copied_is_all_that_harmonizing_needs(tmp_path):
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    follow(bundle)
    result = harmonize(bundle, tmp_path, Path(sys.executable))
    assert result.returncode == 0, result.stderr
    assert len(list((tmp_path / "out").rglob("*_desc-meaningless_T1w.nii.gz"))) == 1


@pytest.mark.slow
def test_the_steps_run_in_a_fresh_environment(tmp_path):
    bundle, fresh = tmp_path / "bundle", tmp_path / "fresh"
    bundle.mkdir()
    follow(bundle)
    subprocess.run([sys.executable, "-m", "venv", fresh], check=True)
    environment = {**os.environ, "PATH": f"{fresh / 'bin'}:{os.environ['PATH']}"}
    subprocess.run(["sh", "environments/install.sh"], cwd=bundle, env=environment, check=True)
    result = harmonize(bundle, tmp_path, fresh / "bin" / "python")
    assert result.returncode == 0, result.stderr
