"""Volumes of scans, whole or in patches, for networks of three dimensions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..base.arguments import check_whole, refuse_unknown
from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..base.seeds import derive_seed
from .samples import Sample, SampleStream
from .scans import Scan

Box = tuple[slice, ...]


@dataclass(eq=False)
class VolumeStream(SampleStream[Scan]):
    """The whole volumes of scans.

    A sample holds

    - `image` (C, X, Y, Z), those of `contrasts` in their order, absent ones all-zero; `available` (C,), 1 for those
      that the visit has; `mask` and `tissues` (1, X, Y, Z);
    - `truth` and `truth_available`, the same of another visit of the same person, all-zero where that is not known;
    - `subject`, `scanner` and `site`; and `seed`, from which follows whatever is drawn for it.

    A scan that has none of the contrasts gives no sample.
    """

    contrasts: Sequence[str] = CONTRASTS
    buffer_size: int = 4
    """Whole volumes are large: each contrast of one on the working grid takes 33 MB."""

    def __post_init__(self) -> None:
        """Refuse wrong settings."""
        super().__post_init__()
        refuse_unknown(self.contrasts, CONTRASTS, "contrast of `contrasts`")
        if not self.contrasts or len(set(self.contrasts)) < len(self.contrasts):
            raise InputError(f"`contrasts` must be at least one, each once, got {list(self.contrasts)}")
        self.channels = [CONTRASTS.index(contrast) for contrast in self.contrasts]

    @property
    def samples_per_scan(self) -> int:
        """One."""
        return 1

    def prepare(self, scan: Scan) -> Scan:
        """The scan itself."""
        return scan

    def samples(self, visit: Scan, other: Scan | None) -> Iterator[Sample]:
        """A sample for each of the `boxes`."""
        if visit.available[self.channels].any():
            for index, box in enumerate(self.boxes(visit)):
                yield self._sample(visit, other, box, derive_seed(visit.seed, "volume", index))

    def boxes(self, scan: Scan) -> Iterator[Box]:
        """The parts of the volume that are samples: all of it."""
        yield (slice(None),) * scan.mask.ndim

    def _sample(self, visit: Scan, other: Scan | None, box: Box, seed: int) -> Sample:
        # Copied, so that a patch in the buffer does not keep the volume in memory.
        image = visit.volumes[self.channels][:, *box].clone()
        return {
            "image": image,
            "available": visit.available[self.channels],
            "mask": visit.mask[None, *box].clone(),
            "tissues": visit.tissues[None, *box].clone(),
            "truth": other.volumes[self.channels][:, *box].clone() if other else torch.zeros(()).expand_as(image),
            "truth_available": other.available[self.channels] if other else torch.zeros(len(self.channels)),
            **visit.about,
            "seed": seed,
        }


@dataclass(eq=False)
class PatchStream(VolumeStream):
    """Patches of scans around random places of the mask, moved inwards where they would not fit.

    A sample is that of a whole volume, of `patch_size` voxels along each axis or as many as there are, and `corner`
    (3,), the first voxel.
    """

    patch_size: Sequence[int] = (64, 64, 64)
    patches: int = 8
    """How many are drawn of each scan; those of a person's scans lie at places of their own."""
    buffer_size: int = 64

    def __post_init__(self) -> None:
        """Refuse wrong numbers."""
        super().__post_init__()
        check_whole("patches", self.patches)
        if len(self.patch_size) != 3:
            raise InputError(f"`patch_size` must be three numbers, got {list(self.patch_size)}")
        for size in self.patch_size:
            check_whole("patch_size", size)

    @property
    def samples_per_scan(self) -> int:
        """As many as patches."""
        return self.patches

    def prepare(self, scan: Scan) -> Scan:
        """Refuse a scan of an empty mask."""
        if not scan.mask.any():
            raise InputError(f"the mask of a visit must hold a voxel, that of {scan.about['subject']} holds none")
        return scan

    def boxes(self, scan: Scan) -> Iterator[Box]:
        """Draw the patches."""
        shape = np.array(scan.mask.shape)
        sizes = np.minimum(self.patch_size, shape)
        places = scan.mask.nonzero().numpy()
        rng = np.random.default_rng(derive_seed(scan.seed, "patches"))
        for place in places[rng.integers(len(places), size=self.patches)]:
            start = np.clip(place - sizes // 2, 0, shape - sizes)
            yield tuple(slice(int(first), int(first + size)) for first, size in zip(start, sizes, strict=True))

    def _sample(self, visit: Scan, other: Scan | None, box: Box, seed: int) -> Sample:
        corner = torch.tensor([part.start for part in box])
        return {**super()._sample(visit, other, box, seed), "corner": corner}
