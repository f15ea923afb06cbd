"""Training data straight to memory: slices of simulated people, rendered while the network trains."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from ..contrasts import CONTRASTS
from ..errors import InputError
from ..transforms.orientations import ORIENTATIONS, to_slices
from .cohort import Cohort, SubjectPlan, VisitPlan, derive_seed, draw_cohort
from .phantom import Phantom, PhantomParts
from .scanner import RANGES_FILE, Scanner, load_ranges

Item = TypeVar("Item")
Sample = dict[str, Any]


@dataclass(eq=False)
class PhantomSlices(IterableDataset[Sample]):
    """Slices (H, W) of a cohort's people, each person rendered once and scanned on several scanners.

    A sample holds `image` (4, H, W), the contrasts in their order, each volume divided by its percentile, absent ones
    all-zero; `available` (4,), 1 for the contrasts that the scanner acquires; `mask` (1, H, W), true inside the brain;
    and `subject`, `scanner`, `site`, `orientation` and `slice`, its place in the padded cube (see
    `scripts.transforms.orientations`).

    Every epoch has new people, on the same scanners. The workers of a DataLoader share them out. The samples depend on
    the settings and the number of workers, and on nothing else.
    """

    designs: Mapping[str, Mapping[str, Any]]
    """As in `configs/simulate.json`, like `cohort`, `subjects` and `protocols`."""
    cohort: str = "train"
    seed: int = 1
    scanner_seed: int = 1
    subjects: int | None = None
    scanners_per_subject: int = 2
    """In place of the design's `visits`."""
    slices_per_orientation: int = 50
    """The middle ones."""
    orientations: Sequence[str] = ORIENTATIONS
    field_of_view: int = 224
    percentile: float = 95.0
    """Over all voxels, zeros included, as published weights expect."""
    buffer_size: int = 600
    """Samples leave in random order from a buffer, which mixes people where it holds more than one yields."""
    epochs: int | None = None
    """None is endless."""
    protocols: str = str(RANGES_FILE)
    phantom: PhantomParts = Phantom()

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated; the first epoch is drawn to see it."""
        for name in ("scanners_per_subject", "slices_per_orientation", "buffer_size", "epochs"):
            value = getattr(self, name)
            allowed = isinstance(value, int) and not isinstance(value, bool) and value >= 1
            if not allowed and (name, value) != ("epochs", None):
                raise InputError(f"`{name}` must be a whole number of at least 1, got {value}")
        if self.slices_per_orientation > self.field_of_view:
            raise InputError(
                f"`slices_per_orientation` must be at most the `field_of_view`, {self.field_of_view}, "
                f"got {self.slices_per_orientation}"
            )
        for orientation in self.orientations:
            if orientation not in ORIENTATIONS:
                raise InputError(f"`orientations` must be among {', '.join(ORIENTATIONS)}, got {orientation}")
        self.draw(epoch=0)

    def draw(self, epoch: int) -> Cohort:
        """Draw the people of an epoch, counted from 0, and their visits."""
        visits = {"visits": [self.scanners_per_subject] * 2, "total_visits": None}
        designs = {name: {**design, **visits} for name, design in self.designs.items()}
        seed = derive_seed(self.seed, "epoch", epoch)
        return draw_cohort(
            str(self.cohort), designs, load_ranges(self.protocols), seed, self.scanner_seed, self.subjects
        )

    def __iter__(self) -> Iterator[Sample]:
        """Yield this worker's samples in random order."""
        worker = get_worker_info()
        number, total = (0, 1) if worker is None else (worker.id, worker.num_workers)
        rng = np.random.default_rng(derive_seed(self.seed, "order", number, total))
        return _shuffled(self._in_order(number, total), self.buffer_size, rng)

    def _in_order(self, worker: int, workers: int) -> Iterator[Sample]:
        for epoch in count() if self.epochs is None else range(self.epochs):
            cohort = self.draw(epoch)
            for plan in cohort.subjects[worker::workers]:
                name = f"epoch-{epoch + 1}_{plan.name}"
                for sample in self._scan_subject(plan, cohort.scanners):
                    yield {"subject": name, **sample}

    def _scan_subject(self, plan: SubjectPlan, scanners: Mapping[str, Scanner]) -> Iterator[Sample]:
        """Render one person and yield the slices of every scan."""
        parameters = self.phantom.draw_subject(plan.seed, plan.age, plan.lesion_load, plan.head)
        person = self.phantom.render_subject(parameters)
        brain = torch.from_numpy(person.brain > 0)[None]
        for visit in plan.visits:
            scanner = scanners[visit.scanner]
            volumes = self._acquire(person, scanner, visit)
            available = torch.tensor([float(contrast in visit.contrasts) for contrast in CONTRASTS])
            about = {"available": available, "scanner": scanner.name, "site": scanner.site}
            for orientation in self.orientations:
                for place, image, mask in self._middle_slices(volumes, brain, orientation):
                    yield {"image": image, "mask": mask, **about, "orientation": orientation, "slice": place}

    def _acquire(self, person: Any, scanner: Scanner, visit: VisitPlan) -> Tensor:
        """Stack the contrasts (4, X, Y, Z) of a visit, scaled."""
        volumes = torch.zeros(len(CONTRASTS), *person.brain.shape)
        for contrast in visit.contrasts:
            image = self.phantom.acquire(person, scanner, contrast, visit.run_seed(1))
            peak = float(np.percentile(image, self.percentile))
            if peak <= 0:
                raise InputError(f"`percentile` must lie above the background of the images, got {self.percentile:g}")
            volumes[CONTRASTS.index(contrast)] = torch.from_numpy(image) / peak
        return volumes

    def _middle_slices(self, volumes: Tensor, brain: Tensor, orientation: str) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Place, image (4, H, W) and mask (1, H, W) of the slices around the middle of the field of view."""
        images, masks = (to_slices(maps, orientation, self.field_of_view) for maps in (volumes, brain))
        first = (self.field_of_view - self.slices_per_orientation) // 2
        for place in range(first, first + self.slices_per_orientation):
            # Copied, so that a slice in the buffer does not keep its volume in memory.
            yield place, images[:, place].clone(), masks[:, place].clone()


def _shuffled(items: Iterable[Item], size: int, rng: np.random.Generator) -> Iterator[Item]:
    """Pass items through a buffer, each new one taking the place of a random one."""
    buffer: list[Item] = []
    for item in items:
        if len(buffer) < size:
            buffer.append(item)
            continue
        place = int(rng.integers(size))
        yield buffer[place]
        buffer[place] = item
    yield from (buffer[place] for place in rng.permutation(len(buffer)))
