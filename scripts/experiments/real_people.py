"""Real people whose scans are read for an experiment."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..base.errors import InputError
from ..images.nifti import read_image
from ..images.resampling import to_working_grid
from ..images.sources import read_sources


@dataclass(frozen=True, eq=False)
class Person:
    """The prepared volumes (4, X, Y, Z) of a person, and boolean `brain` and `lesions` (X, Y, Z)."""

    name: str
    volumes: Tensor
    brain: Tensor
    lesions: Tensor


@dataclass(frozen=True, eq=False)
class RealPeople:
    """Two at least, of the same scanner: paths in `folder` by contrast, of brains in MNI152 space, and of `lesions`."""

    files: Mapping[str, Mapping[str, str]]
    folder: str
    preparation: Callable[[dict[str, Any]], dict[str, Any]]

    def __post_init__(self) -> None:
        """Refuse what cannot be read, before anything is computed."""
        if len(self.files) < 2:
            raise InputError(f"`people` must be at least 2, got {sorted(self.files)}")
        for name, files in self.files.items():
            for what, file in files.items():
                if not (Path(self.folder) / file).is_file():
                    raise InputError(f"`people` {name}: {what} must be in `data_dir` {self.folder}, {file} is not")

    def read(self) -> list[Person]:
        """All of them."""
        return [self._read(name) for name in self.files]

    def _read(self, name: str) -> Person:
        paths = {what: Path(self.folder) / file for what, file in self.files[name].items()}
        lesions = torch.from_numpy(to_working_grid(read_image(paths.pop("lesions")), order=0)) > 0
        sources = read_sources(paths)
        data = {"image": torch.from_numpy(sources.stack), "available": torch.from_numpy(sources.available)}
        volumes: Tensor = self.preparation(data)["image"]
        brain = (volumes[sources.available] > 0).all(0)
        return Person(name, volumes, brain, lesions & brain)
