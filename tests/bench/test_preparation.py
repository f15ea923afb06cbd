import nibabel
import numpy as np
import pytest
from monai.transforms import Compose

from scripts.bench import preparation
from scripts.bench.known_motions import furthest, random_motions
from scripts.bench.preparation import Preparation, compare, measure, of_raw_scans, write_raw_head
from scripts.images.grid import GRID_AFFINE, GRID_SHAPE
from scripts.images.nifti import write_on_working_grid
from scripts.preprocessing.background import RemoveBackgroundd
from scripts.preprocessing.intensity_scale import ScaleByPercentiled
from scripts.registration.alignment import Alignment
from scripts.registration.rigid import Registered
from scripts.registration.template import TemplateBrain

from ..harmonize.tiny_subjects import AFFINE, SHAPE, write_ball


@pytest.fixture
def paths(tmp_path):
    return {contrast: write_ball(tmp_path / f"{contrast}.nii.gz", seed) for seed, contrast in enumerate(("t1w", "pd"))}


@pytest.fixture
def quick(monkeypatch) -> Preparation:
    brain = TemplateBrain(np.ones(SHAPE, np.float32), AFFINE, np.zeros((3, 1)))
    monkeypatch.setattr("scripts.registration.alignment.load_template_brain", lambda rim_mm: brain)

    def register(fixed, moving, region, scaled=False) -> Registered:
        return Registered(np.eye(4), score=2.0, overlap=1.0)

    alignment = Alignment(register, lambda image: False, {"template": 1.0, "contrast": 1.0})
    transform = Compose([ScaleByPercentiled(percentile=99.999), RemoveBackgroundd(radius=1)])
    return Preparation([lambda image: image], alignment, transform)


def test_every_part_of_the_way_and_the_way_back_is_timed(paths, quick, tmp_path):
    seconds = measure(paths, quick, tmp_path / "result.nii.gz")
    assert list(seconds) == [
        "read",
        "correct bias (N4)",
        "register to the template",
        "register to another contrast",
        "interpolate to the networks' grid",
        "scale, remove background",
        "back to the native grid, write",
    ]
    assert min(seconds.values()) > 0
    result, source = nibabel.load(tmp_path / "result.nii.gz"), nibabel.load(paths["t1w"])
    np.testing.assert_array_equal(result.affine, source.affine)
    # Nothing was turned, so that there is a factor between them and nothing else.
    inside = source.get_fdata() > 0
    ratio = result.get_fdata()[inside] / source.get_fdata()[inside]
    assert ratio.min() > 0 and np.ptp(ratio) < 1e-5 * ratio.max()


def test_the_table_has_medians_of_parts_and_of_their_sums(paths, quick, monkeypatch):
    turns = iter([{"read": 1.0, "rest": 9.0}, {"read": 3.0, "rest": 2.0}, {"read": 2.0, "rest": 5.0}])
    monkeypatch.setattr(preparation, "measure", lambda *given: next(turns))
    about, _, _, *rows = compare(paths, quick, repeats=3).splitlines()
    assert rows == ["| --- | ---: |", "| read | 2.0 |", "| rest | 5.0 |", "| all | 7.0 |"]
    grid = f"{' x '.join(map(str, SHAPE))} of 1 x 1 x 1 mm"
    assert about.endswith(f"; T1w {grid}, PDw {grid}; medians of 3 turns.")


def test_the_parts_are_those_of_raw_scans():
    parts = of_raw_scans()
    assert len(parts.corrections) == 1
    assert parts.alignment.mode == "rigid"
    assert len(parts.transform.transforms) == 2


def test_every_scan_of_the_raw_head_lies_elsewhere(tmp_path, monkeypatch):
    def write_small(folder, head):
        assert head
        for contrast in ("t1w", "t2w", "flair"):
            voxels = np.zeros(GRID_SHAPE, np.float32)
            voxels[90:100, 90:100, 90:100] = 1
            write_on_working_grid(folder / f"{contrast}.nii.gz", voxels, "small")

    monkeypatch.setattr(preparation, "write_phantom", write_small)
    paths = write_raw_head(tmp_path)
    points = np.array([[0.0], [-20.0], [8.0]])
    for path, motion in zip(paths.values(), random_motions(3, seed=1), strict=True):
        image = nibabel.load(path)
        assert int(image.header["sform_code"]) == int(image.header["qform_code"]) == 1
        np.testing.assert_allclose(image.affine, motion @ GRID_AFFINE, atol=1e-4)
        assert furthest(motion, np.eye(4), points) > 5
