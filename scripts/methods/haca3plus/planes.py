"""A subject's sources through HACA3+ in three planes, fused to one volume by the median.

The network does not depend on what lies around the brain, so that everything outside of the sources' bounding box is
left out. The sources are encoded once, however many targets there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from ...base.contrasts import CONTRASTS
from ...base.errors import InputError
from ...base.steps import tell
from ...images.orientations import ORIENTATIONS, plane_view, turn_rows
from ...inferers.harmonization import HarmonizationInferer, Harmonized
from ...inferers.precision import PRECISIONS
from ...inferers.side_by_side import side_by_side
from ..haca3.features import SliceFeatures
from .network import Drawn, HarmonizationNet


@dataclass(frozen=True, eq=False)
class VolumeCode:
    """The code `mean` (1, D) of a volume, and those `rows` (R, D) of the slices that it is the mean of.

    `orientations`, `indices` and `areas`, in pixels of foreground, are those of the slices; the percentiles of all are
    the volume's.
    """

    mean: Tensor
    rows: Tensor
    orientations: tuple[str, ...]
    indices: tuple[int, ...]
    areas: Tensor


class PlanesInferer(HarmonizationInferer):
    """Harmonizes slices in batches of `batch_size`, in `orientations`, in `precision`.

    On a CPU, `workers` batches are worked on side by side.

    The code of a volume is the mean over `code_slices` slices of each orientation, evenly spread over what shows most.
    Of what comes from the source of the target's contrast, `detail` is the share that is taken, the decoded image being
    the rest. With `attention` and `uncertainty`, the standard deviation between the planes, there are maps of these.
    """

    def __init__(
        self,
        precision: str = "fp32",
        batch_size: int = 4,
        workers: int = 1,
        orientations: Sequence[str] = ORIENTATIONS,
        code_slices: int = 8,
        detail: float = 1.0,
        attention: bool = False,
        uncertainty: bool = False,
    ) -> None:
        if precision not in PRECISIONS:
            raise InputError(f"`precision` must be one of {', '.join(PRECISIONS)}, got {precision}")
        for name, value in (("batch_size", batch_size), ("workers", workers), ("code_slices", code_slices)):
            if value < 1:
                raise InputError(f"`{name}` must be at least 1, got {value}")
        if not orientations or len(set(orientations)) < len(orientations) or not set(orientations) <= set(ORIENTATIONS):
            raise InputError(f"`orientations` must be some of {', '.join(ORIENTATIONS)}, got {list(orientations)}")
        if uncertainty and len(orientations) == 1:
            raise InputError("`uncertainty` needs at least two `orientations`, got one")
        if not isinstance(detail, int | float) or not 0 <= detail <= 1:
            raise InputError(f"`carry_detail` must be true, false or a number from 0 to 1, got {detail!r}")
        self.precision = precision
        # Private, because they change nothing but rounding.
        self._batch_size = batch_size
        self._workers = workers
        self.orientations = tuple(orientations)
        self.code_slices = code_slices
        self.detail = float(detail)
        self.attention = attention
        self.uncertainty = uncertainty
        self.maps = ("imputed", *["attention"] * attention, *["uncertainty"] * uncertainty)

    @torch.inference_mode()
    def harmonize(
        self,
        image: Tensor,
        network: HarmonizationNet,
        targets: Sequence[Tensor | None],
        available: Tensor | None = None,
    ) -> list[Harmonized]:
        """Sources (4, X, Y, Z), normalised, to one result for each target code (1, D)."""
        subject = _Subject(image, network, available)
        codes = [self.encode_volume(network, image[c], CONTRASTS[c]) for c in subject.channels]
        wanted = [network.default_target if t is None else t.to(subject.device) for t in targets]
        passes = [_Plane(self, subject, network, plane, codes, wanted) for plane in self.orientations]
        for plane in passes:
            plane.run()
        tell("fuse")
        return [self._result(subject, passes, codes, index) for index in range(len(wanted))]

    @torch.inference_mode()
    def look(self, image: Tensor, network: HarmonizationNet, available: Tensor | None = None) -> SliceFeatures:
        """The codes of the sources alone."""
        subject = _Subject(image, network, available)
        codes = [self.encode_volume(network, image[c], CONTRASTS[c]) for c in subject.channels]
        return _features(subject, codes, network, None)

    @torch.inference_mode()
    def encode_volume(self, network: HarmonizationNet, volume: Tensor, contrast: str) -> VolumeCode:
        """The code of a normalised volume (X, Y, Z), of the box around what it shows; refuse one that shows nothing."""
        device = network.default_target.device
        shown = volume > network.foreground_threshold
        if not shown.any():
            least = network.foreground_threshold
            raise InputError(f"an image of {contrast} must show something above {least}, it shows nothing")
        box = _box(shown)
        volume, shown, low = volume[box], shown[box], _low(box)
        values = np.percentile(volume[shown].numpy(force=True), 100 * network.quantiles.cpu().numpy())
        percentiles = torch.as_tensor(values, dtype=torch.float32, device=device)[None]
        one_hot = torch.tensor([[float(contrast == each) for each in CONTRASTS]], device=device)
        rows, areas, planes, indices = [], [], [], []
        for plane in self.orientations:
            places = _spread(plane_view(shown, plane).sum((1, 2)), self.code_slices)
            slices = _framed(plane_view(volume, plane)[places], plane, network.step)[:, None].to(device)
            for batch in slices.split(self._batch_size):
                with self.autocast(device):
                    known = (each.expand(len(batch), -1) for each in (percentiles, one_hot))
                    rows.append(network.encode(batch, *known))
                areas.append(network.foreground(batch).sum((1, 2, 3)).float())
            planes += [plane] * len(places)
            indices += (places + low[plane]).tolist()
        found, area = torch.cat(rows).float(), torch.cat(areas)
        mean = (found * (area / area.sum())[:, None]).sum(0, keepdim=True)
        return VolumeCode(mean, found, tuple(planes), tuple(indices), area)

    def autocast(self, device: torch.device) -> torch.autocast:
        """The precision, as a context."""
        dtype = PRECISIONS[self.precision]
        return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)

    def _result(
        self, subject: "_Subject", passes: Sequence["_Plane"], codes: Sequence[VolumeCode], index: int
    ) -> Harmonized:
        planes = torch.stack([plane.images[index] for plane in passes])
        image = subject.whole(planes.quantile(0.5, dim=0) if len(passes) % 2 == 0 else planes.median(0).values)
        attention = None
        if self.attention:
            shares = torch.stack([plane.attention[index] for plane in passes]).mean(0)
            attention = image.new_zeros(len(CONTRASTS), *image.shape)
            attention[subject.channels] = torch.stack([subject.whole(share) for share in shares])
        uncertainty = subject.whole(planes.std(0, correction=0))[None] if self.uncertainty else None
        features = _features(subject, codes, passes[0].network, [plane.shares[index] for plane in passes])
        return Harmonized(image[None], subject.foreground, subject.visible[None], attention, uncertainty, features)


class _Subject:
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
        self.box = _box(self.visible)
        self.low = _low(self.box)
        self.sources = image[(slice(None), *self.box)]
        self.present = present.to(image.dtype)

    def whole(self, volume: Tensor) -> Tensor:
        """A volume of the box in the whole grid, 0 around it."""
        result = volume.new_zeros(self.shape)
        result[self.box] = volume
        return result


class _Plane:
    """The slices of one orientation, and what comes of them."""

    def __init__(
        self,
        inferer: PlanesInferer,
        subject: _Subject,
        network: HarmonizationNet,
        orientation: str,
        codes: Sequence[VolumeCode],
        targets: Sequence[Tensor],
    ) -> None:
        self.inferer, self.subject, self.network = inferer, subject, network
        self.orientation, self.targets = orientation, targets
        self.codes = network.default_target.new_zeros(1, len(CONTRASTS), network.layout.length)
        for channel, code in zip(subject.channels, codes, strict=True):
            self.codes[0, channel] = code.mean[0]
        self.begun = 0
        size, count = subject.sources.shape[1:], len(targets)
        self.slices = plane_view(subject.sources, orientation)
        self.images = subject.sources.new_zeros(count, *size)
        wanted = len(subject.channels) if inferer.attention else 0
        self.attention = subject.sources.new_zeros(count, wanted, *size)
        self.shares = subject.sources.new_zeros(count, self.slices.shape[1], len(CONTRASTS))

    def run(self) -> None:
        """All slices that show something, in smaller batches where a GPU's memory is short."""
        covered = self.slices.flatten(2).any(2).any(0).nonzero().flatten()
        size, done = self.inferer._batch_size, 0
        if self.inferer._workers > 1 and covered.device.type == "cpu":
            side_by_side(self._process, covered.split(size), self.inferer._workers)
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
        framed = _framed(slices, self.orientation, self.network.step)
        sources, available = self.codes.expand(len(batch), -1, -1), self.subject.present.expand(len(batch), -1)
        with self.inferer.autocast(framed.device):
            seen = self.network.see(framed, sources, available)
            for index, target in enumerate(self.targets):
                drawn = self.network.draw(framed, seen, target.expand(len(batch), -1), sources, available, None)
                same = self._same(target)
                image, alpha = self._finish(drawn, seen.shown * same, same)
                self._put(self.images[index], batch, image[:, 0])
                area = seen.visible.sum((2, 3)).clamp(min=1)
                self.shares[index, batch] = (alpha * seen.visible).sum((2, 3)).float() / area
                if self.inferer.attention:
                    shares = (alpha * seen.visible)[:, self.subject.channels].transpose(0, 1)
                    self._put(self.attention[index], batch, shares)

    def _same(self, target: Tensor) -> Tensor:
        """1 at the place (1, C, 1, 1) of the source that has the target's contrast, if there is one."""
        return (self.network.layout.contrast(target) * self.subject.present)[:, :, None, None]

    def _finish(self, drawn: Drawn, shown: Tensor, same: Tensor) -> tuple[Tensor, Tensor]:
        """The image with the share of detail that is wanted, and how much of it is of which source."""
        detail, own = self.inferer.detail, shown.sum(1, keepdim=True)
        image = drawn.image.float()
        if detail < 1:
            image = own * (detail * image + (1 - detail) * drawn.decoded.float()) + (1 - own) * image
        kept = own * detail * (1 - drawn.gate).clamp(0, 1)
        return image, kept * same + (1 - kept) * drawn.alpha

    def _put(self, volume: Tensor, batch: Tensor, slices: Tensor) -> None:
        """Write framed slices (..., B, H, W) into a volume (..., x, y, z)."""
        view = plane_view(volume, self.orientation)
        view[..., batch, :, :] = _unframed(slices.float(), self.orientation, view.shape[-2:])


