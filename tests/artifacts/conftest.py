from pathlib import Path

import numpy as np
import pytest

from scripts.artifacts.calibration import Calibration, load_calibration
from scripts.artifacts.template_slices import template_slices

BUNDLE = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def calibration() -> Calibration:
    return load_calibration()


@pytest.fixture(scope="session")
def held_out_slices() -> list[np.ndarray]:
    """Slices of the template, at positions at which no test calibrates."""
    return list(template_slices([0.45, 0.57], 224))


@pytest.fixture(scope="session")
def clean(held_out_slices) -> np.ndarray:
    return held_out_slices[2][None]
