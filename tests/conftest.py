"""Fixtures that several test files share."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real images; it is never part of the repository."""
    folder = os.environ.get("HARMONIZATION_TEST_DATA")
    if not folder:
        pytest.skip("HARMONIZATION_TEST_DATA, the folder of real test images, is not set")
    return Path(folder)


@pytest.fixture(autouse=True)
def untouched_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what running a bundle does to the process: import paths and the hook that prints refusals."""
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    yield
