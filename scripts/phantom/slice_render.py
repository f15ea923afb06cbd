"""Renders planned batches of slices (see `slice_plan.py`): contrasts, resolution, fields, noise and artifacts in 2D.

A list of images is made first; each has a role, a sample, a contrast, a scanner and a view. All of them are then worked on
together. Roles: `source` is the person on the source's scanner, `truth` the same slice by the target's protocol without
noise, field or artifact, `target` the target image and `other` another slice of the source's scan.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..contrasts import CONTRASTS
from . import slice_effects as effects
from .map_file import read_plane
from .map_library import MapLibrary
from .model import pattern_model
from .person_maps import TISSUES
from .slice_artifacts import POSES
from .slice_plan import LAYOUT, SlicePlan
from .slice_signal import Views, image_signals

SOURCE, TRUTH, TARGET, OTHER = range(4)
_VIEW_OF_ROLE = (0, 0, 2, 1)
_BINS = 129
_CELLS = 16

Batch = dict[str, Any]


@dataclass(frozen=True)
class _Images:
    """N images, (N,) each: role, sample, contrast, scanner (a row of the plan's table) and view (3 * sample + view)."""

    role: np.ndarray
    sample: np.ndarray
    contrast: np.ndarray
    scanner: np.ndarray
    view: np.ndarray

    @classmethod
    def of(cls, plan: SlicePlan) -> "_Images":
        batch = len(plan.people)
        shown = np.ones((4, *plan.available.shape), dtype=bool)
        shown[SOURCE] = shown[OTHER] = plan.available
        role, sample, contrast = np.nonzero(shown)
        scanner = sample + batch * ((role == TRUTH) | (role == TARGET))
        return cls(role, sample, contrast, scanner, 3 * sample + np.array(_VIEW_OF_ROLE)[role])


@dataclass(frozen=True)
class Levels:
    """By scan (A of the source's person, B of the target's, B clean of the source's) and sample, (3, B, 4, ...)."""

    peak: Tensor
    """The percentile that images are divided by, over the whole grid."""
    reference: Tensor
    """Mean signal of white matter."""
    percentiles: Tensor
    """(3, B, 4, P), of the foreground, after division and curve."""


class SliceRenderer:
    """Renders the plans of one library."""

    def __init__(
        self,
        library: MapLibrary,
        window: Sequence[int],
        percentiles: Sequence[float],
        peak_percentile: float = 95.0,
        voxels: int = 4096,
        upper: float = 5.0,
        noise_bank: int = 2**22,
    ) -> None:
        """`voxels` of those stored are used for percentiles; intensities end at `upper`."""
        self.library, self.window = library, (int(window[0]), int(window[1]))
        self.percentiles, self.peak_percentile = np.asarray(percentiles, dtype=float), peak_percentile
        self.voxels, self.upper, self.noise_bank = voxels, upper, noise_bank

    def __call__(self, plan: SlicePlan) -> Batch:
        """Render a batch."""
        images = _Images.of(plan)
        views, entries = self._views(plan, images)
        noise = _Noise(self._bank, plan.noise_seed)
        filters = _filters(plan, images)
        gains = _gains(plan, filters.noise)
        levels = self._levels(plan, gains, noise)
        signal = self._signals(plan, images, views, entries)
        shown = self._acquired(plan, images, filters, levels, signal, noise)
        batch = len(plan.people)
        foreground = views.foreground[: 3 * batch]
        out = torch.zeros(4, batch, len(CONTRASTS), *self.window)
        shown = shown * foreground[torch.from_numpy(images.view)]
        at = [torch.from_numpy(values) for values in (images.role, images.sample, images.contrast)]
        out[at[0], at[1], at[2]] = shown
        _crop(out[SOURCE], plan.crop)
        tissue = views.fractions[: 3 * batch : 3]
        return {
            "source": out[SOURCE],
            "truth": out[TRUTH],
            "target_image": out[TARGET],
            "source_other": out[OTHER],
            "available": torch.from_numpy(plan.available),
            "severity": torch.from_numpy(plan.artifacts.severity.reshape(batch, -1)).float() * torch.from_numpy(plan.available),
            "tissue": tissue,
            "foreground": foreground[::3].float(),
            "source_percentiles": levels.percentiles[0] * torch.from_numpy(plan.available)[..., None],
            "target_percentiles": levels.percentiles[1],
            "person": torch.from_numpy(plan.people[:, 0]),
            "target_person": torch.from_numpy(plan.people[:, 2]),
            "same_person": torch.from_numpy(plan.people[:, 0] == plan.people[:, 2]),
            "same_scanner": torch.from_numpy(plan.same_scanner),
            "scanner_kind": torch.from_numpy(plan.scanners.kind.reshape(2, batch).T.copy()),
            "scanner": torch.arange(2 * batch).reshape(2, batch).T + 2 * batch * plan.step,
            "plane": torch.from_numpy(plan.axes[:, 0]),
            "position": torch.from_numpy(plan.positions[:, 0]),
        }

    @cached_property
    def _bank(self) -> Tensor:
        """Normal numbers, of which noise is cut at random places: drawing them anew would take longer than the rest."""
        return torch.randn(self.noise_bank, generator=torch.Generator().manual_seed(0))

    @cached_property
    def _voxels(self) -> dict[int, tuple[Tensor, Tensor, Tensor]]:
        """By person: relaxation (3, V), fractions (6, V) and cells of the coarse lattice (V,) of the stored voxels."""
        found = {}
        for person, file in self.library.files.items():
            kept = file.voxels[: self.voxels]
            cell = (kept["place"].astype(np.int64) * _CELLS) // np.array(file.header.grid)
            flat = (cell[:, 0] * _CELLS + cell[:, 1]) * _CELLS + cell[:, 2]
            found[person] = (
                torch.from_numpy(kept["relaxation"].T.astype(np.float32)),
                torch.from_numpy(kept["fractions"].T.copy()),
                torch.from_numpy(flat),
            )
        return found

    def _views(self, plan: SlicePlan, images: _Images) -> tuple[Views, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Maps of all views, and the entries (image, view, weight) whose signals make an image.

        An image across thick slices is the mean over three slices; then the neighbours are views of their own.
        """
        batch = len(plan.people)
        wanted = [(int(p), int(a), int(s), tuple(c), bool(m)) for p, a, s, c, m in _rows(plan)]
        axis = plan.axes.reshape(-1)[images.view]
        table, at = plan.scanners, (images.scanner, images.contrast)
        across = table.thick[at] & (table.slice_axis[at] == axis) & (table.slice_mm[at] > 1.5)
        numbers = {(view, 0): view for view in range(3 * batch)}
        image, view, weight = [], [], []
        for number, own in enumerate(images.view.tolist()):
            reach = max(round(float(table.slice_mm[at][number]) / 3), 1) if across[number] else 0
            for offset in (-reach, 0, reach) if reach else (0,):
                if (own, offset) not in numbers:
                    numbers[own, offset] = len(wanted)
                    person, along, position, corner, mirrored = wanted[own]
                    wanted.append((person, along, position + offset, corner, mirrored))
                image.append(number)
                view.append(numbers[own, offset])
                weight.append(1 / 3 if reach else 1.0)
        relaxation = torch.empty(len(wanted), 3, *self.window, dtype=torch.float16)
        fractions = torch.empty(len(wanted), len(TISSUES), *self.window, dtype=torch.uint8)
        for number, one in enumerate(wanted):
            self._read(one, relaxation[number].numpy(), fractions[number].numpy())
        return Views.from_maps(relaxation, fractions), (np.array(image), np.array(view), np.array(weight))

    def _read(self, view: tuple[int, int, int, tuple[int, ...], bool], *outs: np.ndarray) -> None:
        """Copy one window; rows and columns as `LAYOUT` says."""
        person, axis, position, corner, mirrored = view
        reverse = LAYOUT[axis][2]
        maps = read_plane(
            self.library.files[person], axis, position, (corner[1], corner[0]), (self.window[1], self.window[0])
        )
        for out, values in zip(outs, maps, strict=True):
            turned = values.transpose(0, 2, 1)
            out[:] = turned[:, :: -1 if reverse else 1, :: -1 if mirrored else 1]

    def _signals(
        self, plan: SlicePlan, images: _Images, views: Views, entries: tuple[np.ndarray, np.ndarray, np.ndarray]
    ) -> Tensor:
        """Noise-free signals (N, H, W)."""
        image, view, weight = entries
        scanner, contrast = images.scanner[image], images.contrast[image]
        transmit = self._transmit(plan, images)[torch.from_numpy(image)]
        signal = image_signals(views, view, plan.scanners, scanner, contrast, transmit)
        if len(image) == len(images.role):
            return signal
        total = torch.zeros(len(images.role), *self.window)
        return total.index_add_(0, torch.from_numpy(image), signal * torch.from_numpy(weight).float()[:, None, None])

    def _places(self, plan: SlicePlan, view: np.ndarray) -> tuple[Tensor, Tensor, Tensor, np.ndarray]:
        """Grid voxels of the rows (N, H), columns (N, W) and slices (N,) of views, and their axes (N, 3)."""
        axes = plan.axes.reshape(-1)[view]
        corner = torch.from_numpy(plan.corners.reshape(-1, 2)[view]).float()
        rows = corner[:, :1] + torch.arange(self.window[0])
        columns = corner[:, 1:] + torch.arange(self.window[1])
        reverse = torch.tensor([LAYOUT[int(axis)][2] for axis in axes])
        mirrored = torch.from_numpy(plan.mirrored.reshape(-1)[view])
        rows = torch.where(reverse[:, None], rows.flip(1), rows)
        columns = torch.where(mirrored[:, None], columns.flip(1), columns)
        order = np.array([(*LAYOUT[int(axis)][:2], int(axis)) for axis in axes])
        return rows, columns, torch.from_numpy(plan.positions.reshape(-1)[view]).float(), order

    def _fields(self, plan: SlicePlan, view: np.ndarray, weights: np.ndarray) -> Tensor:
        """Fields (N, H, W) by their weights (N, 4, 4, 4) along x, y and z."""
        rows, columns, through, order = self._places(plan, view)
        turned = np.stack([weight.transpose(one) for weight, one in zip(weights, order, strict=True)])
        sizes = torch.tensor(self._grid)[torch.from_numpy(order)]
        parts = [
            effects.cosines(places, sizes[:, axis].reshape(-1, *[1] * (places.ndim - 1)))
            for axis, places in enumerate((rows, columns, through))
        ]
        return effects.plane_fields(torch.from_numpy(turned).float(), *parts)

    @property
    def _grid(self) -> tuple[int, int, int]:
        return next(iter(self.library.files.values())).header.grid

    def _transmit(self, plan: SlicePlan, images: _Images) -> Tensor:
        """The transmit field over its nominal value (N, H, W): brighter in the middle, lopsided."""
        model = pattern_model()
        rows, columns, through, order = self._places(plan, images.view)
        sizes = torch.tensor(self._grid)[torch.from_numpy(order)].float()
        square = [
            (2 * places / (sizes[:, axis].reshape(-1, *[1] * (places.ndim - 1)) - 1) - 1) ** 2
            for axis, places in enumerate((rows, columns, through))
        ]
        radius = square[0][:, :, None] + square[1][:, None, :] + square[2][:, None, None]
        field = self._fields(plan, images.view, plan.scanners.transmit[images.scanner])
        spread = torch.from_numpy(plan.scanners.transmit_spread[images.scanner, images.contrast]).float()
        pattern = 1 - model["transmit_falloff"] * radius + model["transmit_lopsided"] * field
        return 1 + spread[:, None, None] * pattern

    def _levels(self, plan: SlicePlan, gains: np.ndarray, noise: "_Noise") -> Levels:
        """Peaks and percentiles from voxels of whole volumes; see `Levels`."""
        batch, contrasts = len(plan.people), len(CONTRASTS)
        persons = np.concatenate([plan.people[:, 0], plan.people[:, 2], plan.people[:, 0]])
        known = [self._voxels[int(person)] for person in persons]
        views = Views.from_maps(
            torch.stack([each[0] for each in known])[..., None], torch.stack([each[1] for each in known])[..., None]
        )
        view = np.repeat(np.arange(3 * batch), contrasts)
        contrast = np.tile(np.arange(contrasts), 3 * batch)
        scanner = np.concatenate([np.arange(2 * batch), np.arange(batch, 2 * batch)])[view]
        cells = torch.stack([each[2] for each in known])
        signal = image_signals(views, view, plan.scanners, scanner, contrast, self._transmit_at(plan, cells, scanner, contrast, view))
        signal = signal[..., 0]
        white = views.fractions[torch.from_numpy(view), 2, :, 0]
        reference = (signal * white).sum(1) / white.sum(1).clamp(min=1e-6)
        scanned = torch.arange(len(signal)) < 2 * batch * contrasts
        seen = signal[scanned] * self._receive_at(plan, cells, scanner, contrast, view, int(scanned.sum()))
        spread = reference[scanned] * torch.from_numpy(gains.reshape(-1)).float()
        noisy = noise.magnitude(seen, spread[:, None])
        ordered = torch.from_numpy(np.sort(torch.cat([noisy, signal[~scanned]]).numpy(), axis=1))
        shares = [self.library.files[int(p)].header.foreground / np.prod(self._grid) for p in persons]
        peak = _at(ordered, self._peak_places(np.repeat(shares, contrasts)))
        peak = peak.clamp(min=1e-6)
        places = torch.from_numpy(self.percentiles / 100 * (ordered.shape[1] - 1)).expand(len(ordered), -1)
        gamma, shoulder = (
            torch.from_numpy(getattr(plan.scanners, name)[scanner, contrast]).float()[:, None]
            for name in ("gamma", "shoulder")
        )
        values = effects.bend(_at(ordered, places) / peak, gamma, shoulder).clamp(max=self.upper)
        shape = (3, batch, contrasts)
        return Levels(peak.reshape(shape), reference.reshape(shape), values.reshape(*shape, -1))

    def _peak_places(self, shares: np.ndarray) -> Tensor:
        """Where, in the ordered voxels of the foreground, the percentile over the whole grid is found."""
        upper = 1 - (1 - self.peak_percentile / 100) / np.maximum(shares, 1e-6)
        kept = min(self.voxels, min(len(file.voxels) for file in self.library.files.values()))
        return torch.from_numpy(np.clip(upper, 0, 1) * (kept - 1))[:, None]

    def _transmit_at(
        self, plan: SlicePlan, cells: Tensor, scanner: np.ndarray, contrast: np.ndarray, view: np.ndarray
    ) -> Tensor:
        model = pattern_model()
        centre = (torch.arange(_CELLS).float() + 0.5) / _CELLS * 2 - 1
        square = centre**2
        radius = (square[:, None, None] + square[None, :, None] + square[None, None]).flatten()
        field = effects.grid_fields(torch.from_numpy(plan.scanners.transmit).float(), _CELLS)
        pattern = 1 - model["transmit_falloff"] * radius + model["transmit_lopsided"] * field
        by_scan = torch.gather(pattern[torch.from_numpy(scanner[:: len(CONTRASTS)])], 1, cells)
        spread = torch.from_numpy(plan.scanners.transmit_spread[scanner, contrast]).float()
        return (1 + spread[:, None] * by_scan[torch.from_numpy(view)])[..., None]

    def _receive_at(
        self, plan: SlicePlan, cells: Tensor, scanner: np.ndarray, contrast: np.ndarray, view: np.ndarray, count: int
    ) -> Tensor:
        weights = torch.from_numpy(plan.scanners.receive[scanner[:count], contrast[:count]]).float()
        field = torch.gather(effects.grid_fields(weights, _CELLS), 1, cells[torch.from_numpy(view[:count])])
        strength = torch.from_numpy(plan.scanners.bias_strength[scanner[:count], contrast[:count]]).float()
        return torch.exp(strength[:, None] * field)

    def _acquired(
        self, plan: SlicePlan, images: _Images, filters: "_Filters", levels: Levels, signal: Tensor, noise: "_Noise"
    ) -> Tensor:
        """What images show (N, H, W), scaled and bent, background not yet removed."""
        scan = np.array([0, 2, 1, 0])[images.role]
        at = [torch.from_numpy(values) for values in (scan, images.sample, images.contrast)]
        peak, reference = (getattr(levels, name)[at[0], at[1], at[2]][:, None, None] for name in ("peak", "reference"))
        signal = signal / peak
        disturbed = torch.from_numpy(np.flatnonzero(images.role != TRUTH))
        gain = _gains(plan, filters.noise)
        chosen = images.role != TRUTH
        spread = torch.from_numpy(gain.reshape(2, len(plan.people), -1)[
            (images.role[chosen] == TARGET).astype(int), images.sample[chosen], images.contrast[chosen]
        ]).float()[:, None, None] * (reference / peak)[disturbed]
        source = plan.artifacts
        number = len(CONTRASTS) * images.sample + images.contrast
        is_source = images.role == SOURCE
        extra = np.where(is_source, source.strengths_of("noise")[number], 0.0)
        spread = (spread**2 + torch.from_numpy(extra[chosen]).float()[:, None, None] ** 2).sqrt()
        in_plane = torch.from_numpy(filters.in_plane_gain(images)[chosen]).float()[:, None, None]
        signal[disturbed] += noise.like(signal[disturbed]) * (spread / in_plane)
        sides = [filters.along(plan, images, side) for side in (0, 1)]
        shifts = np.where((images.role <= TRUTH)[:, None], plan.shift[images.sample, images.contrast], 0.0)
        left, right = (effects.matrices(sides[side], shifts[:, side], self.window[side]) for side in (0, 1))
        image = torch.bmm(torch.bmm(left, signal), right.transpose(1, 2))
        part = image[disturbed]
        part = (part.square() + (noise.like(part) * spread).square()).sqrt()
        part = part * self._receive(plan, images, chosen)
        image[disturbed] = part
        gamma, shoulder = (getattr(plan.scanners, name)[images.scanner, images.contrast] for name in ("gamma", "shoulder"))
        bent = torch.from_numpy(np.flatnonzero((gamma != 1) | (shoulder != 0)))
        columns = [torch.from_numpy(values).float()[bent][:, None, None] for values in (gamma, shoulder)]
        image[bent] = effects.bend(image[bent].clamp(min=0), *columns)
        self._move(plan, images, image)
        return image.clamp_(0, self.upper)

    def _receive(self, plan: SlicePlan, images: _Images, chosen: np.ndarray) -> Tensor:
        """The receive fields of the images that have one, with those of artifacts."""
        scanner, contrast = images.scanner[chosen], images.contrast[chosen]
        weights = plan.scanners.receive[scanner, contrast] * plan.scanners.bias_strength[scanner, contrast][:, None, None, None]
        number = len(CONTRASTS) * images.sample[chosen] + contrast
        strength = np.where(images.role[chosen] == SOURCE, plan.artifacts.strengths_of("bias_field")[number], 0.0)
        weights = weights + strength[:, None, None, None] * plan.artifacts.weights[number]
        return self._fields(plan, images.view[chosen], weights).exp()

    def _move(self, plan: SlicePlan, images: _Images, image: Tensor) -> None:
        """Let the people of source images with motion move, in place."""
        number = len(CONTRASTS) * images.sample + images.contrast
        moves = (images.role == SOURCE) & (plan.artifacts.strengths_of("motion")[number] > 0)
        rows = np.flatnonzero(moves)
        if not len(rows):
            return
        art, own = plan.artifacts, number[rows]
        strength = torch.from_numpy(art.strength[own]).float()
        angles = torch.deg2rad(torch.from_numpy(art.angles[own]).float() * strength[:, None])
        shifts = torch.from_numpy(art.shifts[own]).float() * strength[:, None, None]
        longest = max(self.window)
        pose = np.zeros((len(rows), longest), dtype=int)
        for row, (one, axis) in enumerate(zip(own, art.axis[own], strict=True)):
            length = self.window[axis]
            time = np.fft.ifftshift((np.arange(length) + 0.5) / length)
            which = np.searchsorted(art.changes[one], time)
            # The pose in which the centre of k-space is acquired is the original one.
            pose[row, :length] = (which - which[0]) % POSES
        at = torch.from_numpy(rows)
        image[at] = effects.motion(image[at], art.axis[own], angles, shifts, torch.from_numpy(pose))


def _rows(plan: SlicePlan) -> Any:
    flat = (plan.people, plan.axes, plan.positions, plan.corners, plan.mirrored)
    return zip(*(values.reshape(3 * len(plan.people), *values.shape[2:]).tolist() for values in flat), strict=True)


def _at(ordered: Tensor, places: Tensor) -> Tensor:
    """Values of ordered rows (N, V) at fractional places (N, P)."""
    low = places.floor().long()
    high = (low + 1).clamp(max=ordered.shape[1] - 1)
    return torch.lerp(ordered.gather(1, low), ordered.gather(1, high), (places - low).float())


@dataclass(frozen=True)
class _Filters:
    """Transfers of each scanner and contrast along the three axes of the grid (2 B, 4, 3, bins)."""

    noise: np.ndarray
    image: np.ndarray
    kept: np.ndarray
    axes: np.ndarray
    """The grid axis across each view (3 B,)."""

    def along(self, plan: SlicePlan, images: _Images, side: int) -> np.ndarray:
        """Transfers (N, bins) along rows or columns, with artifacts of source images."""
        axes = plan.axes.reshape(-1)[images.view]
        grid_axis = np.array([LAYOUT[int(axis)][side] for axis in axes])
        chosen = self.image[images.scanner, images.contrast, grid_axis].copy()
        number = len(CONTRASTS) * images.sample + images.contrast
        own = (images.role == SOURCE) & (plan.artifacts.axis[number] == side)
        thick = np.flatnonzero(own & (plan.artifacts.strengths_of("anisotropy", 1.0)[number] > 1))
        chosen[thick] *= effects.thick_filters(plan.artifacts.strength[number[thick]], chosen.shape[1])
        ghosts = np.flatnonzero(own & (plan.artifacts.strengths_of("ghosting")[number] > 0))
        many = plan.artifacts.ghosts[number[ghosts]]
        intensity = np.minimum(plan.artifacts.strength[number[ghosts]] * np.sqrt(many), 1.0)
        lines = np.full(len(ghosts), 2 * (chosen.shape[1] - 1.0))
        chosen[ghosts] *= effects.ghost_filters(lines, many, intensity, chosen.shape[1])
        return chosen

    def in_plane_gain(self, images: _Images) -> np.ndarray:
        """What the filters along rows and columns leave of white noise, (N,)."""
        gains = np.sqrt((self.image**2).mean(axis=-1))[images.scanner, images.contrast]
        return gains.prod(axis=1) / gains[np.arange(len(gains)), self._through(images)]

    def _through(self, images: _Images) -> np.ndarray:
        return self.axes[images.view]


def _filters(plan: SlicePlan, images: _Images) -> _Filters:
    table = plan.scanners
    shape = table.family.shape
    kept, thickness = np.zeros((*shape, 3)), np.zeros((*shape, 3))
    for axis in range(3):
        across = table.slice_axis == axis
        kept[..., axis] = np.where(across, np.where(table.thick, 1.0, 1 / table.slice_mm), 1 / table.in_plane_mm)
        thickness[..., axis] = np.where(across & table.thick, table.slice_mm, 0.0)
    kept = np.minimum(kept, 1.0)
    apodization, sharpening = (np.repeat(getattr(table, n)[..., None], 3, axis=-1).ravel() for n in ("apodization", "sharpening"))
    size = np.ones(kept.size)
    image = effects.axis_filters(size, kept.ravel(), thickness.ravel(), apodization, sharpening, _BINS)
    noise = effects.axis_filters(size, kept.ravel(), np.zeros(kept.size), apodization, sharpening, _BINS)
    full = (*shape, 3, _BINS)
    return _Filters(noise.reshape(full), image.reshape(full), kept, plan.axes.reshape(-1))


def _gains(plan: SlicePlan, noise: np.ndarray) -> np.ndarray:
    """Spread of the noise over the mean signal of white matter in the final image, (2 B, 4)."""
    kept = np.minimum(1.0, (noise > 1e-3).mean(axis=-1))
    return plan.scanners.noise * np.sqrt((noise**2).mean(axis=-1) / kept).prod(axis=-1)


class _Noise:
    """Normal numbers from random places of a bank."""

    def __init__(self, bank: Tensor, seed: int) -> None:
        self.bank, self.rng = bank, np.random.default_rng(seed)

    def like(self, values: Tensor) -> Tensor:
        """As many as there are values; each image gets a place of its own."""
        size = values[0].numel()
        starts = self.rng.integers(len(self.bank) - size, size=len(values)).tolist()
        return torch.stack([self.bank[start : start + size] for start in starts]).reshape(values.shape)

    def magnitude(self, values: Tensor, spread: Tensor) -> Tensor:
        """The magnitude of values with complex noise of that spread."""
        real = values + spread * self.like(values)
        return (real.square() + (spread * self.like(values)).square()).sqrt()


def _crop(source: Tensor, crop: np.ndarray) -> None:
    """End the field of view of images (B, 4, H, W) early, in place."""
    for sample, contrast in zip(*np.nonzero(crop[..., 0]), strict=True):
        share, axis, at_end = crop[sample, contrast]
        size = source.shape[2 + int(axis)]
        lost = round(float(share) * size)
        source[sample, contrast].narrow(int(axis), size - lost if at_end else 0, lost).zero_()

