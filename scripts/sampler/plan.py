"""What is drawn for a batch of slices, before anything is rendered: people, places, scanners, artifacts.

A batch has B samples. Each sample has three views, slices of the grid: `here` is shown by source and truth, `other` is
another slice of the same person, `there` the slice of the target image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from .artifacts import ArtifactLaw, ArtifactTable
from .map_file import SIDE
from .map_library import MapLibrary
from .scanner_law import ScannerLaw
from .scanner_table import ScannerTable
from .texture import Texture

# Of a slice across an axis of the grid, the axes of its rows and columns, and whether rows run against the grid: as
# slices of whole volumes are shown to networks.
LAYOUT: dict[int, tuple[int, int, bool]] = {0: (2, 1, True), 1: (2, 0, True), 2: (1, 0, False)}
PLANES = ("sagittal", "coronal", "axial")


@dataclass(frozen=True)
class SlicePlan:
    """Everything that decides a batch; arrays are (B, ...)."""

    step: int
    people: np.ndarray
    """(B, 3), by view."""
    axes: np.ndarray
    """(B, 3), the grid axis across each view, a place in `PLANES`."""
    positions: np.ndarray
    """(B, 3)."""
    corners: np.ndarray
    """(B, 3, 2), first row and column of each window, in grid voxels."""
    mirrored: np.ndarray
    """(B, 3), whether left and right are exchanged."""
    scanners: ScannerTable
    """2 B of them: those of the sources, then those of the targets."""
    available: np.ndarray
    """(B, 4), boolean."""
    artifacts: ArtifactTable
    """Of the 4 B source images."""
    crop: np.ndarray
    """(B, 4, 3) of the source images: share of the window that is missing, axis, and whether at the end."""
    shift: np.ndarray
    """(B, 4, 2) of source and truth, in voxels along rows and columns."""
    noise_seed: int

    def texture(self, law: Texture, sample: int, view: int) -> tuple[np.ndarray, np.random.Generator]:
        """How strong the texture is in what a sample shows, and what draws that of a view."""
        return law.strengths(np.random.default_rng([self.noise_seed, sample])), np.random.default_rng(
            [self.noise_seed, sample, view + 1]
        )

    @property
    def same_scanner(self) -> np.ndarray:
        """(B,), whether the target's scanner is the source's."""
        half = len(self.people)
        return (self.scanners.repetition_time[:half] == self.scanners.repetition_time[half:]).all(axis=1) & (
            self.scanners.receive[:half] == self.scanners.receive[half:]
        ).all(axis=(1, 2, 3, 4))


@dataclass(frozen=True)
class SliceLaw:
    """How batches are drawn; shares are probabilities."""

    window: Sequence[int] = (128, 128)
    """Rows and columns of every slice."""
    planes: Sequence[float] = (1.0, 1.0, 1.0)
    """Weights of sagittal, coronal and axial slices."""
    least_filled: float = 0.15
    """Slices show at least this share of what the fullest slice of the person shows of the brain."""
    anywhere: float = 0.1
    """How often a view may be of any part of the person instead, such as the neck."""
    other_person: float = 0.7
    """How often the target image is of another person than the source."""
    alike: float = 0.0
    """Of whole heads and of brains alone: how often another person of the other kind is exchanged for one of the same
    kind."""
    same_scanner: float = 0.05
    """How often the target's scanner is the source's."""
    contrast_dropout: float = 0.25
    """How often a contrast of the source is missing; one is always left."""
    cropped: float = 0.1
    """How often the field of view of a source image ends early."""
    crop_share: float = 0.5
    """The most that is then missing of a window."""
    mirror: float = 0.5
    """How often left and right are exchanged."""
    shared_slices: bool = True
    """Whether the target image of another person is of the slice that another sample of the batch has as its source,
    so that it need not be read again."""
    misaligned: bool = True
    """Whether the contrasts of a source lie apart by the scanner's `misalignment_mm`."""

    def __post_init__(self) -> None:
        """Refuse wrong windows and shares."""
        if len(self.window) != 2 or min(self.window) < 8 or max(self.window) > 256:
            raise InputError(f"`window` must be two numbers from 8 to 256, got {list(self.window)}")
        shares = (
            "anywhere",
            "other_person",
            "alike",
            "same_scanner",
            "contrast_dropout",
            "cropped",
            "crop_share",
            "mirror",
        )
        for name in shares:
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"`{name}` must be between 0 and 1, got {getattr(self, name)}")

    def draw(
        self,
        library: MapLibrary,
        people: Sequence[int],
        pool: ScannerTable,
        scanners: ScannerLaw,
        artifacts: ArtifactLaw,
        step: int,
        batch: int,
        rng: np.random.Generator,
    ) -> SlicePlan:
        """Draw a batch of people of the library; all samples have different people where there are enough of them."""
        # Streams of their own, so that what is drawn for one part does not depend on the settings of another.
        scanner_rng, artifact_rng = rng.spawn(2)
        persons = self._draw_people(np.asarray(people), batch, rng)
        if self.alike:
            self._exchange_unlike(persons, library, np.asarray(people), rng)
        axes = rng.choice(3, (batch, 3), p=np.array(self.planes) / sum(self.planes))
        places = [
            [self._place(library, person, axis, rng) for person, axis in zip(*rows, strict=True)]
            for rows in zip(persons.tolist(), axes.tolist(), strict=True)
        ]
        positions = np.array([[place[0] for place in row] for row in places])
        corners = np.array([[place[1] for place in row] for row in places])
        mirrored = (rng.random((batch, 3)) < self.mirror) & (axes > 0)
        if self.shared_slices:
            _share(persons, (axes, positions, corners, mirrored))
        table = self._draw_scanners(pool, scanners, batch, scanner_rng)
        available = self._draw_available(batch, rng)
        apart = table.misalignment_mm[:batch, :, None] * self.misaligned
        return SlicePlan(
            step=step,
            people=persons,
            axes=axes,
            positions=positions,
            corners=corners,
            mirrored=mirrored,
            scanners=table,
            available=available,
            artifacts=artifacts.draw(batch, len(CONTRASTS), artifact_rng),
            crop=self._draw_crop(available.shape, rng),
            shift=apart * rng.normal(size=(*available.shape, 2)),
            noise_seed=int(rng.integers(2**31)),
        )

    def _draw_available(self, batch: int, rng: np.random.Generator) -> np.ndarray:
        available = rng.random((batch, len(CONTRASTS))) >= self.contrast_dropout
        available[np.arange(batch), rng.integers(len(CONTRASTS), size=batch)] = True
        return available

    def _draw_crop(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        share = rng.uniform(0, self.crop_share, shape) * (rng.random(shape) < self.cropped)
        return np.stack([share, rng.integers(2, size=shape), rng.integers(2, size=shape)], axis=-1)

    def _draw_people(self, people: np.ndarray, batch: int, rng: np.random.Generator) -> np.ndarray:
        """Of each view: all different people for `here`, and for `there` too, as long as there are enough of them."""
        order = rng.permutation(people)
        own = order[np.arange(batch) % len(order)]
        # Somebody else is so many further in the same order, and in the batch if it holds two people.
        known = order[: max(min(batch, len(order)), 2)]
        another = known[(np.arange(batch) + int(rng.integers(1, len(known)))) % len(known)]
        stays = rng.random(batch) >= self.other_person
        return np.stack([own, own, np.where(stays, own, another)], axis=1)

    def _exchange_unlike(
        self, persons: np.ndarray, library: MapLibrary, people: np.ndarray, rng: np.random.Generator
    ) -> None:
        """Of `persons` (B, 3), those of the target images whose kind is not that of the source, as `alike` says."""
        whole = {int(number): bool(library.about(number)["parameters"]["head"]) for number in people}
        for row in persons:
            own, another = int(row[0]), int(row[2])
            if whole[own] != whole[another] and rng.random() < self.alike:
                same = [number for number in people if whole[int(number)] == whole[own] and number != own]
                if same:
                    row[2] = rng.choice(same)

    def _draw_scanners(self, pool: ScannerTable, law: ScannerLaw, batch: int, rng: np.random.Generator) -> ScannerTable:
        table = law.draw(pool, 2 * batch, rng)
        rows = np.arange(2 * batch)
        same = np.flatnonzero(rng.random(batch) < self.same_scanner)
        rows[batch + same] = same
        return table.take(rows)

    def _place(
        self, library: MapLibrary, person: int, axis: int, rng: np.random.Generator
    ) -> tuple[int, tuple[int, int]]:
        """A position and the first row and column of a window of one view."""
        header, brain = library.files[int(person)].header, library.brain(int(person))
        low, high, counts = brain.low, brain.high, brain.counts[axis]
        if rng.random() < self.anywhere:
            low, counts = header.corner, np.asarray(header.filled[axis])
            high = tuple(corner + SIDE * cubes - 1 for corner, cubes in zip(low, header.cubes_along, strict=True))
        position = int(rng.choice(np.flatnonzero(counts >= self.least_filled * counts.max())))
        corner = []
        for size, own in zip(self.window, LAYOUT[int(axis)][:2], strict=True):
            # The window shows all that there is to show along an axis, or lies inside of it.
            ends = low[own], high[own] + 1 - size
            corner.append(int(rng.integers(min(ends), max(ends) + 1)))
        return position, (corner[0], corner[1])


def _share(people: np.ndarray, places: Sequence[np.ndarray]) -> None:
    """Let target images of other people show what those people's sources in the batch show; in place."""
    found = people[:, 2, None] == people[None, :, 0]
    rows = np.flatnonzero(found.any(axis=1) & (people[:, 0] != people[:, 2]))
    for values in places:
        values[rows, 2] = values[found[rows].argmax(axis=1), 0]
