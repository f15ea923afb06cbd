from pathlib import Path

import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.images.resampling import using_itk
from scripts.registration.pose import RIGID, make_pose, rigid_matrix
from scripts.registration.transform_file import read_transform, write_transform


@pytest.fixture
def matrix() -> np.ndarray:
    pose = make_pose((10, -20, 30), (4, -5, 6), RIGID)
    return rigid_matrix(pose, pose.new_zeros(3, 1))


def test_what_is_written_is_read_again(matrix, tmp_path):
    path = tmp_path / "moving_to_reference.txt"
    write_transform(path, matrix)
    np.testing.assert_allclose(read_transform(path), matrix, rtol=0, atol=1e-12)


def test_itk_reads_and_writes_the_same_transform(matrix, tmp_path):
    path = tmp_path / "moving_to_reference.txt"
    write_transform(path, matrix)
    with using_itk() as itk:
        (transform,) = itk.transformread(str(path))
        moving = np.array([12.0, -34, 56])
        reference = matrix[:3, :3] @ moving + matrix[:3, 3]
        # ITK's first two world axes point the other way.
        flip = np.array([-1, -1, 1])
        found = list(transform.TransformPoint((flip * reference).tolist()))
        itk.transformwrite([transform], str(tmp_path / "again.txt"))
    np.testing.assert_allclose(flip * found, moving, atol=1e-9)
    np.testing.assert_allclose(read_transform(tmp_path / "again.txt"), matrix, rtol=0, atol=1e-9)


def test_the_center_of_another_program_counts(tmp_path):
    path = tmp_path / "other.tfm"
    # A half turn about the third axis through (10, 20, 0) of LPS, (-10, -20, 0) of RAS.
    path.write_text(
        "#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\n"
        "Parameters: -1 0 0 0 -1 0 0 0 1 0 0 0\nFixedParameters: 10 20 0\n"
    )
    expected = np.array([[-1.0, 0, 0, -20], [0, -1, 0, -40], [0, 0, 1, 0], [0, 0, 0, 1]])
    np.testing.assert_allclose(read_transform(path), expected, atol=1e-12)


@pytest.mark.parametrize("content", ["", "Parameters: 1 2 3\nFixedParameters: 0 0 0\n", "Parameters: a\n"])
def test_another_file_is_refused(tmp_path: Path, content: str):
    path = tmp_path / "other.txt"
    path.write_text(content)
    with pytest.raises(InputError, match="other.txt must hold one affine transform in ITK's text format"):
        read_transform(path)
