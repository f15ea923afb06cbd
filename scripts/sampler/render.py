"""Renders planned batches of slices (see `slice_plan.py`): contrasts, resolution, fields, noise and artifacts in 2D.

One scan after the other: the slice of a person on a scanner, all contrasts of it together, which is little enough to
stay in the processor's cache. A sample has four scans: `SOURCE`, `TRUTH` (the same slice by the target's protocol
without noise, field or artifact), `TARGET` and `OTHER` (another slice of the source's scan).
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from . import effects as effects
from .levels import Levels, VolumeLevels
from .map_file import read_planes
from .map_library import MapLibrary
from .noise import Noise
from .person_maps import TISSUES
from .plan import LAYOUT, SlicePlan
from .resolution import Resolution
from .signal import Maps, Signals
from .texture import Texture

SOURCE, TRUTH, TARGET, OTHER = range(4)
UNITS = ("own", "target")
_VIEW_OF_SCAN = (0, 0, 2, 1)

Batch = dict[str, Any]


class SliceRenderer:
    """Renders the plans of one library."""

    def __init__(
        self,
        library: MapLibrary,
        window: Sequence[int],
        percentiles: Sequence[float],
        peak_percentile: float = 95.0,
        voxels: int = 2048,
        upper: float = 5.0,
        truth_units: str = "own",
        noise_bank: int = 2**22,
        texture: Texture | None = None,
    ) -> None:
        """Of the stored voxels, `voxels` are used for percentiles; for `truth_units` see the sampler."""
        if truth_units not in UNITS:
            raise InputError(f"`truth_units` must be one of {', '.join(UNITS)}, got {truth_units}")
        self.maps, self.window = library, (int(window[0]), int(window[1]))
        self.texture = texture or Texture()
        self.levels = VolumeLevels(library, percentiles, peak_percentile, voxels, upper, self.texture)
        self.upper, self.truth_units, self.noise_bank = upper, truth_units, noise_bank

    @cached_property
    def _bank(self) -> np.ndarray:
        return np.random.default_rng(0).standard_normal(self.noise_bank, dtype=np.float32)

    def __call__(self, plan: SlicePlan) -> Batch:
        """Render a batch."""
        batch = len(plan.people)
        noise = Noise(self._bank, plan.noise_seed)
        signals, resolution = Signals(plan.scanners), Resolution(plan.scanners)
        levels = self.levels(plan, signals, resolution, noise)
        images = np.zeros((4, batch, len(CONTRASTS), *self.window), dtype=np.float32)
        tissue = np.empty((batch, len(TISSUES), *self.window), dtype=np.float32)
        foreground = np.empty((batch, *self.window), dtype=np.float32)
        kept: dict[tuple[int, ...], dict[int, Maps]] = {}
        for sample in range(batch):
            views = [
                self.texture.on_slices(
                    self._read(plan, sample, view, resolution, kept), *plan.texture(self.texture, sample, view)
                )
                for view in range(3)
            ]
            tissue[sample], foreground[sample] = views[0][0].fractions, views[0][0].foreground
            for scan in range(4):
                _Scan(self, plan, sample, scan, signals, resolution, levels, noise).render(
                    views[_VIEW_OF_SCAN[scan]], images[scan, sample]
                )
        source, truth, target, other = torch.from_numpy(images)
        return {
            "source": source,
            "truth": truth,
            "target_image": target,
            "source_other": other,
            "tissue": torch.from_numpy(tissue),
            "foreground": torch.from_numpy(foreground),
            **_about(plan, levels),
        }

    def _read(
        self,
        plan: SlicePlan,
        sample: int,
        view: int,
        resolution: Resolution,
        kept: dict[tuple[int, ...], dict[int, Maps]],
    ) -> dict[int, Maps]:
        """Maps of a view by offset across the slice: 0, and those of the neighbours that thick slices take in.

        `kept` has what was read for the batch before, since several views may be the same.
        """
        axis, position = int(plan.axes[sample, view]), int(plan.positions[sample, view])
        person, (top, left) = int(plan.people[sample, view]), plan.corners[sample, view].tolist()
        mirrored = bool(plan.mirrored[sample, view])
        maps = kept.setdefault((person, axis, position, top, left, mirrored), {})
        scanners = [sample, sample + len(plan.people)]
        reaches = set(resolution.reach[scanners, :, axis].ravel().tolist()) - {0}
        offsets = [0, *(sign * reach for reach in sorted(reaches) for sign in (-1, 1))]
        missing = [offset for offset in offsets if offset not in maps]
        planes = read_planes(
            self.maps.files[person],
            axis,
            [position + offset for offset in missing],
            (left, top),
            (self.window[1], self.window[0]),
            (LAYOUT[axis][2], mirrored),
        )
        maps.update({offset: Maps.of(*plane) for offset, plane in zip(missing, planes, strict=True)})
        return maps


class _Scan:
    """One slice of a person on a scanner."""

    def __init__(
        self,
        renderer: SliceRenderer,
        plan: SlicePlan,
        sample: int,
        scan: int,
        signals: Signals,
        resolution: Resolution,
        levels: Levels,
        noise: Noise,
    ) -> None:
        self.renderer, self.plan, self.sample, self.scan = renderer, plan, sample, scan
        self.signals, self.resolution, self.levels, self.noise = signals, resolution, levels, noise
        self.view = _VIEW_OF_SCAN[scan]
        self.scanner = sample + len(plan.people) * (scan in (TRUTH, TARGET))
        shown = plan.available[sample] if scan in (SOURCE, OTHER) else np.ones(len(CONTRASTS), dtype=bool)
        self.contrasts = np.flatnonzero(shown)
        self.axis = int(plan.axes[sample, self.view])
        self.artifact = plan.artifacts.of(sample, self.contrasts if scan == SOURCE else None)

    def render(self, views: dict[int, Maps], out: np.ndarray) -> None:
        """Fill `out` (4, H, W)."""
        table, own = self.plan.scanners, (self.scanner, self.contrasts)
        image = self._signal(views)
        image *= _column(1 / self._peak())
        shift = self.plan.shift[self.sample, self.contrasts] if self.scan in (SOURCE, TRUTH) else None
        left, right = (
            self.resolution.matrices(*own, LAYOUT[self.axis][side], size, self.artifact, side, shift)
            for side, size in enumerate(self.renderer.window)
        )
        if self.scan == TRUTH:
            image = effects.filtered(left, image, right)
        else:
            spread, white = self._noise(left, right)
            image += self.noise.like(image) * _column(white)
            image = self.noise.join(effects.filtered(left, image, right), _column(spread))
            image *= self._receive()
        gamma, shoulder = table.gamma[own].tolist(), table.shoulder[own].tolist()
        for row in range(len(image)):
            if gamma[row] != 1 or shoulder[row] != 0:
                image[row] = effects.bend(image[row], gamma[row], shoulder[row])
        if self.artifact is not None and self.artifact.moves.any():
            effects.motion(image, self.artifact)
        np.clip(image, 0, self.renderer.upper, out=image)
        image *= views[0].foreground
        if self.scan == SOURCE:
            effects.crop(image, self.plan.crop[self.sample, self.contrasts])
        out[self.contrasts] = image

    def _signal(self, views: dict[int, Maps]) -> np.ndarray:
        """Noise-free signals (C, H, W); across thick slices the mean of two that lie apart."""
        reach = self.resolution.reach[self.scanner, self.contrasts, self.axis]
        pattern = self._transmit()
        image = np.empty((len(self.contrasts), *self.renderer.window), dtype=np.float32)
        for distance in set(reach.tolist()):
            rows = np.flatnonzero(reach == distance)
            wanted = self.contrasts[rows].tolist()
            if distance:
                signal, other = (self.signals.of(self.scanner, wanted, views[s * distance], pattern) for s in (-1, 1))
                signal += other
                signal *= 0.5
            else:
                signal = self.signals.of(self.scanner, wanted, views[0], pattern)
            if len(rows) == len(reach):
                return signal
            image[rows] = signal
        return image

    def _peak(self) -> np.ndarray:
        """What each contrast is divided by."""
        if self.scan == TRUTH and self.renderer.truth_units == "target":
            return self.levels.peak[TARGET, self.sample, self.contrasts]
        return self.levels.peak[self.scan, self.sample, self.contrasts]

    def _noise(self, left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Spread of the noise in the image, and of white noise that the filters make into it."""
        at = (self.scan, self.sample, self.contrasts)
        relative = self.resolution.noise_spread[self.scanner, self.contrasts]
        spread = relative * self.levels.reference[at] / self.levels.peak[at]
        if self.artifact is not None:
            spread = np.hypot(spread, self.artifact.noise)
        # A middle row of a filter's matrix has all of its kernel.
        kept = [(side[:, side.shape[1] // 2] ** 2).sum(axis=1) for side in (left, right)]
        return spread, spread / np.sqrt(kept[0] * kept[1])

    @cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Shares of the grid, 0 to 1, of the window's rows (H,) and columns (W,), and of the slice."""
        grid, (height, width) = self.renderer.levels.grid, self.renderer.window
        along, across, reverse = LAYOUT[self.axis]
        top, left = self.plan.corners[self.sample, self.view].tolist()
        rows = (np.arange(top, top + height, dtype=np.float32) + 0.5) / grid[along]
        columns = (np.arange(left, left + width, dtype=np.float32) + 0.5) / grid[across]
        through = (float(self.plan.positions[self.sample, self.view]) + 0.5) / grid[self.axis]
        mirrored = bool(self.plan.mirrored[self.sample, self.view])
        return rows[:: -1 if reverse else 1], columns[:: -1 if mirrored else 1], through

    @cached_property
    def _basis(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cosines of rows (H, 4), columns (W, 4) and of the slice (4,)."""
        rows, columns, through = self._places
        both = effects.cosines(np.concatenate([rows, columns, np.array([through], dtype=np.float32)]))
        return both[: len(rows)], both[len(rows) : -1], both[-1]

    def _fields(self, weights: np.ndarray) -> np.ndarray:
        """Fields (C, H, W) by their weights (C, 4, 4, 4) along x, y and z."""
        along, across, _ = LAYOUT[self.axis]
        turned = weights.astype(np.float32).transpose(0, 1 + along, 1 + across, 1 + self.axis)
        rows, columns, through = self._basis
        return rows @ (turned @ through) @ columns.T

    def _transmit(self) -> np.ndarray | None:
        """Pattern of the transmit field (H, W), None where the scanner has no physics."""
        if not self.signals.is_physical(self.scanner):
            return None
        rows, columns, through = self._places
        radius = (2 * rows - 1)[:, None] ** 2 + ((2 * columns - 1) ** 2 + (2 * through - 1) ** 2)
        return effects.transmit_pattern(radius, self._fields(self.plan.scanners.transmit[self.scanner][None])[0])

    def _receive(self) -> np.ndarray:
        """Receive fields (C, H, W), with those of artifacts."""
        table, own = self.plan.scanners, (self.scanner, self.contrasts)
        weights = table.receive[own] * table.bias_strength[own][:, None, None, None]
        if self.artifact is not None:
            weights = weights + self.artifact.field
        field = self._fields(weights)
        return np.exp(field, out=field)


def _column(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)[:, None, None]


def _about(plan: SlicePlan, levels: Levels) -> Batch:
    """What a batch holds beside images."""
    batch = len(plan.people)
    available = torch.from_numpy(plan.available)
    return {
        "available": available,
        "severity": torch.from_numpy(plan.artifacts.severity.reshape(batch, -1)).float() * available,
        "artifact": torch.from_numpy(plan.artifacts.drawn.kind.reshape(batch, -1)),
        "source_percentiles": torch.from_numpy(levels.percentiles[SOURCE]).float() * available[..., None],
        "target_percentiles": torch.from_numpy(levels.percentiles[TARGET]).float(),
        "source_levels": torch.from_numpy(levels.tissues[SOURCE]).float() * available[..., None],
        "target_levels": torch.from_numpy(levels.tissues[TARGET]).float(),
        "truth_in_target": torch.from_numpy(levels.peak[TRUTH] / levels.peak[TARGET]).float(),
        "person": torch.from_numpy(plan.people[:, 0]),
        "target_person": torch.from_numpy(plan.people[:, 2]),
        "same_person": torch.from_numpy(plan.people[:, 0] == plan.people[:, 2]),
        "same_scanner": torch.from_numpy(plan.same_scanner),
        "scanner": torch.arange(2 * batch).reshape(2, batch).T + 2 * batch * plan.step,
        "scanner_kind": torch.from_numpy(plan.scanners.kind.reshape(2, batch).T.copy()),
        "plane": torch.from_numpy(plan.axes[:, 0]),
        "position": torch.from_numpy(plan.positions[:, 0]),
    }
