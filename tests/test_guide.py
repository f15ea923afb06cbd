"""Every command of docs/guide.md, and what docs/tutorial.md does with its scans, with the shipped weights.

The images are tiny and have the names that the pages speak of.
"""

import json
import re
import shlex
from pathlib import Path

import fire
import monai.bundle
import pytest

from .harmonize.bids_study import write_study
from .harmonize.tiny_subjects import BUNDLE, write_ball

COMMANDS, TUTORIAL = (
    re.findall(r"```sh\n(.*?)```", (BUNDLE / "docs" / name).read_text(encoding="utf-8"), re.DOTALL)
    for name in ("guide.md", "tutorial.md")
)
# The working grid is that of a whole head, of whose 8 million voxels a tiny image has hundreds; nothing to register.
FOR_TINY_IMAGES = {
    "scaling#percentile": "99.999",
    "background#radius": "1",
    "registration": "none",
    # The folder of the commands has only a link to it.
    "bundle_root": str(BUNDLE),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "configs").symlink_to(BUNDLE / "configs")
    for seed, name in enumerate(("sub-01_T1w", "sub-01_T2w", "sub-01_FLAIR", "reference_T1w", "reference_T2w")):
        write_ball(tmp_path / f"{name}.nii.gz", seed)
    (tmp_path / "subjects.csv").write_text("subject,t1w,flair\n01,sub-01_T1w.nii.gz,sub-01_FLAIR.nii.gz\n")
    write_study(tmp_path / "study", people=2)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_are_commands():
    assert len(COMMANDS) >= 8


def run(command: str, **options: str) -> None:
    """As on the command line, with what tiny images need."""
    python, m, module, *words = shlex.split(command.replace("\\\n", " "))
    assert (python, m, module) == ("python", "-m", "monai.bundle")
    for name, value in (FOR_TINY_IMAGES | options).items():
        if f"--{name}" not in words:
            words += [f"--{name}", value]
    if "--output_dir" not in words:
        words += ["--output_dir", "harmonized"]
    fire.Fire({"run": monai.bundle.run}, command=words)


@pytest.mark.parametrize("command", COMMANDS, ids=range(len(COMMANDS)))
def test_a_command_does_what_it_says(folder, command):
    before = {*folder.rglob("*")}
    run(command)
    made = [path.name for path in {*folder.rglob("*")} - before]
    assert any("desc-harmonized" in name or "desc-encoded" in name for name in made)
    assert not any("failed" in path.read_text() for path in folder.rglob("status.csv"))


def test_the_tutorial_harmonizes_its_scans_and_reports_on_them(folder):
    simulate, harmonize = TUTORIAL
    assert "--output_dir output/tutorial/study" in simulate
    write_study(folder / "output" / "tutorial" / "study", people=1)
    run(harmonize, alignment="{'_target_': 'tests.harmonize.known_alignment.KnownAlignment'}")
    output = folder / "output" / "tutorial" / "harmonized"
    assert {path.name for path in output.glob("*.html")} == {"index.html", "sub-01.html"}
    (sidecar,) = output.glob("sub-01/anat/*_desc-harmonized_T1w.json")
    assert "BiasCorrection" in str(json.loads(sidecar.read_text())["Method"]["corrections"])
