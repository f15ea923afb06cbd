"""configs/multi_gpu_inference.json under torchrun, with two processes on the CPU."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .bids_study import ENVIRONMENT, arguments, command_line, contents, run, status, write_study, write_target
from .tiny_subjects import BUNDLE

# Rank 1 is killed when its first image is about to get its name.
DYING_RANK = """
import os, signal, sys

def kill(event, given):
    if os.environ["RANK"] == "1" and event == "os.rename" and str(given[1]).endswith("_T1w.nii.gz"):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill)
sys.argv[1:1] = ["run"]
import runpy
runpy.run_module("monai.bundle", run_name="__main__", alter_sys=True)
"""

REPORT = {"qc_report": True, "report#viewer_megabytes": 0}


def torchrun(given: dict[str, Any], *program: str) -> subprocess.CompletedProcess:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command = [*launcher, *(program or ("-m", "monai.bundle", "run")), *command_line(given)]
    return subprocess.run(command, cwd=BUNDLE, env=ENVIRONMENT, capture_output=True, text=True)


def made(result: subprocess.CompletedProcess) -> list[str]:
    """Of which subjects the log says where their images are."""
    return sorted(re.findall(r"(sub-\d+): /.*_T1w\.nii\.gz", result.stdout))


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Any]:
    study = write_study(tmp_path / "study", people=4)
    return arguments(study, write_target(tmp_path), tmp_path / "out", "multi_gpu_inference.json")


@pytest.mark.slow
def test_when_one_rank_dies_the_next_run_does_what_is_left(given, tmp_path):
    given |= REPORT
    program = tmp_path / "dying_rank.py"
    program.write_text(DYING_RANK)
    dead = torchrun(given, str(program))
    assert dead.returncode != 0
    output = Path(given["output_dir"])
    assert {"sub-02", "sub-04"} <= {subject for subject, (state, _) in status(output).items() if state == "waiting"}
    again = torchrun(given)
    assert again.returncode == 0, again.stderr
    twice = set(made(dead)) & set(made(again))
    assert not twice and len(made(again)) == len(set(made(again))) >= 2
    assert status(output) == {f"sub-0{n}": ["done", ""] for n in (1, 2, 3, 4)}
    alone = given | {"config_file": given["config_file"][:-1], "output_dir": str(tmp_path / "alone")}
    assert run(alone).returncode == 0
    # What is half-written may be of a process that is still there, until it is an hour old.
    assert "index.html" in contents(output)
    left = {name: content for name, content in contents(output).items() if ".partial-" not in name}
    assert left == contents(tmp_path / "alone")


@pytest.mark.slow
def test_each_subject_gets_a_page_and_all_get_one_together(given):
    result = torchrun(given | {"participant_label": "01 02 03", **REPORT})
    assert result.returncode == 0, result.stderr
    output, people = Path(given["output_dir"]), [f"sub-0{n}" for n in (1, 2, 3)]
    pages = ["index.html", *(f"{subject}.html" for subject in people)]
    assert sorted(path.name for path in output.glob("*.html")) == pages
    links = re.findall(r'href="(sub-\d+\.html)"', (output / "index.html").read_text())
    assert list(dict.fromkeys(links)) == pages[1:]


@pytest.mark.slow
def test_every_rank_knows_what_failed_and_one_that_has_nothing_to_do_waits(given):
    bad = Path(given["bids_dir"]) / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
    bad.write_bytes(b"")
    result = torchrun(given | {"participant_label": "01"})
    assert result.returncode == 1
    assert result.stderr.count(f"Refused: image file {bad} is empty (0 bytes)") == 2
