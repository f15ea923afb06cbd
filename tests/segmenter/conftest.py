"""Made once for all tests: balls of five people at most."""

from pathlib import Path

import pytest

from scripts.segmenter.anatomies import SimulatedAnatomies

from .ball_people import BallPhantom


@pytest.fixture(scope="package")
def balls(tmp_path_factory: pytest.TempPathFactory) -> SimulatedAnatomies:
    folder: Path = tmp_path_factory.mktemp("balls")
    return SimulatedAnatomies(folder, people=3, held_out=2, phantom=BallPhantom())
