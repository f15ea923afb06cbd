"""Transforms in the text format that ITK, and with it ANTs and 3D Slicer, reads."""

from pathlib import Path

import numpy as np

from ..base.errors import InputError
from ..base.text_files import write_text

# ITK's world is LPS, NIfTI's RAS.
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def write_transform(path: Path, to_reference: np.ndarray) -> None:
    """Write the transform that resamples a moving image onto a reference.

    `to_reference` (4, 4) takes NIfTI's world coordinates of the moving image to those of the reference. As ITK
    has it, the file holds the opposite: where in the moving image a point of the reference is found.
    """
    matrix = LPS @ np.linalg.inv(to_reference) @ LPS
    numbers = [*matrix[:3, :3].flatten(), *matrix[:3, 3]]
    lines = [
        "#Insight Transform File V1.0",
        "#Transform 0",
        "Transform: AffineTransform_double_3_3",
        f"Parameters: {' '.join(repr(float(number)) for number in numbers)}",
        "FixedParameters: 0 0 0",
    ]
    write_text(path, "\n".join(lines) + "\n")


def read_transform(path: Path) -> np.ndarray:
    """The matrix (4, 4) that `write_transform` wrote, or another program as a text file of one affine transform."""
    fields = dict(line.split(":", 1) for line in path.read_text(encoding="utf-8").splitlines() if ":" in line)
    try:
        numbers = np.array(fields["Parameters"].split(), float)
        center = np.array(fields["FixedParameters"].split(), float)
        linear, translation = numbers[:9].reshape(3, 3), numbers[9:].reshape(3)
        center = center.reshape(3)
    except (KeyError, ValueError) as error:
        raise InputError(f"transform file {path} must hold one affine transform in ITK's text format") from error
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    matrix[:3, 3] = translation + center - linear @ center
    return np.linalg.inv(LPS @ matrix @ LPS)
