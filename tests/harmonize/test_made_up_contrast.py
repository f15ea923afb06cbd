"""A contrast that the subject lacks, by HACA3 in the style of a target whose visit has the others too."""

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.images.nifti import image_sha256, read_image

from .tiny_subjects import harmonize as harmonize_by_default
from .tiny_subjects import write_ball


def harmonize(output: Path, *overlays: str, **options: Any) -> Path:
    return harmonize_by_default(output, "method_haca3.json", *overlays, **options)


@pytest.fixture
def visit(tmp_path: Path) -> dict[str, Any]:
    """A subject who has T1w alone, and a target with T1w and T2w beside it."""
    for seed, suffix in enumerate(("T1w", "T2w", "FLAIR")):
        write_ball(tmp_path / f"reference_{suffix}.nii.gz", seed, gain=50 + 30 * seed)
    source = write_ball(tmp_path / "sub-01_T1w.nii.gz", 9)
    return {"sources": {"t1w": str(source)}, "target": str(tmp_path / "reference_FLAIR.nii.gz")}


def sidecar(output: Path) -> dict[str, Any]:
    (file,) = output.rglob("*_desc-meaningless_FLAIR.json")
    content: dict[str, Any] = json.loads(file.read_text())
    return content


def brightness(output: Path) -> float:
    (file,) = output.rglob("*_desc-meaningless_FLAIR.nii.gz")
    voxels = read_image(file).voxels
    return float(voxels[voxels > 0].mean())


def test_the_images_beside_the_target_count_as_far_as_the_subject_has_their_contrast(visit, tmp_path):
    output = harmonize(tmp_path / "out", **visit)
    beside = {"t1w": image_sha256(tmp_path / "reference_T1w.nii.gz")}
    assert sidecar(output)["Target"]["beside"] == beside


def test_levels_bring_the_brightness_of_the_target(visit, tmp_path):
    target = read_image(tmp_path / "reference_FLAIR.nii.gz").voxels
    wanted = float(target[target > 0].mean())
    with_levels = brightness(harmonize(tmp_path / "with", **visit))
    overlay = tmp_path / "plain.json"
    overlay.write_text('{"levels": null, "tone": null}')
    without = brightness(harmonize(tmp_path / "without", str(overlay), **visit))
    assert abs(with_levels / wanted - 1) < 0.15 < abs(without / wanted - 1)


def test_another_image_beside_the_target_is_a_reason_to_do_it_again(visit, tmp_path):
    output = harmonize(tmp_path / "out", **visit)
    written = sorted(output.rglob("*_FLAIR.nii.gz"))[0].stat().st_mtime_ns
    harmonize(tmp_path / "out", **visit)
    assert sorted(output.rglob("*_FLAIR.nii.gz"))[0].stat().st_mtime_ns == written
    write_ball(tmp_path / "reference_T1w.nii.gz", 77, gain=20)
    harmonize(tmp_path / "out", **visit)
    assert sorted(output.rglob("*_FLAIR.nii.gz"))[0].stat().st_mtime_ns > written


def test_a_target_alone_is_made_of_itself(visit, tmp_path):
    (tmp_path / "reference_T1w.nii.gz").unlink()
    assert "beside" not in sidecar(harmonize(tmp_path / "out", **visit))["Target"]


def test_a_contrast_that_the_subject_has_takes_no_notice(visit, tmp_path):
    sources = {**visit["sources"], "flair": str(write_ball(tmp_path / "sub-01_FLAIR.nii.gz", 5))}
    assert "beside" not in sidecar(harmonize(tmp_path / "out", **{**visit, "sources": sources}))["Target"]


def test_levels_are_in_the_codes_of_a_visit(visit, tmp_path):
    sources = {suffix.lower(): str(tmp_path / f"reference_{suffix}.nii.gz") for suffix in ("T1w", "FLAIR")}
    output = harmonize(tmp_path / "codes", "encode.json", sources=sources)
    (code,) = output.rglob("*_desc-code_FLAIR.json")
    assert len(json.loads(code.read_text())["levels"]) == 5


def test_a_method_that_looks_at_the_target_alone_takes_no_notice(visit, tmp_path):
    assert "beside" not in sidecar(harmonize_by_default(tmp_path / "out", **visit))["Target"]