def _box(shown: Tensor) -> tuple[slice, ...]:
    """The smallest box around what a volume (X, Y, Z) shows."""
    columns = shown.any(2)
    sides = (columns.any(1), columns.any(0), shown.flatten(0, 1).any(0))
    places = [side.nonzero() for side in sides]
    return tuple(slice(int(each[0]), int(each[-1]) + 1) for each in places)


def _low(box: Sequence[slice]) -> dict[str, int]:
    """The first slice of each orientation that is in a box."""
    return {plane: each.start for plane, each in zip(("sagittal", "coronal", "axial"), box, strict=True)}


def _framed(slices: Tensor, orientation: str, step: int) -> Tensor:
    """Slices (..., R, C) of a `plane_view` as the network sees them, (..., H, W), filled up to multiples of `step`."""
    rows, columns = slices.shape[-2:]
    return pad(turn_rows(slices, orientation), [0, -columns % step, 0, -rows % step])


def _unframed(slices: Tensor, orientation: str, shape: Sequence[int]) -> Tensor:
    """The part (..., R, C) of framed slices; `shape` is (R, C)."""
    return turn_rows(slices[..., : shape[0], : shape[1]], orientation)


def _spread(areas: Tensor, number: int) -> Tensor:
    """At most `number` indices of slices, evenly spread over those that show at least half of what the fullest does."""
    full = (areas * 2 >= areas.max()).nonzero().flatten().cpu()
    return full[torch.linspace(0, len(full) - 1, min(number, len(full))).round().long()]


