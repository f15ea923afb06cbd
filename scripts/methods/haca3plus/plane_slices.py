"""A subject in the box around what it shows, and its slices of one orientation through the network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from ...base.contrasts import CONTRASTS
from ...base.errors import InputError
from ...base.steps import tell
from ...images.orientations import plane_view, turn_rows
from ...inferers.precision import autocast
from ...inferers.side_by_side import side_by_side
from ...preprocessing.closing import close_with_ball
from .detail import local_share
from .network import Drawn, HarmonizationNet

# Half the width, in mm, of what counts as dark and not as cut off; about that of wide ventricles.
_LARGEST_HOLE = 10
_JUST_SHOWN = 1.01


@dataclass(frozen=True)
class PlaneSettings:
    """How slices are drawn; see `PlanesInferer`."""

    precision: torch.dtype
    batch_size: int
    workers: int
    detail: float | Literal["auto"]
    attention: bool


class Wanted(NamedTuple):
    """A target as it would be of the subject: a code (1, D), and (1, 1) how far the curve to it may be corrected."""

    code: Tensor
    corrected: Tensor


class Subject:
    """What there is of one subject: its `sources` (C, x, y, z) in their bounding box, and where they show something."""

    def __init__(self, image: Tensor, network: HarmonizationNet, available: Tensor | None) -> None:
        self.device = network.default_target.device
        image = image.to(self.device)
        self.shape = image.shape[1:]
        present = image.flatten(1).any(1) if available is None else available.to(self.device, torch.bool)
        self.channels: list[int] = present.nonzero().flatten().tolist()
        if not self.channels:
            raise InputError("a subject must have at least one source that is not 0 everywhere")
        self.foreground = network.foreground(image) & present[:, None, None, None]
        self.visible = self.foreground.any(0)
        if not self.visible.any():
            raise InputError(f"sources must show something above {network.foreground_threshold}, all are 0")
        self.box = bounding_box(self.visible)
        self.low = first_slices(self.box)
        self.sources = self._without_holes(image[(slice(None), *self.box)], network.foreground_threshold)
        self.present = present.to(image.dtype)

    def _without_holes(self, sources: Tensor, threshold: float) -> Tensor:
        """The sources (C, x, y, z), what is dark in the midst of one being as bright as foreground has to be.

        Fluid on FLAIR may be 0, and noise makes single voxels 0. The network would take such a place for one that the
        field of view has not reached, and draw there what the other sources suggest.
        """
        filled, visible = sources.clone(), self.visible[self.box]
        for channel in self.channels:
            shown = self.foreground[channel][self.box]
            holes = close_with_ball(shown, _LARGEST_HOLE) & visible & ~shown
            filled[channel][holes] = _JUST_SHOWN * threshold
            shown |= holes
        return filled

    def whole(self, volume: Tensor) -> Tensor:
        """A volume of the box in the whole grid, 0 around it."""
        result = volume.new_zeros(self.shape)
        result[self.box] = volume
        return result


class PlaneSlices:
    """The slices of one orientation, and what comes of them.

    `codes` (1, 4, D) are those of the sources, `targets` is what to draw, and `trust` is how far the network is trusted
    with sources by their contrast, without limit if a contrast is not there. The decoded image takes the place of the
    source's detail only as far as that.
    """

    def __init__(
        self,
        subject: Subject,
        network: HarmonizationNet,
        orientation: str,
        codes: Tensor,
        targets: Sequence[Wanted],
        trust: Mapping[str, float],
        settings: PlaneSettings,
    ) -> None:
        self.subject, self.network, self.settings = subject, network, settings
        self.orientation, self.codes, self.targets = orientation, codes, targets
        self.trust = codes.new_tensor([trust.get(contrast, 1.0) for contrast in CONTRASTS])
        self.begun = 0
        size, count = subject.sources.shape[1:], len(targets)
        self.slices = plane_view(subject.sources, orientation)
        self.images = subject.sources.new_zeros(count, *size)
        wanted = len(subject.channels) if settings.attention else 0
        self.attention = subject.sources.new_zeros(count, wanted, *size)
        self.shares = subject.sources.new_zeros(count, self.slices.shape[1], len(CONTRASTS))

    def run(self) -> None:
        """All slices that show something, in smaller batches where a GPU's memory is short."""
        covered = self.slices.flatten(2).any(2).any(0).nonzero().flatten()
        size, done = self.settings.batch_size, 0
        if self.settings.workers > 1 and covered.device.type == "cpu":
            side_by_side(self._process, covered.split(size), self.settings.workers)
            return
        while done < len(covered):
            try:
                self._process(covered[done : done + size])
                done += size
            except torch.OutOfMemoryError:
                if size == 1:
                    raise
                size //= 2

    def _process(self, batch: Tensor) -> None:
        self.begun += len(batch)
        tell(f"harmonize {self.orientation} slices", min(self.begun / self.slices.shape[1], 1.0))
        slices = self.slices[:, batch].transpose(0, 1)
        image = framed(slices, self.orientation, self.network.step)
        sources, available = self.codes.expand(len(batch), -1, -1), self.subject.present.expand(len(batch), -1)
        with autocast(self.settings.precision, image.device):
            seen = self.network.see(image, sources, available)
            for index, target in enumerate(self.targets):
                same = self._same(target.code)
                trust = (self.network.layout.contrast(target.code) * self.trust).sum(1, keepdim=True)
                given = target.code.expand(len(batch), -1), sources, available
                drawn = self.network.draw(image, seen, *given, None, torch.cat([trust * target.corrected, trust], 1))
                finished, alpha = self._finish(drawn, seen.shown * same, same, float(trust))
                self._put(self.images[index], batch, finished[:, 0])
                area = seen.visible.sum((2, 3)).clamp(min=1)
                self.shares[index, batch] = (alpha * seen.visible).sum((2, 3)).float() / area
                if self.settings.attention:
                    shares = (alpha * seen.visible)[:, self.subject.channels].transpose(0, 1)
                    self._put(self.attention[index], batch, shares)

    def _same(self, target: Tensor) -> Tensor:
        """1 at the place (1, C, 1, 1) of the source that has the target's contrast, if there is one."""
        return (self.network.layout.contrast(target) * self.subject.present)[:, :, None, None]

    def _finish(self, drawn: Drawn, shown: Tensor, same: Tensor, trust: float) -> tuple[Tensor, Tensor]:
        """The image with a share of the source's detail, all without `trust`, and what is of which source."""
        own = shown.sum(1, keepdim=True)
        image, share = drawn.image.float(), self.settings.detail
        difference = image - drawn.decoded.float()
        redrawn = own * trust * (1 - (local_share(difference, own) if share == "auto" else share))
        image = image - redrawn * difference
        kept = (own - redrawn) * (1 - drawn.gate).clamp(0, 1)
        return image, kept * same + (1 - kept) * drawn.alpha

    def _put(self, volume: Tensor, batch: Tensor, slices: Tensor) -> None:
        """Write framed slices (..., B, H, W) into a volume (..., x, y, z)."""
        view = plane_view(volume, self.orientation)
        view[..., batch, :, :] = unframed(slices.float(), self.orientation, view.shape[-2:])


def bounding_box(shown: Tensor) -> tuple[slice, ...]:
    """The smallest box around what a volume (X, Y, Z) shows."""
    columns = shown.any(2)
    sides = (columns.any(1), columns.any(0), shown.flatten(0, 1).any(0))
    places = [side.nonzero() for side in sides]
    return tuple(slice(int(each[0]), int(each[-1]) + 1) for each in places)


def first_slices(box: Sequence[slice]) -> dict[str, int]:
    """The first slice of each orientation that is in a box."""
    return {plane: each.start for plane, each in zip(("sagittal", "coronal", "axial"), box, strict=True)}


def framed(slices: Tensor, orientation: str, step: int) -> Tensor:
    """Slices (..., R, C) of a `plane_view` as the network sees them, (..., H, W), filled up to multiples of `step`."""
    rows, columns = slices.shape[-2:]
    return pad(turn_rows(slices, orientation), [0, -columns % step, 0, -rows % step])


def unframed(slices: Tensor, orientation: str, shape: Sequence[int]) -> Tensor:
    """The part (..., R, C) of framed slices; `shape` is (R, C)."""
    return turn_rows(slices[..., : shape[0], : shape[1]], orientation)
