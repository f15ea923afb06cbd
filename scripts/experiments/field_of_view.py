"""What is imputed where the field of view of a source ends (HACA3+, section 4.1 and Fig. 2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import torch
from torch import Tensor

from ..base.arguments import check_whole
from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..evaluation.work import ImageMetric
from ..methods.base import Method
from .cropping import beyond_field_of_view, middle_layers
from .experiment import Experiment
from .field_of_view_table import (
    BRAIN,
    CROPPED,
    CROPPED_PART,
    FULL,
    HARMONIZED,
    NONZERO,
    SIZE,
    TRUTH,
    UNHARMONIZED,
    UNSEEN,
    FieldOfViewRow,
    field_of_view_markdown,
)
from .harmonized_volume import harmonized_volume
from .similarity import measure_inside

SOURCES = ("t1w", "t2w", "flair")
TARGET = CONTRASTS.index("t1w")
# Of two people with the same source cropped at a side, one loses the left.
CROPS = tuple(product(SOURCES, (("anterior", "anterior"), ("left", "right"))))


@dataclass(frozen=True)
class Crop:
    """The `source` that is cropped and the `side` that it loses."""

    source: str
    side: str


@dataclass(frozen=True, eq=False, kw_only=True)
class FieldOfView(Experiment[FieldOfViewRow]):
    """Harmonizes T1w, T2w and FLAIR of a person's first visit to T1w of the second, whose scan is the truth.

    Only the middle `layers` of the brain, axial ones, are looked at. One source per person loses `crop_share` of it at
    the front or at one side. All of them lose `common_crop` at the back, where nothing is to be made up. Intensities
    end at `upper`, as at inference, and what exceeds `foreground` shows something.
    """

    method: Method
    metrics: Mapping[str, ImageMetric]
    layers: int = 24
    crop_share: float = 0.3
    common_crop: float = 0.05
    upper: float = 5.0
    foreground: float = 1e-2

    name: ClassVar[str] = "field of view"
    row: ClassVar[type] = FieldOfViewRow
    contrasts: ClassVar[Sequence[str]] = SOURCES

    def __post_init__(self) -> None:
        """Refuse what cannot be measured."""
        super().__post_init__()
        check_whole("layers", self.layers)
        for name in ("crop_share", "common_crop"):
            if not 0 < getattr(self, name) < 1:
                raise InputError(f"`{name}` must be between 0 and 1, got {getattr(self, name)}")

    def table(self, rows: Sequence[FieldOfViewRow]) -> str:
        """See `field_of_view_table.py`."""
        return field_of_view_markdown(rows)

    @torch.inference_mode()
    def measure(self, number: int) -> list[FieldOfViewRow]:
        """Harmonize a person twice, and compare."""
        (visit, other), crop = self.visits(number), crop_of_person(number)
        shown, target = visit.only(SOURCES), other.volumes.clamp(max=self.upper)
        layers = middle_layers(visit.mask, self.layers)
        brain, truth = visit.mask[..., layers], target[TARGET][..., layers]
        sources = shown.volumes[..., layers].clamp(max=self.upper)
        lost = beyond_field_of_view(brain, crop.side, self.crop_share)
        cropped = sources * ~beyond_field_of_view(brain, "posterior", self.common_crop)
        cropped[CONTRASTS.index(crop.source)] *= ~lost
        images = {
            UNHARMONIZED: sources[TARGET],
            FULL: harmonized_volume(self.method, sources, target, CONTRASTS[TARGET]),
            CROPPED: harmonized_volume(self.method, cropped, target, CONTRASTS[TARGET]),
        }
        seen = (cropped > self.foreground).any(0)
        regions = {CROPPED_PART: brain & seen & lost, BRAIN: brain & seen}
        found = [*self._similarities(images, truth, regions), *_outside(images[CROPPED], brain, seen)]
        about = (visit.about["subject"], visit.about["scanner"], other.about["scanner"], crop.source, crop.side)
        return [FieldOfViewRow(*about, *cells) for cells in found]

    def _similarities(
        self, images: Mapping[str, Tensor], truth: Tensor, regions: Mapping[str, Tensor]
    ) -> list[tuple[str, str, str, str, float]]:
        """Method, region, reference, measure and value."""
        compared = [*((method, TRUTH, truth) for method in images), (CROPPED, HARMONIZED, images[FULL])]
        return [
            (method, name, reference, measure, value)
            for (name, region), (method, reference, wanted) in product(regions.items(), compared)
            for measure, value in measure_inside(self.metrics, images[method], wanted, region).items()
        ]


def crop_of_person(number: int) -> Crop:
    """The combinations of source and side, one after the other."""
    turn, place = divmod(number, len(CROPS))
    source, sides = CROPS[place]
    return Crop(source, sides[turn % 2])


def _outside(image: Tensor, brain: Tensor, seen: Tensor) -> list[tuple[str, str, str, str, float]]:
    """How much brain no source shows, and how many voxels that no source shows are not exactly 0."""
    return [
        ("", UNSEEN, "", SIZE, float((brain & ~seen).sum())),
        (CROPPED, UNSEEN, "", NONZERO, float((image[~seen] != 0).sum())),
    ]