def _features(
    subject: _Subject, codes: Sequence[VolumeCode], network: HarmonizationNet, shares: Sequence[Tensor] | None
) -> SliceFeatures:
    """A row for each slice of each source that its code was made of.

    `shares` (S, C) are those of each orientation, of one target; visible are the pixels of the whole subject.
    """
    orientation: list[str] = []
    columns: list[tuple[Tensor, ...]] = []
    planes = list(dict.fromkeys(codes[0].orientations))
    inside = subject.visible[subject.box]
    pixels = [plane_view(inside, plane).sum((1, 2)).cpu() for plane in planes]
    for channel, code in zip(subject.channels, codes, strict=True):
        index = torch.tensor(code.indices)
        visible, share = torch.zeros_like(index), torch.full((len(index),), torch.nan)
        for number, plane in enumerate(planes):
            rows = torch.tensor([each == plane for each in code.orientations])
            places = index[rows] - subject.low[plane]
            visible[rows] = pixels[number][places]
            if shares is not None:
                share[rows] = shares[number].cpu()[places, channel]
        numbers = code.rows[:, : network.layout.eta_end].cpu()
        channels = torch.full((len(index),), channel)
        columns.append((index, channels, code.areas.cpu().long(), visible, share, numbers))
        orientation += code.orientations
    indices, channels, areas, visible, share, numbers = (torch.cat(column) for column in zip(*columns, strict=True))
    theta = network.layout.theta_end
    return SliceFeatures(tuple(orientation), indices, channels, areas, visible, share, code=numbers, theta=theta)
