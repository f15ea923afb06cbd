"""Training slices on the fly: batches of people on scanners drawn without end, from a library of maps.

    sampler = SliceSampler(MapLibrary("library"), seed=1)
    batch = sampler.render(sampler.draw(step=0, batch=16))

`SliceSampler` is also an `IterableDataset`: each item is a whole batch, so a `DataLoader` takes it with
`batch_size=None`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from torch.utils.data import IterableDataset, get_worker_info

from ..base.errors import InputError
from .artifacts import ArtifactLaw
from .map_library import MapLibrary
from .plan import SliceLaw, SlicePlan
from .render import Batch, SliceRenderer
from .scanner_law import ScannerLaw
from .scanner_table import ScannerTable
from .texture import Texture

PERCENTILES = (1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 98.0, 99.0, 99.5)


@dataclass(eq=False)
class SliceSampler(IterableDataset[Batch]):
    """Draws and renders batches (see `draw` and `render`); iterating gives those of the steps from `first_step` on.

    A batch of B samples holds, with contrasts in the order t1w, t2w, pd, flair and slices of H x W voxels,

    - `source` (B, 4, H, W), the person on scanner A, divided by the volume's percentile, from 0 to `upper`,
      background 0; `available` (B, 4), which contrasts there are; `severity` (B, 4) of an artifact, 0 to 1, and
      `artifact` (B, 4), its place in `artifacts.ARTIFACTS`, -1 for none;
    - `truth` (B, 4, H, W), the same slice by scanner B's protocol and resolution, without noise, field or artifact;
    - `tissue` (B, 6, H, W), shares of `person_maps.TISSUES`, and `foreground` (B, H, W);
    - `target_image` (B, 4, H, W), mostly of another person, on scanner B as acquired; `source_other`, the same of
      another slice of the source's person on scanner A;
    - `source_percentiles` and `target_percentiles` (B, 4, P) of the foreground of the source's and of the target's
      volume; `source_levels` and `target_levels` (B, 4, 3) of its fluid, gray and white matter;
    - `person`, `target_person`, `same_person`, `same_scanner`, `scanner` and `scanner_kind` (B, 2: A and B), `plane` (a
      place in `slice_plan.PLANES`) and `position`.

    Workers of a `DataLoader` take turns, so the batches are the same whatever their number.
    """

    maps: MapLibrary
    seed: int = 1
    batch: int = 16
    steps: int | None = None
    """How many batches iterating gives; None is endless."""
    first_step: int = 0
    held_out: bool = False
    """Whether the people are those of the library's validation."""
    slices: SliceLaw = field(default_factory=SliceLaw)
    scanners: ScannerLaw = field(default_factory=ScannerLaw)
    artifacts: ArtifactLaw = field(default_factory=ArtifactLaw)
    texture: Texture = field(default_factory=Texture)
    percentiles: Sequence[float] = PERCENTILES
    peak_percentile: float = 95.0
    """Of the whole grid, zeros included; images are divided by it."""
    voxels: int = 2048
    """Stored voxels per person from which percentiles are taken."""
    upper: float = 5.0
    truth_units: str = "own"
    """`own`: the truth is divided by the percentile of its own volume; `target`: by that of the target's volume."""

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        if not isinstance(self.batch, int) or self.batch < 1:
            raise InputError(f"`batch` must be a whole number of at least 1, got {self.batch}")
        if not all(0 <= percentile <= 100 for percentile in self.percentiles):
            raise InputError(f"`percentiles` must be between 0 and 100, got {list(self.percentiles)}")

    @cached_property
    def people(self) -> list[int]:
        """Whom slices are drawn from; refuse fewer than two."""
        people = self.maps.validation if self.held_out else self.maps.training
        if len(people) < 2:
            raise InputError(f"the library must have at least 2 people to draw from, got {len(people)}")
        return people

    @cached_property
    def pool(self) -> ScannerTable:
        """Realistic scanners, from which others come about."""
        return self.scanners.build_pool()

    @cached_property
    def renderer(self) -> SliceRenderer:
        """What renders the plans."""
        return SliceRenderer(
            self.maps,
            self.slices.window,
            self.percentiles,
            self.peak_percentile,
            self.voxels,
            self.upper,
            self.truth_units,
            texture=self.texture,
        )

    def draw(self, step: int, batch: int | None = None) -> SlicePlan:
        """Everything random about a batch; it follows from the seed and the step alone."""
        rng = np.random.default_rng([self.seed, int(self.held_out), step])
        size = self.batch if batch is None else batch
        return self.slices.draw(self.maps, self.people, self.pool, self.scanners, self.artifacts, step, size, rng)

    def render(self, plan: SlicePlan) -> Batch:
        """The batch that a plan describes."""
        return self.renderer(plan)

    def __iter__(self) -> Iterator[Batch]:
        """Batches of the steps of this worker."""
        worker = get_worker_info()
        number, total = (0, 1) if worker is None else (worker.id, worker.num_workers)
        step = self.first_step + number
        while self.steps is None or step < self.first_step + self.steps:
            yield self.render(self.draw(step))
            step += total
