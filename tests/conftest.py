"""Fixtures that several test files share."""

import ctypes
import gc
import json
import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import monai.bundle
import pytest

BUNDLE = Path(__file__).parents[1]
NAME = "brain_mri_harmonization"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real images; it is never part of the repository."""
    folder = os.environ.get("HARMONIZATION_TEST_DATA")
    if not folder:
        pytest.skip("HARMONIZATION_TEST_DATA, the folder of real test images, is not set")
    return Path(folder)


@pytest.fixture(scope="session")
def released_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle itself, packed by its config and unpacked."""
    folder = tmp_path_factory.mktemp("release")
    with pytest.MonkeyPatch.context() as process:
        process.setattr(sys, "path", sys.path.copy())
        process.setattr(sys, "excepthook", sys.excepthook)
        monai.bundle.run(
            config_file=str(BUNDLE / "configs" / "release_bundle.json"),
            meta_file=str(BUNDLE / "configs" / "metadata.json"),
            bundle_root=str(BUNDLE),
            output_dir=str(folder),
        )
    (packed,) = folder.glob("*.zip")
    version = json.loads((BUNDLE / "configs" / "metadata.json").read_text())["version"]
    assert packed.name == f"{NAME}_v{version}.zip"
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(folder)
    return folder / NAME


@pytest.fixture(autouse=True)
def untouched_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what running a bundle does to the process: import paths and the hook that prints refusals."""
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    yield


@pytest.fixture(autouse=True)
def freed_memory_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings tell the process to keep what is freed, which a process of thousands of tests cannot afford."""
    monkeypatch.setattr("scripts.training.memory.keep_freed_memory", lambda: None)


def pytest_collection_finish() -> None:
    """Leave what is imported by now out of later collections of garbage, each of which would walk through all of it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def freed_memory_goes_back() -> Iterator[None]:
    """Hand what a test file has freed back to the system, which glibc's heaps of many threads would keep."""
    yield
    gc.collect()
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


def pytest_unconfigure() -> None:
    """Keep ITK's table of types for good.

    SWIG frees it when Python ends, and with it what ITK's classes still hold, by a type that is gone already: a crash.
    """
    for name, module in list(sys.modules.items()):
        if name.startswith("swig_runtime_data"):
            for capsule in vars(module).values():
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(capsule))
