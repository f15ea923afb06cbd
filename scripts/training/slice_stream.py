"""What all training data has in common: the slices of scans in random order, shared out to processes and workers."""

from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice, product
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..base.seeds import derive_seed
from ..images.orientations import ORIENTATIONS, TARGET_ORIENTATION, cube_margins, frame, plane_view

Item = TypeVar("Item")

# The tissue of a voxel where nobody knows it.
UNKNOWN = -1
Sample = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Scan:
    """One visit of a person: normalized `volumes` (4, X, Y, Z), 0 where a contrast is not `available` (4,).

    `mask` (X, Y, Z) is where a loss counts, `tissues` (X, Y, Z) which tissue a voxel is, 0 outside the brain, all
    UNKNOWN where nobody knows. `about` is what each sample says of the visit. All that is drawn for its slices follows
    from `seed`.
    """

    volumes: Tensor
    available: Tensor
    mask: Tensor
    tissues: Tensor
    about: dict[str, str]
    seed: int

    def only(self, contrasts: Collection[str]) -> "Scan":
        """The same visit without the others."""
        kept = torch.tensor([float(contrast in contrasts) for contrast in CONTRASTS])
        return replace(self, volumes=self.volumes * kept[:, None, None, None], available=self.available * kept)


@dataclass(frozen=True, eq=False)
class ScanSlices:
    """Images (4, H, W), masks and tissues (1, H, W) of a scan by orientation and place; `references` by place."""

    scan: Scan
    images: dict[tuple[str, int], Tensor]
    masks: dict[tuple[str, int], Tensor]
    tissues: dict[tuple[str, int], Tensor]
    references: dict[int, Tensor]


