"""What inference refuses: the user sees one line, and nothing is left behind."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.base.weights import save_weights
from scripts.methods.haca3.fusion_net import FusionNet

from .tiny_subjects import AFFINE, BUNDLE, SHAPE, harmonize, write_ball, write_image

FAR = AFFINE + np.array([[0, 0, 0, 500.0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])

# Runs with its arguments, and ends itself without any warning when a file is about to get its final name, if that ends
# in the word that comes first.
KILLED_RUN = """
import json, os, signal, sys

def kill(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill)
import monai.bundle
monai.bundle.run(**json.loads(sys.argv[2]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Good and bad images, and codes."""
    write_ball(tmp_path / "t1w.nii.gz", seed=1)
    write_ball(tmp_path / "flair.nii.gz", seed=2)
    write_ball(tmp_path / "target_T1w.nii.gz", seed=3)
    write_image(tmp_path / "far.nii.gz", np.random.default_rng(4).uniform(1, 2, SHAPE), FAR)
    write_image(tmp_path / "constant.nii.gz", np.ones(SHAPE))
    write_image(tmp_path / "nan.nii.gz", np.where(np.arange(SHAPE[2]) == 3, np.nan, 1) * np.ones(SHAPE))
    (tmp_path / "dicom").mkdir()
    (tmp_path / "dicom" / "0001.dcm").write_bytes(bytes(128) + b"DICM")
    (tmp_path / "empty.nii.gz").touch()
    (tmp_path / "pd.json").write_text(json.dumps({"contrast": "pd", "theta": [0, 0], "eta": [0, 0]}))
    long = {"contrast": "t1w", "theta": [0, 0, 0], "eta": [0, 0]}
    (tmp_path / "long.json").write_text(json.dumps(long))
    (tmp_path / "short.json").write_text(json.dumps({**long, "method": "haca3plus"}))
    (tmp_path / "lfs.pt").write_text("version https://git-lfs.github.com/spec/v1\n")
    save_weights(FusionNet().state_dict(), tmp_path / "other.pt")
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], output: Path, *overlays: str, **overrides: Any) -> str:
    """What the user sees, the run having ended with an error, as sys.excepthook is called then."""
    with pytest.raises(Exception) as caught:
        harmonize(output, *overlays, **overrides)
    capsys.readouterr()
    sys.excepthook(caught.type, caught.value, caught.tb)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Refused: ")
    return line.removeprefix("Refused: ")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sources": None}, "exactly one of sources, cohort_file, cohort_dir, bids_dir must be given, got none"),
        (
            {"cohort_file": "a.csv"},
            "exactly one of sources, cohort_file, cohort_dir, bids_dir must be given, got sources",
        ),
        ({"sources": {"t1": "t1w.nii.gz"}}, "unknown contrast of `sources` `t1`; did you mean `t1w`?"),
        ({"sources": {"t1w": 12}}, "`sources t1w` must be text, got 12; put what you wrote in quotes"),
        ({"subject": 7}, "`subject` must be text, got 7; put what you wrote in quotes"),
        ({"session": "a b"}, "`session` must be letters and digits, as BIDS labels are, got `a b`"),
        ({"sources": {"t1w": "t1w.nii.gz", "pd": "t1w.nii.gz"}}, "`sources` must be different files, t1w and pd are"),
        ({"target": None}, "exactly one of `target` and `targets` must be given, got neither"),
        (
            {"target": "site_9", "named_targets": str(BUNDLE / "models" / "haca3_targets.json")},
            "target `site_9` must be a name (siemens_1.5t, ge_3t, siemens_3t, philips_3t, siemens_1.5t_head,",
        ),
        (
            {"target": "pd.json", "target_contrast": "t1w"},
            "target `pd.json` is a code of pd and cannot be the target of",
        ),
        (
            {"target": "far.nii.gz"},
            "target `far.nii.gz` does not end in one of _T1w, _T2w, _PDw, _FLAIR: say which",
        ),
        ({"space": "talairach"}, "override key `space` must be native, mni or both, got 'talairach'"),
        ({"reference": "t3w"}, "`reference` must be one of t1w, t2w, pd, flair, got t3w"),
        ({"maps": ["attention"]}, "`maps` must be among those this method gives, none, got ['attention']"),
        ({"sources": {"t1w": "absent.nii.gz"}}, "image file absent.nii.gz does not exist"),
        ({"sources": {"t1w": "dicom"}}, "image file dicom is a folder; if it holds DICOM files, convert it first"),
        ({"sources": {"t1w": "dicom/0001.dcm"}}, "image file dicom/0001.dcm must be NIfTI, but is DICOM; convert it"),
        ({"sources": {"t1w": "empty.nii.gz"}}, "image file empty.nii.gz is empty (0 bytes)"),
        ({"sources": {"t1w": "nan.nii.gz"}}, "image file nan.nii.gz must be finite, 960 voxels are not: set them to 0"),
        (
            {"sources": {"t1w": "constant.nii.gz"}},
            "image file constant.nii.gz must not be constant, it is 1 everywhere",
        ),
        (
            {"sources": {"t1w": "t1w.nii.gz", "pd": "far.nii.gz"}},
            "sources must overlap in space, but `t1w` (t1w.nii.gz)",
        ),
        (
            {"sources": {"t1w": "far.nii.gz"}},
            "source `t1w` must reach into the working grid, but far.nii.gz lies wholly",
        ),
        ({"target": "absent_T1w.nii.gz"}, "target absent_T1w.nii.gz: image file absent_T1w.nii.gz does not exist"),
        (
            {"target": "constant.nii.gz", "target_contrast": "t1w"},
            "target constant.nii.gz: image file constant.nii.gz must not be constant, it is 1 everywhere",
        ),
        ({"device": "gpu"}, "`device` must be cpu, cuda, cuda with the number of a GPU, such as cuda:0, or mps, got"),
        ({"parts": 0}, "override key `parts` must be a whole number of at least 1, got 0"),
        ({"space": "mars"}, "override key `space` must be native, mni or both, got 'mars'"),
        (
            {"target_contrast": "flair", "strict": "true"},
            "`strict` allows no image whose name speaks of another contrast: target of `flair` is target_T1w.nii.gz,",
        ),
        ({"subject": "a" * 260}, "`subject` must have at most 60 letters and digits"),
        (
            {"sources": {"pd": "t1w.nii.gz"}, "target": "pd.json"},
            "the target of none must be an image, got the code pd.json",
        ),
        ({"target": "pd.json"}, "no image has the contrast of a target, and none may be imputed (`impute_contrasts`"),
        ({"reference": "flair"}, "`reference` must be one of the sources t1w, got flair"),
        ({"output_dir": "t1w.nii.gz"}, "`output_dir` must be a folder, t1w.nii.gz is a file"),
        ({"output_dir": "t1w.nii.gz/out"}, "`output_dir` must be a folder that can be written, t1w.nii.gz/out is not"),
        ({"output_dir": "/proc/out"}, "`output_dir` must be a folder that can be written, /proc/out is not"),
        (
            {"output_dir": "dicom"},
            "`output_dir` must be absent, empty or an earlier harmonization, but dicom holds some",
        ),
    ],
)
def test_bad_input_is_refused_in_one_line(folder, capsys, monkeypatch, changes, words):
    monkeypatch.chdir(folder)
    before = sorted(folder.rglob("*"))
    given = {"sources": {"t1w": "t1w.nii.gz"}, "target": "target_T1w.nii.gz", "output_dir": "out", **changes}
    assert refused(capsys, Path(given.pop("output_dir")), "method_none.json", **given).startswith(words)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weights#paths": ["absent.pt"]}, "weights file absent.pt does not exist; import published weights with `"),
        ({"weights#paths": ["lfs.pt"]}, "weights file lfs.pt is a Git LFS pointer, not the weights themselves; run `"),
        ({"weights#paths": ["other.pt"]}, "weights file other.pt holds another network: parameters missing: "),
        ({"random_weights": "maybe"}, "override key `random_weights` must be true or false, got 'maybe'"),
        (
            {"random_weights": "true", "target": "short.json"},
            "target code short.json: `theta` must be a list of 4 finite numbers, got [0, 0, 0]",
        ),
        (
            {"random_weights": "true", "target": "long.json"},
            "target code long.json: `method` must be haca3plus, got haca3, of an earlier version; encode",
        ),
        ({"carry_detail": 2}, "override key `carry_detail` must be auto, true, false or a number from 0 to 1, got 2"),
        ({"precision": "fp8"}, "override key `precision` must be fp32 or bf16, got 'fp8'"),
        ({"maps": ["atention"]}, "`maps` must be among those this method gives, imputed, got ['atention']"),
    ],
)
def test_network_that_cannot_be_is_refused_in_one_line(folder, capsys, monkeypatch, changes, words):
    monkeypatch.chdir(folder)
    before = sorted(folder.rglob("*"))
    given = {"sources": {"t1w": "t1w.nii.gz"}, "target": "target_T1w.nii.gz", "random_weights": "false", **changes}
    assert refused(capsys, Path("out"), **given).startswith(words)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"compiled": "1"}, "override key `compiled` must be true or false, got '1'"),
        (
            {"random_weights": "true", "target": "long.json"},
            "target code long.json: it must have (2, 2) numbers of",
        ),
        ({"samples": 1}, "override key `samples` must be 0 or a whole number of at least 2, got 1"),
    ],
)
def test_what_haca3_cannot_do_is_refused_in_one_line(folder, capsys, monkeypatch, changes, words):
    monkeypatch.chdir(folder)
    given = {"sources": {"t1w": "t1w.nii.gz"}, "target": "target_T1w.nii.gz", "random_weights": "false", **changes}
    assert refused(capsys, Path("out"), "method_haca3.json", **given).startswith(words)


def test_what_a_run_reads_is_never_what_it_writes(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    given = {"sources": {"t1w": "t1w.nii.gz"}, "target": "target_T1w.nii.gz", "subject": "a"}
    output = harmonize(Path("out"), "method_none.json", **given)
    (image,) = output.rglob("*_desc-harmonized_T1w.nii.gz")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    words = f"`output_dir` must not be where the run reads from, but {image} lies where results go, in {folder / 'out'}"
    changes = [{"sources": {"t1w": str(image)}}, {"target": str(image)}, {"brain_mask": str(image)}]
    for change in [*changes, {"sources": None, "subject": None, "bids_dir": "out"}]:
        assert refused(capsys, Path("out"), "method_none.json", **{**given, **change}).startswith(words)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_encoding_takes_no_target(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    words = "this run takes no target, got 'target_T1w.nii.gz'"
    given = {"sources": {"t1w": "t1w.nii.gz"}, "target": "target_T1w.nii.gz"}
    assert refused(capsys, Path("out"), "encode.json", **given) == words


def test_encoding_is_refused_to_a_method_without_codes(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    words = "encoding needs a method whose codes can be kept, as HACA3's; this is nyul"
    given = {"sources": {"t1w": "t1w.nii.gz"}}
    assert refused(capsys, Path("out"), "method_nyul.json", "encode.json", **given) == words


def arguments(folder: Path) -> dict[str, Any]:
    files = [str(BUNDLE / "configs" / name) for name in ("inference.json", "method_none.json")]
    return {
        "config_file": files,
        "sources": {"t1w": str(folder / "t1w.nii.gz")},
        "target": str(folder / "target_T1w.nii.gz"),
        "output_dir": str(folder / "out"),
        "subject": "a",
        "registration": "none",
    }


def test_full_disk_is_refused_in_one_line(folder):
    # A limit on the size of files, of one block, stands in for a disk that is full.
    given = [f"--{key}={value}" for key, value in arguments(folder).items()]
    before = sorted(folder.rglob("*"))
    command = ["sh", "-c", 'ulimit -f 1 && exec "$@"', "sh", sys.executable, "-B", "-m", "monai.bundle", "run", *given]
    result = subprocess.run(command, cwd=BUNDLE, capture_output=True, text=True)
    assert result.returncode == 1
    output = f"{folder}/out/sub-a/anat/sub-a_desc-harmonized_T1w.nii.gz"
    assert result.stderr.splitlines()[-1].startswith(f"Refused: image file {output} cannot be written: [Errno 27] File")
    assert "Traceback" not in result.stderr
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(("moment", "left"), [(".nii.gz", []), ("_T1w.json", ["sub-a_desc-harmonized_T1w.nii.gz"])])
def test_killed_run_leaves_nothing_that_the_next_would_take_for_done(folder, moment, left):
    # An image without its sidecar is whole, but made again.
    given = arguments(folder)
    command = [sys.executable, "-c", KILLED_RUN, moment, json.dumps(given)]
    assert subprocess.run(command, cwd=BUNDLE, capture_output=True).returncode == -9
    anat = folder / "out" / "sub-a" / "anat"
    partial = [path for path in anat.iterdir() if path.name.startswith(".partial-")]
    assert len(partial) == 1
    assert [path.name for path in anat.iterdir() if path not in partial] == left
    times = [(anat / name).stat().st_mtime_ns for name in left]
    two_hours_ago = time.time() - 7200
    os.utime(partial[0], (two_hours_ago, two_hours_ago))
    given["config_file"].pop(0)
    harmonize(folder / "out", "method_none.json", **{key: given[key] for key in ("sources", "target", "subject")})
    assert {path.name for path in anat.iterdir()} == {f"sub-a_desc-harmonized_T1w.{end}" for end in ("nii.gz", "json")}
    assert all((anat / name).stat().st_mtime_ns > before for name, before in zip(left, times, strict=True))
