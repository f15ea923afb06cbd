"""A folder of rendered people from which training and validation slices are made while a network trains.

`plan.json` says what the folder is to hold and is written first, a file of each person (`map_file.py`) follows, and
`library.json` comes last, when nothing is missing. So a command that was killed goes on where it stopped, and a library
that is not whole is seen. The last people of the plan are for validation and are made first.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import InputError
from ..base.seeds import derive_seed
from ..phantom.parameters import SubjectParameters, draw_subject
from .colin27 import FOLDER as COLIN27_FOLDER
from .colin27 import find_colin27
from .map_file import VERSION, MapFile, open_maps, write_maps
from .person_maps import ANATOMIES, PersonMaps, load_anatomy, render_maps

PLAN, INDEX = "plan.json", "library.json"

# Chosen so that shares of tissue and edges come close to those of real people (`docs/phantom.md`).
LEVELS: Mapping[str, Mapping[str, float]] = {
    "mni152": {"white_mm": -0.1, "fluid_mm": 1.1, "folding": 1.0},
    "colin27": {"white_mm": -0.1, "fluid_mm": 1.3, "folding": 1.0},
}

# Seeds of cohorts have 32 bits; those of a library's people lie above, so that nobody is in both.
_SEED_OFFSET = 2**32

Renderer = Callable[[SubjectParameters, str], PersonMaps]


@dataclass(frozen=True)
class MapLibraryMaker:
    """Makes a library, or goes on making it; `run()` returns its folder.

    Of `people`, numbered from 1, the last `validation` ones are held out. Pairs are the lowest and the highest value
    of a uniform draw. `colin27` is the folder of that anatomy's files.
    """

    folder: Path | str
    people: int = 300
    validation: int = 16
    seed: int = 1
    anatomies: Sequence[str] = ANATOMIES
    """They take turns from person to person."""
    age: Sequence[float] = (20, 85)
    lesion_share: float = 0.4
    """How many people have lesions."""
    lesion_load: Sequence[float] = (0.05, 1.0)
    head_share: float = 0.35
    """How many people come with the whole head; others as brain extraction leaves them."""
    voxels: int = 8000
    """Foreground voxels per person from which percentiles of the volume are estimated."""
    colin27: Path | str = COLIN27_FOLDER
    levels: Mapping[str, Mapping[str, float]] = field(default_factory=lambda: LEVELS)
    """By anatomy, the `white_mm`, `fluid_mm` and `folding` of `person_maps.Anatomy`."""
    bytes_per_person: int = 50_000_000
    """About what a person takes on disk; asked for before the work begins."""
    render: Renderer | None = field(default=None, compare=False, repr=False)
    """In place of the bundle's own rendering, by parameters and the anatomy's name."""

    def __post_init__(self) -> None:
        """Refuse wrong numbers."""
        for name in ("people", "voxels"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise InputError(f"`{name}` must be a whole number of at least 1, got {getattr(self, name)}")
        if not 0 <= self.validation < self.people:
            raise InputError(f"`validation` must be from 0 to less than `people`, {self.people}, got {self.validation}")
        for name in ("lesion_share", "head_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"`{name}` must be between 0 and 1, got {getattr(self, name)}")
        for name in self.anatomies:
            if name not in ANATOMIES:
                raise InputError(f"`anatomies` must be among {', '.join(ANATOMIES)}, got {name}")

    def run(self) -> str:
        """Make what is missing."""
        if self.render is None and "colin27" in self.anatomies:
            find_colin27(self.colin27)
        folder = Path(str(self.folder))
        folder.mkdir(parents=True, exist_ok=True)
        self._claim(folder)
        for stale in folder.glob(".*.partial-*"):
            stale.unlink(missing_ok=True)
        missing = [number for number in self._order() if not self._is_whole(folder / person_file(number))]
        self._check_room(folder, len(missing))
        for number in missing:
            person = self.draw(number)
            maps = self._render(person["parameters"], person["anatomy"], folder)
            about = {**person, "parameters": person["parameters"].to_json()}
            write_maps(folder / person_file(number), maps, about, self.voxels, person["parameters"].seed)
        _write_json(folder / INDEX, {**self._plan(), "complete": True})
        return str(folder)

    def draw(self, number: int) -> dict[str, Any]:
        """Who person `number` is: anatomy and parameters, always the same."""
        seed = derive_seed("map library", self.seed, number)
        rng = np.random.default_rng([seed, 3])
        has_lesions, has_head = rng.random() < self.lesion_share, rng.random() < self.head_share
        load = round(float(rng.uniform(self.lesion_load[0], self.lesion_load[1])), 3) if has_lesions else 0.0
        age = round(float(rng.uniform(self.age[0], self.age[1])), 1)
        parameters = draw_subject(_SEED_OFFSET + seed, age, load, bool(has_head))
        anatomy = self.anatomies[number % len(self.anatomies)]
        return {"number": number, "anatomy": anatomy, "parameters": parameters}

    def _order(self) -> list[int]:
        first = self.people - self.validation
        return [*range(first + 1, self.people + 1), *range(1, first + 1)]

    def _plan(self) -> dict[str, Any]:
        kept = ("people", "validation", "seed", "lesion_share", "head_share", "voxels")
        pairs = {name: [float(v) for v in getattr(self, name)] for name in ("age", "lesion_load")}
        return {
            "version": VERSION,
            **{name: getattr(self, name) for name in kept},
            **pairs,
            "levels": {name: dict(self.levels[name]) for name in self.anatomies},
            "anatomies": list(self.anatomies),
        }

    def _claim(self, folder: Path) -> None:
        """Write the plan, or refuse a folder that follows another one."""
        plan = self._plan()
        if not (folder / PLAN).is_file():
            if any(folder.glob("person-*")):
                raise InputError(f"`folder` must be empty or hold a library with its {PLAN}, {folder} has people only")
            _write_json(folder / PLAN, plan)
            return
        found = read_plan(folder)
        for name, value in plan.items():
            if found.get(name) != value:
                raise InputError(
                    f"{folder} holds a library whose `{name}` is {found.get(name)}, it must be {value} to go on with it"
                )

    def _is_whole(self, path: Path) -> bool:
        if not path.is_file():
            return False
        open_maps(path)
        return True

    def _check_room(self, folder: Path, missing: int) -> None:
        free, needed = shutil.disk_usage(folder).free, missing * self.bytes_per_person
        if free < needed:
            raise InputError(
                f"{folder} must have about {needed // 10**6} MB free for {missing} more people, got {free // 10**6} MB"
            )

    def _render(self, parameters: SubjectParameters, anatomy: str, folder: Path) -> PersonMaps:
        if self.render is not None:
            return self.render(parameters, anatomy)
        return render_maps(parameters, load_anatomy(anatomy, self.colin27, folder, **self.levels[anatomy]))


@dataclass(frozen=True)
class BrainPlaces:
    """Per axis of the grid: first and last voxel of the brain, and about how much of it each slice shows."""

    low: tuple[int, ...]
    high: tuple[int, ...]
    counts: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class MapLibrary:
    """An opened library; people are known by their number, counted from 1.

    With `partial` one that is still being made can be read: its people are those whose files are there. The folder is
    not looked at before it is needed, so that a training can be described without a library.
    """

    folder: Path | str
    partial: bool = False

    @cached_property
    def plan(self) -> dict[str, Any]:
        """What the library was made from; refuse what is no library of this version."""
        folder = Path(str(self.folder))
        plan = read_plan(folder)
        if plan.get("version") != VERSION:
            raise InputError(f"{folder} must be a map library of version {VERSION}, got version {plan.get('version')}")
        return plan

    def record(self) -> dict[str, Any]:
        """What a training remembers of it."""
        return {"library_plan": self.plan}

    @cached_property
    def files(self) -> dict[int, MapFile]:
        """The opened file of each person; refuse a library that is not whole, or has files that are not."""
        folder, people = Path(str(self.folder)), self.plan["people"]
        if not self.partial and not (folder / INDEX).is_file():
            raise InputError(f"{folder} must be a whole map library, but {INDEX} is missing: run its command again")
        paths = sorted(folder.glob("person-*.maps"))
        if not paths:
            raise InputError(f"{folder} must hold people, it has none")
        if not self.partial and len(paths) != people:
            raise InputError(f"{folder} must hold {people} people, got {len(paths)}")
        return {int(path.stem.split("-")[1]): open_maps(path) for path in paths}

    @property
    def training(self) -> list[int]:
        """Numbers of the people to train on."""
        return [number for number in self.files if number <= self.plan["people"] - self.plan["validation"]]

    @property
    def validation(self) -> list[int]:
        """Numbers of the people who are held out."""
        return [number for number in self.files if number > self.plan["people"] - self.plan["validation"]]

    def brain(self, number: int) -> "BrainPlaces":
        """Where the brain of a person is, as the stored voxels tell."""
        if number not in self._brains:
            voxels = self.files[number].voxels
            is_brain = voxels["fractions"][:, -1] < 128
            places = voxels["place"][is_brain] if is_brain.any() else voxels["place"]
            low, high = np.percentile(places, [0.5, 99.5], axis=0).astype(int)
            counts = [
                np.convolve(np.bincount(places[:, axis], minlength=size), np.ones(5) / 5, "same")
                for axis, size in enumerate(self.files[number].header.grid)
            ]
            self._brains[number] = BrainPlaces(tuple(low.tolist()), tuple(high.tolist()), tuple(counts))
        return self._brains[number]

    @cached_property
    def _brains(self) -> dict[int, "BrainPlaces"]:
        return {}

    def about(self, number: int) -> dict[str, Any]:
        """Anatomy and parameters of a person."""
        return self.files[number].header.about


def person_file(number: int) -> str:
    """The name of a person's file."""
    return f"person-{number:04d}.maps"


def read_plan(folder: Path) -> dict[str, Any]:
    """The plan of the library in a folder."""
    try:
        content = json.loads((folder / PLAN).read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{folder} must hold a map library, but its {PLAN} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{folder / PLAN} must hold an object, got {type(content).__name__}")
    return content


def _write_json(path: Path, content: dict[str, Any]) -> None:
    beside = path.with_name(f".{path.name}.partial")
    beside.write_text(json.dumps(content, indent=2) + "\n")
    beside.replace(path)
