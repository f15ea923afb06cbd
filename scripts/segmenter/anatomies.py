"""Simulated people of whom the segmenter is shown images: what each voxel is made of, and which structure it is."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..base.arguments import check_whole
from ..base.errors import InputError
from ..base.json_files import read_json
from ..base.seeds import derive_seed
from ..base.text_files import write_json
from ..base.whole_file import whole_file
from ..metrics.segmentation_network import OTHER_BRAIN, SULCAL_FLUID
from ..phantom.phantom import Phantom, PhantomParts
from ..phantom.truth import FLUID

PLAN = "plan.json"
MAPS = ("density", "t1", "fluid", "depth", "label")
"""The maps of a person, in the order of the file."""

# How the maps are written into bytes: proton density by steps of 1/200; T1 in seconds by its logarithm between these;
# depth below the brain's surface from `-DEPTH_MM` to `DEPTH_MM`.
_DENSITY_STEPS = 200
T1_RANGE = (0.2, 5.0)
DEPTH_MM = 8.0


@dataclass(frozen=True)
class SimulatedAnatomies:
    """People by their number, counted from 1; each is simulated when first asked for, and kept as a file in `folder`.

    All have heads: the depth below the surface of the brain says what brain extraction would leave. The people after
    the first `people` are the `held_out` ones, whom training never sees.
    """

    folder: Path | str
    people: int = 48
    held_out: int = 4
    seed: int = 1
    age: tuple[float, float] = (18.0, 90.0)
    lesion_share: float = 0.3
    """Share of people with lesions, whose load is drawn from 0 to 1."""
    phantom: PhantomParts = field(default_factory=Phantom)

    def __post_init__(self) -> None:
        """Refuse wrong numbers."""
        check_whole("people", self.people)
        check_whole("held_out", self.held_out)

    def record(self) -> dict[str, Any]:
        """What a training remembers of them."""
        return {"people_plan": self._plan}

    def read(self, number: int) -> np.ndarray:
        """Maps (5, X, Y, Z) uint8 of a person, in the order of `MAPS`; a window of them is read from the disk."""
        path = self._claimed / f"person-{number:04d}.npy"
        if not path.is_file():
            maps = self._render(number)
            with whole_file(path) as partial, partial.open("wb") as file:
                np.save(file, maps)
        try:
            return np.load(path, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise InputError(f"{path} must hold a simulated person; remove it to have it made anew: {error}") from error

    @property
    def _plan(self) -> dict[str, Any]:
        return {"seed": self.seed, "age": [float(age) for age in self.age], "lesion_share": self.lesion_share}

    @cached_property
    def _claimed(self) -> Path:
        """The folder, which may hold people of this plan only."""
        folder = Path(str(self.folder))
        if not (folder / PLAN).is_file():
            write_json(folder / PLAN, self._plan)
        found = read_json(folder / PLAN, "plan of simulated people")
        if found != json.loads(json.dumps(self._plan)):
            raise InputError(f"{folder} must hold people of the plan {self._plan}, it holds people of {found}")
        return folder

    def _render(self, number: int) -> np.ndarray:
        seed = derive_seed("segmenter", self.seed, number)
        rng = np.random.default_rng([seed, 4])
        age = round(float(rng.uniform(*self.age)), 1)
        load = round(float(rng.uniform()), 3) if rng.random() < self.lesion_share else 0.0
        return encode(self.phantom.render_subject(self.phantom.draw_subject(seed, age, load, True)))


def encode(subject: Any) -> np.ndarray:
    """Maps (5, X, Y, Z) uint8 of a rendered subject."""
    low, high = np.log(T1_RANGE)
    values: Mapping[str, np.ndarray] = {
        "density": _DENSITY_STEPS * subject.solid.pd.numpy(),
        "t1": 255 * (subject.solid.t1.log().numpy() - low) / (high - low),
        "fluid": 255 * subject.fluid.numpy(),
        "depth": 127.5 * (1 + subject.surface_mm.numpy() / DEPTH_MM),
    }
    coded = [np.clip(np.rint(values[name]), 0, 255).astype(np.uint8) for name in MAPS[:-1]]
    return np.stack([*coded, label_structures(subject.tissues, subject.regions)])


def decode(coded: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Proton density, log of T1 (s), share of fluid and depth (mm), from the first four of the maps as numbers."""
    density, t1, fluid, depth = coded
    low, high = np.log(T1_RANGE)
    return density / _DENSITY_STEPS, low + t1 / 255 * (high - low), fluid / 255, DEPTH_MM * (depth / 127.5 - 1)


def label_structures(tissues: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Labels (X, Y, Z) uint8 of the truth: regions, then fluid outside the ventricles, then the rest of the brain."""
    labels = np.where(tissues > 0, OTHER_BRAIN, 0).astype(np.uint8)
    labels[tissues == FLUID] = SULCAL_FLUID
    labels[regions > 0] = regions[regions > 0]
    return labels
