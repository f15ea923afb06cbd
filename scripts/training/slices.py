"""Slices of scans, for networks of two dimensions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor

from ..base.arguments import check_whole
from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..base.seeds import derive_seed
from ..images.orientations import ORIENTATIONS, TARGET_ORIENTATION, cube_margins, frame, plane_view
from .samples import Sample, SampleStream
from .scans import Scan


@dataclass(frozen=True, eq=False)
class ScanSlices:
    """Images (4, H, W), masks and tissues (1, H, W) of a scan by orientation and place; `references` by place."""

    scan: Scan
    images: dict[tuple[str, int], Tensor]
    masks: dict[tuple[str, int], Tensor]
    tissues: dict[tuple[str, int], Tensor]
    references: dict[int, Tensor]


@dataclass(eq=False)
class SliceStream(SampleStream[ScanSlices]):
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
    """

    slices_per_orientation: int = 50
    """The middle ones."""
    uses: int = 1
    """How many samples each slice is; different things are drawn for them."""
    orientations: Sequence[str] = ORIENTATIONS
    reference_slices: int = 20
    """The middle ones."""
    field_of_view: int = 224

    def __post_init__(self) -> None:
        """Refuse wrong numbers."""
        super().__post_init__()
        for name in ("slices_per_orientation", "uses"):
            check_whole(name, getattr(self, name))
        # One of them may be the slice that is decoded.
        check_whole("reference_slices", self.reference_slices, least=2)
        for name in ("slices_per_orientation", "reference_slices"):
            if getattr(self, name) > self.field_of_view:
                raise InputError(
                    f"`{name}` must be at most the `field_of_view`, {self.field_of_view}, got {getattr(self, name)}"
                )
        for orientation in self.orientations:
            if orientation not in ORIENTATIONS:
                raise InputError(f"`orientations` must be among {', '.join(ORIENTATIONS)}, got {orientation}")
        if self.scans.shape is not None and self.field_of_view < max(self.scans.shape):
            raise InputError(f"`field_of_view` must be at least {max(self.scans.shape)}, got {self.field_of_view}")

    @property
    def samples_per_scan(self) -> int:
        """How many samples a scan gives where no slice is empty."""
        return len(self.orientations) * self.slices_per_orientation * self.uses

    def prepare(self, scan: Scan) -> ScanSlices:
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

    def samples(self, visit: ScanSlices, other: ScanSlices | None) -> Iterator[Sample]:
        """A sample for each use of each slice."""
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
