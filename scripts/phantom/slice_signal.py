"""Signals of many slices at once: each image has a scanner, a contrast and a view, a view being the maps of one slice.

The equations are those of `sequences.py`, written for rates instead of times and for a scanner of its own in each image.
Shapes: N images, M views, H and W of a slice; for single voxels W is 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .model import tissue_table
from .scanner_table import FAMILIES, ScannerTable, tissue_values
from .sequences import T2_STAR_SHARE

Rows = np.ndarray


@dataclass(frozen=True)
class Views:
    """Maps of M slices; PD and the rates 1 / T1, 1 / T2 of solid tissue (M, H, W), fractions (M, 6, H, W) up to 1."""

    pd: Tensor
    r1: Tensor
    r2: Tensor
    fractions: Tensor

    @classmethod
    def from_maps(cls, relaxation: Tensor, fractions: Tensor) -> "Views":
        """From PD, T1 and T2 (M, 3, H, W) of any float type and fractions (M, 6, H, W) in uint8."""
        values = relaxation.float()
        rates = 1 / values[:, 1:].clamp(min=1e-3)
        return cls(values[:, 0], rates[:, 0], rates[:, 1], fractions.float() / 255)

    @property
    def foreground(self) -> Tensor:
        """Where the person is (M, H, W), boolean."""
        return self.fractions.sum(dim=1) > 0.5


def image_signals(
    views: Views, view: Rows, table: ScannerTable, scanner: Rows, contrast: Rows, transmit: Tensor | None
) -> Tensor:
    """Noise-free signal (N, H, W) of N images; `view`, `scanner` and `contrast` (N,) say which each is of.

    `transmit` (N, H, W) is the transmit field over its nominal value; it may be left out.
    """
    signal = torch.zeros(len(view), *views.pd.shape[1:])
    families = table.family[scanner, contrast]
    for family in np.unique(families):
        rows = np.flatnonzero(families == family)
        at = torch.from_numpy(rows)
        part = (view[rows], scanner[rows], contrast[rows])
        if FAMILIES[family] == "classes":
            signal[at] = _class_signals(views, table, *part)
        else:
            signal[at] = _physical_signals(views, table, *part, None if transmit is None else transmit[at])
    return signal


def _physical_signals(
    views: Views, table: ScannerTable, view: Rows, scanner: Rows, contrast: Rows, transmit: Tensor | None
) -> Tensor:
    """The mixture of solid tissue and fluid, each by the sequence's equation; all images of one family."""
    model, at = tissue_table(), torch.from_numpy(view)
    pd, r1, r2 = views.pd[at], views.r1[at], views.r2[at]
    shift = table.tissue_shift[scanner]
    moved = np.flatnonzero(shift.any(axis=(1, 2)))
    if len(moved):
        fractions = views.fractions[at[torch.from_numpy(moved)], 1:]
        change = torch.einsum("nkc,nkhw->cnhw", _column(shift[moved, 1:])[..., 0, 0], fractions).exp()
        rows = torch.from_numpy(moved)
        pd[rows] *= change[0]
        r1[rows] /= change[1]
        r2[rows] /= change[2]
    strength = table.field_strength[scanner] / 3
    scales = [strength ** model[name] for name in ("t1_field_exponent", "t2_field_exponent")]
    transfer = table.magnetization_transfer[scanner, contrast]
    if transfer.any():
        # Off-resonance saturation acts through macromolecules: on short T1 the most.
        pd = pd * (1 - _column(transfer) * torch.exp(-1 / r1))
    r1, r2 = r1 / _column(scales[0]), r2 / _column(scales[1])
    tissue = signal_of(table, scanner, contrast, pd, r1, r2, transmit)
    fluid = np.exp(shift[:, 0]) * np.array(model["fluid"])
    water_pd, water_r1, water_r2 = (_column(value) for value in (fluid[:, 0], 1 / fluid[:, 1], 1 / fluid[:, 2]))
    # The transmit field hardly changes what is so bright or so dark.
    water = signal_of(table, scanner, contrast, water_pd, water_r1, water_r2, None)
    return torch.lerp(tissue, water, views.fractions[at, 0])


def _class_signals(views: Views, table: ScannerTable, view: Rows, scanner: Rows, contrast: Rows) -> Tensor:
    """Brightness of each tissue by its share; texture follows what T1 and T2 of a voxel have beyond its tissues'."""
    at = torch.from_numpy(view)
    fractions = views.fractions[at]
    brightness, texture = table.brightness[scanner, contrast], table.texture[scanner, contrast]
    solid = fractions[:, 1:]
    mean = torch.einsum("nk,nkhw->nhw", _column(brightness[:, 1:])[..., 0, 0], solid)
    usual = torch.from_numpy(np.log(tissue_values())).float()[1:]
    share = (1 - fractions[:, 0]).clamp(min=1e-2)
    rates = (views.r1[at].log(), views.r2[at].log())
    change = torch.zeros_like(mean)
    for which, rate in enumerate(rates):
        expected = torch.einsum("k,nkhw->nhw", usual[:, which + 1], solid) / share
        change -= _column(texture[:, which]) * (rate + expected).clamp(-1.5, 1.5)
    density = torch.einsum("k,nkhw->nhw", usual[:, 0].exp(), solid) / share
    wet = (views.pd[at] / density.clamp(min=1e-2)).clamp(0, 1.5)
    return mean * wet * change.clamp(-1.2, 0.8).exp() + fractions[:, 0] * _column(brightness[:, 0])