@dataclass(eq=False, kw_only=True)
class SliceStream(IterableDataset[Sample]):
    """The middle slices (H, W) of scans, without those that show nothing.

    A sample holds

    - `image` (4, H, W), the contrasts in their order, absent ones all-zero; `available` (4,), 1 for the contrasts that
      the visit has; `mask` and `tissues` (1, H, W);
    - `reference` (4, H, W), another slice of the visit, drawn from the central coronal ones that show every contrast,
      since from such slices the code of a target is read;
    - `truth`, `truth_available` and `truth_reference`, the same of another visit of the same person, all-zero where
      that is not known;
    - `subject`, `scanner`, `site`, `orientation` and `slice`, its place in the padded cube (see
      `scripts.images.orientations`); and `seed`, from which follows whatever is drawn for it.

    The samples depend on the settings and the epoch; their order also on the numbers of processes and workers, which
    share out the people.
    """

    seed: int = 1
    slices_per_orientation: int = 50
    """The middle ones."""
    uses: int = 1
    """How many samples each slice is; different things are drawn for them."""
    orientations: Sequence[str] = ORIENTATIONS
    reference_slices: int = 20
    """The middle ones."""
    field_of_view: int = 224
    buffer_size: int = 600
    """Samples leave in random order from a buffer, which mixes people where it holds more than one yields."""
    rounds: int | None = None
    """How often an epoch comes round to everybody; None is endless."""

    def __post_init__(self) -> None:
        """Refuse wrong numbers."""
        for name in ("slices_per_orientation", "uses", "buffer_size"):
            check_whole(name, getattr(self, name))
        # One of them may be the slice that is decoded.
        check_whole("reference_slices", self.reference_slices, least=2)
        if self.rounds is not None:
            check_whole("rounds", self.rounds)
        for name in ("slices_per_orientation", "reference_slices"):
            if getattr(self, name) > self.field_of_view:
                raise InputError(
                    f"`{name}` must be at most the `field_of_view`, {self.field_of_view}, got {getattr(self, name)}"
                )
        for orientation in self.orientations:
            if orientation not in ORIENTATIONS:
                raise InputError(f"`orientations` must be among {', '.join(ORIENTATIONS)}, got {orientation}")
        self.set_epoch(1)

    def set_epoch(self, epoch: int, process: int = 0, processes: int = 1) -> None:
        """Choose the epoch that iterating gives, counted from 1, and this process's share of it."""
        self.epoch, self.process, self.processes = epoch, process, processes

    @abstractmethod
    def people(self, epoch: int, round: int) -> Iterator[Iterator[ScanSlices]]:
        """The visits of each person; they are made when they are iterated over."""

    def pair(self, visits: Iterator[ScanSlices]) -> Iterator[tuple[ScanSlices, ScanSlices | None]]:
        """Each visit of a person, with the one that holds its truth if there is any."""
        return ((visit, None) for visit in visits)

    def __iter__(self) -> Iterator[Sample]:
        """Yield this worker's samples in random order."""
        number, total = share_of_worker(self.process, self.processes)
        rng = np.random.default_rng(derive_seed(self.seed, "order", self.epoch, number, total))
        return shuffled(self._in_order(number, total), self.buffer_size, rng)

    def _in_order(self, number: int, total: int) -> Iterator[Sample]:
        rounds = count(1) if self.rounds is None else range(1, self.rounds + 1)
        people = (visits for round in rounds for visits in self.people(self.epoch, round))
        for visits in islice(people, number, None, total):
            for visit, other in self.pair(visits):
                yield from self._samples(visit, other)

    def cut(self, scan: Scan) -> ScanSlices:
        """The slices of a scan that its samples need; refuse one that has no references."""
        images, masks, tissues = {}, {}, {}
        for orientation in self.orientations:
            number = self.slices_per_orientation
            found, known = (self._middle(each[None], orientation, number) for each in (scan.mask, scan.tissues))
            for place, image in self._middle(scan.volumes, orientation, number).items():
                if found[place].any() and image.any():
                    key = orientation, place
                    images[key], masks[key], tissues[key] = image, found[place], known[place]
        central = self._middle(scan.volumes, TARGET_ORIENTATION, self.reference_slices)
        present = scan.available.bool()
        references = {p: image for p, image in central.items() if image[present].flatten(1).any(1).all()}
        if len(references) < 2:
            raise InputError(
                f"at least two of the {self.reference_slices} central {TARGET_ORIENTATION} slices must show every "
                f"contrast of a visit, {len(references)} of {scan.about['subject']} do"
            )
        return ScanSlices(scan, images, masks, tissues, references)

    def _middle(self, volumes: Tensor, orientation: str, number: int) -> dict[int, Tensor]:
        """By their place, the `number` slices (C, H, W) around the middle of the cube of volumes (C, X, Y, Z)."""
        view = plane_view(volumes, orientation)
        size = view.shape[1]
        ((low, _),) = cube_margins([size], self.field_of_view)
        first = (self.field_of_view - number) // 2
        places = range(max(first, low), min(first + number, low + size))
        framed = frame(view[:, places.start - low : places.stop - low], orientation, self.field_of_view)
        # Copied one by one, so that a slice in the buffer does not keep the others in memory.
        return {place: framed[:, index].clone() for index, place in enumerate(places)}

    def _samples(self, visit: ScanSlices, other: ScanSlices | None) -> Iterator[Sample]:
        scan, blank = visit.scan, torch.zeros(()).expand(len(CONTRASTS), *[self.field_of_view] * 2)
        for (orientation, place), use in product(visit.images, range(self.uses)):
            seed = derive_seed(scan.seed, orientation, place, use)
            references = [p for p in visit.references if (orientation, place) != (TARGET_ORIENTATION, p)]
            reference = references[np.random.default_rng(seed).integers(len(references))]
            yield {
                "image": visit.images[orientation, place],
                "available": scan.available,
                "mask": visit.masks[orientation, place],
                "tissues": visit.tissues[orientation, place],
                "reference": visit.references[reference],
                "truth": other.images.get((orientation, place), blank) if other else blank,
                "truth_available": other.scan.available if other else torch.zeros(len(CONTRASTS)),
                "truth_reference": other.references[reference] if other else blank,
                **scan.about,
                "orientation": orientation,
                "slice": place,
                "seed": seed,
            }


def check_whole(name: str, value: Any, least: int = 1) -> None:
    """Refuse what is not a whole number of at least `least`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InputError(f"`{name}` must be a whole number of at least {least}, got {value}")


def share_of_worker(process: int, processes: int) -> tuple[int, int]:
    """Number of the current worker of a DataLoader among the workers of all processes, and how many those are."""
    worker = get_worker_info()
    number, total = (0, 1) if worker is None else (worker.id, worker.num_workers)
    # People that are left over once all have the same number go to different processes.
    return number * processes + process, total * processes


def shuffled(items: Iterable[Item], size: int, rng: np.random.Generator) -> Iterator[Item]:
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
