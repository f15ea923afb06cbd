"""The part of the working grid that the network sees: a box around what is shown, in voxels of a size of its own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monai.transforms.utils import generate_spatial_bounding_box
from torch import Tensor
from torch.nn import functional as F

from ...base.arguments import check_whole
from ...base.errors import InputError
from ...training.scans import Scan
from ...training.volumes import Box, PatchStream


@dataclass(frozen=True)
class Field:
    """The box that begins at `start`, which may lie outside, of `size` voxels along each axis."""

    start: tuple[int, ...]
    size: tuple[int, ...]

    def cut(self, volume: Tensor) -> Tensor:
        """The part of a volume (..., X, Y, Z) that is in the box, 0 beyond the volume."""
        ends = [
            first + size - whole for first, size, whole in zip(self.start, self.size, volume.shape[-3:], strict=True)
        ]
        return F.pad(volume, _margins([-first for first in self.start], ends))

    def put_back(self, part: Tensor, shape: Sequence[int]) -> Tensor:
        """A volume of that shape, 0 outside the box."""
        ends = [whole - first - size for first, size, whole in zip(self.start, self.size, shape[-3:], strict=True)]
        return F.pad(part, _margins(self.start, ends))


def field_around(shown: Tensor, size: Sequence[int], step: int = 1, grows: bool = False) -> Field:
    """The box of `size` around the middle of what is shown (X, Y, Z).

    If it `grows` it holds all that is shown. Its size is a multiple of `step`.
    """
    low, high = generate_spatial_bounding_box(shown[None].numpy(force=True))
    extents = [int(last - first) for first, last in zip(low, high, strict=True)]
    wanted = [max(side, extent) if grows else side for side, extent in zip(size, extents, strict=True)]
    sides = [side + -side % step for side in wanted]
    starts = [int(first + last - side) // 2 for first, last, side in zip(low, high, sides, strict=True)]
    return Field(tuple(starts), tuple(sides))


def check_field(size: Sequence[int], voxel_mm: int) -> None:
    """Refuse a box that does not hold whole voxels of that size."""
    check_whole("voxel_mm", voxel_mm)
    if len(size) != 3 or any(side < 1 or side % voxel_mm for side in size):
        raise InputError(
            f"`field` must be three numbers that are multiples of `voxel_mm`, {voxel_mm}, got {list(size)}"
        )


@dataclass(eq=False)
class FieldStream(PatchStream):
    """Whole volumes, as the box of `patch_size` around the middle of the mask, or else patches of that size."""

    whole: bool = True

    def boxes(self, scan: Scan) -> Iterator[Box]:
        """One box, of which nothing lies outside the grid, or patches."""
        if not self.whole:
            yield from super().boxes(scan)
            return
        shape = scan.mask.shape
        size = [min(side, whole) for side, whole in zip(self.patch_size, shape, strict=True)]
        start = field_around(scan.mask, size).start
        inside = [max(0, min(first, whole - side)) for first, side, whole in zip(start, size, shape, strict=True)]
        yield tuple(slice(first, first + side) for first, side in zip(inside, size, strict=True))

    @property
    def samples_per_scan(self) -> int:
        """One if volumes are whole, else as many as patches."""
        return 1 if self.whole else self.patches


@dataclass(frozen=True)
class LargerVoxels:
    """A sample whose `image` (1, X, Y, Z) has voxels of `voxel_mm`, means of those that they take the place of."""

    voxel_mm: int = 1

    def __call__(self, sample: Mapping[str, Any]) -> dict[str, Any]:
        """What training needs of a sample."""
        kept = {name: sample[name] for name in ("subject", "scanner", "site")}
        return {**kept, "image": enlarge_voxels(sample["image"][None], self.voxel_mm)[0]}


def enlarge_voxels(image: Tensor, factor: int) -> Tensor:
    """Means of `factor` voxels along each axis of (B, 1, X, Y, Z)."""
    return image if factor == 1 else F.avg_pool3d(image, factor)


def shrink_voxels(image: Tensor, factor: int) -> Tensor:
    """Between the voxels of (B, 1, X, Y, Z) values are linear."""
    return image if factor == 1 else F.interpolate(image, scale_factor=factor, mode="trilinear")


def _margins(before: Sequence[int], after: Sequence[int]) -> list[int]:
    """As torch has them, from the last axis to the first."""
    return [each for pair in reversed(list(zip(before, after, strict=True))) for each in pair]
