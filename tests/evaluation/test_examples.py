from pathlib import Path

import numpy as np
from matplotlib.image import imread

from scripts.evaluation.examples import draw_examples
from scripts.images.volumes import write_volume
from scripts.metrics.scaling import divide_by_percentile


def write_block(path: Path, value: float, share: float = 0.5) -> Path:
    voxels = np.zeros((16, 16, 16), dtype=np.float32)
    voxels[4:12, 4:12, 4:12] = value
    voxels[4:12, 4:8, 4:12] *= share
    write_volume(path, voxels)
    return path


def differing(picture: Path) -> bool:
    """Whether much of a picture has a colour that is no grey."""
    colours = imread(picture)[..., :3]
    return bool((colours.max(-1) - colours.min(-1) > 0.3).sum() > 100)


def test_versions_that_differ_by_gain_alone_look_the_same(tmp_path: Path) -> None:
    versions = {name: write_block(tmp_path / f"{name}.nii", gain) for name, gain in (("one", 10.0), ("two", 900.0))}
    draw_examples({"t1w": versions}, divide_by_percentile, tmp_path / "examples.png", dpi=50)
    picture = imread(tmp_path / "examples.png")[..., 0]
    half = picture.shape[1] // 2
    # The block's bright half is 1 / 1.3 of white in either panel; titles are the only other thing drawn.
    bright = [np.isclose(part, 1 / 1.3, atol=0.02).sum() for part in (picture[:, :half], picture[:, half:])]
    assert bright[0] > 100
    assert abs(bright[0] - bright[1]) < 0.1 * bright[0]
    assert not differing(tmp_path / "examples.png")


def test_what_differs_from_the_reference_is_shown(tmp_path: Path) -> None:
    versions = {
        name: write_block(tmp_path / f"{name}.nii", 10.0, share) for name, share in (("one", 0.3), ("two", 0.5))
    }
    draw_examples({"t1w": versions}, divide_by_percentile, tmp_path / "examples.png", dpi=50)
    assert differing(tmp_path / "examples.png")
