"""Training data of paired scans: the same slice of a person on all scanners."""

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...base.arguments import check_whole
from ...base.contrasts import CONTRASTS
from ...base.errors import InputError
from ...base.seeds import derive_seed
from ...images.orientations import plane_view
from ...images.sources import read_sources
from ...training.epochs import EpochDataset
from ...training.samples import share_of_worker
from .paired_subjects import PairedSubject


class PairedSlices(EpochDataset):
    """Slices of `subjects` in one `orientation`, without end, in another order at every round.

    A sample holds `image` (M, H, W), M being the scanners in their order, and names. With a `window` it is a square of
    so many pixels around a random one that shows something. Images lie in MNI152 space; what they show has to overlap
    by at least `least_overlap`, as Dice, with that of the first scanner. All are kept in memory, in half precision,
    which takes 13 MB a scan.
    """

    def __init__(
        self,
        subjects: Sequence[PairedSubject],
        contrast: str,
        preprocessing: Callable[[dict[str, Any]], dict[str, Any]],
        window: int | None = None,
        least_overlap: float = 0.9,
        orientation: str = "axial",
        seed: int = 1,
    ) -> None:
        super().__init__()
        if window is not None:
            check_whole("window", window)
        if not 0 <= least_overlap <= 1:
            raise InputError(f"`least_overlap` must be between 0 and 1, got {least_overlap}")
        self.subjects = subjects
        self.contrast = contrast
        self.preprocessing = preprocessing
        self.window = window
        self.least_overlap = least_overlap
        self.orientation = orientation
        self.seed = seed
        self.volumes = [self._read(subject) for subject in subjects]
        self.places = [
            (number, int(place))
            for number, volumes in enumerate(self.volumes)
            for place in volumes.transpose(0, 1).flatten(1).any(1).nonzero()
        ]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield this worker's samples."""
        first, step = share_of_worker(self.process, self.processes)
        for round in count(1):
            seed = derive_seed(self.seed, "pairs", self.epoch, round)
            for index in np.random.default_rng(seed).permutation(len(self.places))[first::step]:
                number, place = self.places[index]
                yield self._sample(number, place, derive_seed(seed, number, place))

    def _sample(self, number: int, place: int, seed: int) -> dict[str, Any]:
        image = self.volumes[number][:, place]
        if self.window is not None:
            image = cut_window(image, self.window, np.random.default_rng(seed))
        subject = self.subjects[number]
        scanners = ", ".join(subject.images)
        names = {"subject": subject.name, "scanner": scanners, "orientation": self.orientation, "slice": place}
        return {"image": image.float(), **names}

    def _read(self, subject: PairedSubject) -> Tensor:
        """The slices (M, S, H, W) of all scanners."""
        volumes = [self._read_scan(subject.images[scanner]) for scanner in subject.images]
        for scanner, volume in zip(subject.images, volumes, strict=True):
            overlap = _dice(volumes[0] != 0, volume != 0)
            if overlap < self.least_overlap:
                raise InputError(
                    f"the scans of {subject.name} must be coregistered, with an overlap (Dice) of at least "
                    f"{self.least_overlap:g}, but that of {next(iter(subject.images))} and {scanner} is {overlap:.3f}"
                )
        return torch.stack(volumes)

    def _read_scan(self, path: Any) -> Tensor:
        sources = read_sources({self.contrast: path})
        data = {"image": torch.from_numpy(sources.stack), "available": torch.from_numpy(sources.available)}
        volume = self.preprocessing(data)["image"][CONTRASTS.index(self.contrast)]
        return plane_view(volume, self.orientation).half()


def cut_window(image: Tensor, size: int, rng: np.random.Generator) -> Tensor:
    """A square (M, size, size) of an image (M, H, W), or as much as there is, that holds a random foreground pixel."""
    pixels = image.any(0).nonzero()
    pixel = pixels[rng.integers(len(pixels))].numpy()
    limits = np.maximum(np.array(image.shape[1:]) - size, 0)
    top, left = np.clip(pixel - rng.integers(size, size=2), 0, limits)
    return image[:, top : top + size, left : left + size]


def _dice(first: Tensor, second: Tensor) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))
