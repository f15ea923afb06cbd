"""What a cohort run in a process of its own ends with: exit code, last lines, status table."""

import re
from pathlib import Path

import pytest

from .bids_study import arguments, run, status, write_study, write_target

# A disk that is full from the second image on.
FULL_DISK = """
import errno, sys

count = 0

def refuse(event, given):
    global count
    if event == "open" and ".partial-" in str(given[0]) and str(given[0]).endswith(".nii.gz"):
        count += 1
        if count > 1:
            raise OSError(errno.ENOSPC, "No space left on device", given[0])

sys.addaudithook(refuse)
sys.argv[1:1] = ["run"]
import runpy
runpy.run_module("monai.bundle", run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Names that a shell, a locale or a table could trip over."""
    return write_study(tmp_path / "Étude n° 1, “à deux”")


def test_exit_codes_tell_all_well_some_failed_and_nothing_done(study, tmp_path):
    given = arguments(study, write_target(tmp_path), tmp_path / "des résultats")
    output = Path(given["output_dir"])
    well = run(given)
    assert well.returncode == 0, well.stderr
    assert status(output) == {f"sub-0{n}": ["done", ""] for n in (1, 2, 3)}
    assert "sub-01: " in well.stdout and "3 of 3, 0 s left" in well.stderr
    second = study / "sub-02" / "anat" / "sub-02_T1w.nii.gz"
    second.write_bytes(b"")
    some = run(given)
    assert some.returncode == 2
    reason = f"image file {second} is empty (0 bytes)"
    assert some.stderr.splitlines()[-2:] == ["Refused: 1 of 3 subjects could not be harmonized:", f"sub-02: {reason}"]
    assert status(output) == {"sub-01": ["done", ""], "sub-02": ["failed", reason], "sub-03": ["done", ""]}
    none = run(given | {"participant_label": "02"})
    assert none.returncode == 1
    assert none.stderr.splitlines()[-1] == f"Refused: {reason}"
    assert all("Traceback" not in result.stderr for result in (well, some, none))


@pytest.mark.slow
def test_a_disk_that_is_full_ends_the_run_and_the_next_one_goes_on(tmp_path):
    given = arguments(write_study(tmp_path / "study", people=5), write_target(tmp_path), tmp_path / "out")
    program = tmp_path / "full_disk.py"
    program.write_text(FULL_DISK)
    full = run(given, main=(str(program),))
    output = Path(given["output_dir"])
    image = output / "sub-02" / "anat" / "sub-02_desc-harmonized_T1w.nii.gz"
    assert full.returncode == 2, full.stderr
    # The third was being computed when it turned out that the second could not be written.
    words = f"sub-02: image file {image} cannot be written: [Errno 28] No space left on device"
    heading, reason, *_, rest = full.stderr[full.stderr.index("Refused: ") :].splitlines()
    assert re.fullmatch("Refused: [12] of 5 subjects could not be harmonized:", heading)
    assert reason.startswith(words)
    assert re.fullmatch("[23] more were not tried, since the disk is full", rest)
    assert [path.name for path in output.rglob("*_T1w.nii.gz")] == ["sub-01_desc-harmonized_T1w.nii.gz"]
    assert not list(output.rglob(".partial-*"))
    before = next(output.rglob("*_T1w.nii.gz")).stat().st_mtime_ns
    assert run(given).returncode == 0
    assert next((output / "sub-01").rglob("*_T1w.nii.gz")).stat().st_mtime_ns == before
    assert status(output) == {f"sub-0{n}": ["done", ""] for n in (1, 2, 3, 4, 5)}