def signal_of(
    table: ScannerTable, scanner: Rows, contrast: Rows, pd: Tensor, r1: Tensor, r2: Tensor, transmit: Tensor | None
) -> Tensor:
    """The equation of each image's sequence for PD (N, H, W) and rates; images of one family go together."""
    families = table.family[scanner, contrast]
    signal = torch.zeros(torch.broadcast_shapes(pd.shape, r1.shape))
    for family in np.unique(families):
        rows = np.flatnonzero(families == family)
        own = _Times(table, scanner[rows], contrast[rows])
        if len(rows) == len(families):
            return _EQUATIONS[family](own, pd, r1, r2, transmit)
        at = torch.from_numpy(rows)
        b = None if transmit is None else transmit[at]
        signal[at] = _EQUATIONS[family](own, pd[at], r1[at], r2[at], b)
    return signal


class _Times:
    """Columns (N, 1, 1) of the protocols of N images."""

    def __init__(self, table: ScannerTable, scanner: Rows, contrast: Rows) -> None:
        def get(name: str) -> Tensor:
            return _column(getattr(table, name)[scanner, contrast])

        self.repetition, self.echo, self.inversion = (
            get(name) for name in ("repetition_time", "echo_time", "inversion_time")
        )
        self.angle = torch.pi / 180 * get("flip_angle")
        self.spacing = get("echo_spacing")
        self.train = get("echo_train_length") * self.spacing


def _column(values: Rows | Sequence[float]) -> Tensor:
    return torch.as_tensor(np.asarray(values), dtype=torch.float32)[..., None, None]


def _mprage(own: _Times, pd: Tensor, r1: Tensor, r2: Tensor, b: Tensor | None) -> Tensor:
    angle = own.angle if b is None else own.angle * b
    before = (own.inversion - own.train / 2).clamp(min=0)
    after = (own.repetition - before - own.train).clamp(min=0)
    star = r1 - angle.cos().log() / own.spacing
    steady = r1 / star
    decay_before, decay_after = torch.exp(-before * r1), torch.exp(-after * r1)
    half = torch.exp(-own.train / 2 * star)
    train = half * half
    offset = ((1 - decay_before) * train + steady * (1 - train)) * decay_after + 1 - decay_after
    start = offset / (1 + decay_before * train * decay_after)
    centre = (1 - decay_before * (1 + start)) * half + steady * (1 - half)
    return pd * (centre * angle.sin()).abs_() * torch.exp(-own.echo / T2_STAR_SHARE * r2)


def _spoiled(own: _Times, pd: Tensor, r1: Tensor, r2: Tensor, b: Tensor | None) -> Tensor:
    angle = own.angle if b is None else own.angle * b
    e1 = torch.exp(-own.repetition * r1)
    return pd * angle.sin() * (1 - e1) / (1 - angle.cos() * e1) * torch.exp(-own.echo / T2_STAR_SHARE * r2)


def _spin_echo(own: _Times, pd: Tensor, r1: Tensor, r2: Tensor, b: Tensor | None) -> Tensor:
    signal = pd * (1 - torch.exp((own.train - own.repetition) * r1)) * torch.exp(-own.echo * r2)
    return signal if b is None else signal * _refocused(b)


def _flair(own: _Times, pd: Tensor, r1: Tensor, r2: Tensor, b: Tensor | None) -> Tensor:
    recovered = 1 - 2 * torch.exp(-own.inversion * r1) + torch.exp((own.train - own.repetition) * r1)
    signal = pd * recovered.abs_() * torch.exp(-own.echo * r2)
    return signal if b is None else signal * _refocused(b)


def _refocused(b: Tensor) -> Tensor:
    """About sin(pi b / 2)^3 where b is near 1, as its square misses 1 by."""
    return 1 - 1.5 * (torch.pi / 2) ** 2 * (b - 1) ** 2


def _nothing(own: _Times, pd: Tensor, r1: Tensor, r2: Tensor, b: Tensor | None) -> Tensor:
    return torch.zeros(torch.broadcast_shapes(pd.shape, r1.shape))


_EQUATIONS = (_mprage, _spoiled, _spin_echo, _flair, _nothing)
