"""Signals of slices, or of single voxels, for one person on one scanner at a time; fast, since training waits for them.

The equations are those of `sequences.py`, written for rates instead of times. Shapes: `...` is H, W for a slice and V
for voxels. A slice is small enough to stay in the processor's cache from one operation to the next, and on arrays of
that size NumPy's exponential takes half the time of torch's; that is why everything here is NumPy.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from ..phantom.model import tissue_table
from ..phantom.sequences import T2_STAR_SHARE
from .scanner_table import FAMILIES, ScannerTable, tissue_values

Array = np.ndarray
# Numbers of Python, so that single precision stays single precision.
Protocol = dict[str, float]


@dataclass(frozen=True)
class Maps:
    """PD and the rates 1 / T1, 1 / T2 of solid tissue (...), and the shares of the tissues (6, ...); all float32."""

    pd: Array
    r1: Array
    r2: Array
    fractions: Array

    @classmethod
    def of(cls, relaxation: Array, fractions: Array) -> "Maps":
        """From PD, T1 and T2 (3, ...) of any float type and fractions (6, ...) in uint8."""
        # torch widens half precision ten times as fast as NumPy.
        values = torch.from_numpy(relaxation).float().numpy()
        rates = np.maximum(values[1:], np.float32(1e-3))
        np.reciprocal(rates, out=rates)
        return cls(values[0], rates[0], rates[1], np.multiply(fractions, np.float32(1 / 255), dtype=np.float32))

    @cached_property
    def foreground(self) -> Array:
        """1 where the person is, 0 elsewhere."""
        return (self.fractions.sum(axis=0) > 0.5).astype(np.float32)

    @cached_property
    def saturated(self) -> Array:
        """exp(-T1), by which off-resonance saturation through macromolecules falls with T1."""
        values = -1 / self.r1
        return np.exp(values, out=values)

    @cached_property
    def texture(self) -> tuple[Array, Array, Array]:
        """Of log 1 / T1 and log 1 / T2 what voxels have beyond their tissues'; how wet they are compared with them."""
        usual = tissue_values()[1:].astype(np.float32)
        usual[:, 1:] = np.log(usual[:, 1:])
        share = np.maximum(1 - self.fractions[0], np.float32(1e-2))
        expected = mixed(usual.T, self.fractions[1:]) / share
        beyond = [np.clip(np.log(rate) + expected[i], -1.5, 1.5) for i, rate in ((1, self.r1), (2, self.r2))]
        return beyond[0], beyond[1], np.clip(self.pd / np.maximum(expected[0], np.float32(1e-2)), 0, 1.5)


def mixed(values: Array, shares: Array) -> Array:
    """Sums (..., *) of `values` (..., K) of tissues by their `shares` (K, *)."""
    flat = values.astype(np.float32) @ shares.reshape(len(shares), -1)
    return flat.reshape(*values.shape[:-1], *shares.shape[1:])


@dataclass(frozen=True)
class Signals:
    """What the scanners of a table make of maps."""

    table: ScannerTable

    @cached_property
    def protocols(self) -> list[list[Protocol]]:
        """By scanner and contrast, everything that an equation needs."""
        columns = _columns(self.table)
        names = list(columns)
        rows = np.stack([columns[name] for name in names], axis=-1).tolist()
        return [[dict(zip(names, values, strict=True)) for values in row] for row in rows]

    def is_physical(self, scanner: int) -> bool:
        """Whether the scanner follows signal equations."""
        return FAMILIES[int(self.protocols[scanner][0]["family"])] != "classes"

    def of(self, scanner: int, contrasts: Sequence[int], maps: Maps, pattern: Array | None) -> Array:
        """Noise-free signals (C, ...) of some contrasts; `pattern` (...) is that of the transmit field."""
        out = np.empty((len(contrasts), *maps.pd.shape), dtype=np.float32)
        if not self.is_physical(scanner):
            for row, contrast in zip(out, contrasts, strict=True):
                self._class_signal(scanner, contrast, maps, row)
            return out
        density, r1, r2 = self._solid(scanner, maps)
        for row, contrast in zip(out, contrasts, strict=True):
            own, pd = self.protocols[scanner][contrast], density
            if own["magnetization_transfer"] > 0:
                pd = maps.saturated * -own["magnetization_transfer"]
                pd += 1
                pd *= density
            b = None if pattern is None else pattern * own["transmit_spread"]
            tissue = _EQUATIONS[int(own["family"])](own, pd, r1, r2, b)
            # The transmit field hardly changes what is so bright or so dark as fluid.
            np.subtract(self._water[scanner][contrast], tissue, out=row)
            row *= maps.fractions[0]
            row += tissue
        return out

    @cached_property
    def _rates(self) -> list[tuple[float, float]]:
        """By scanner, how the rates 1 / T1 and 1 / T2 depend on its field strength."""
        model, strength = tissue_table(), self.table.field_strength / 3
        first, second = ((strength ** -model[f"{name}_field_exponent"]).tolist() for name in ("t1", "t2"))
        return list(zip(first, second, strict=True))

    def _solid(self, scanner: int, maps: Maps) -> tuple[Array, Array, Array]:
        """PD and rates of solid tissue on the scanner; the same for all contrasts."""
        first, second = self._rates[scanner]
        r1, r2 = maps.r1 * first, maps.r2 * second
        shift = self.table.tissue_shift[scanner, 1:]
        if not shift.any():
            return maps.pd, r1, r2
        # Longer times are smaller rates.
        change = mixed(shift.T * np.array([[1], [-1], [-1]]), maps.fractions[1:])
        np.exp(change, out=change)
        r1 *= change[1]
        r2 *= change[2]
        return maps.pd * change[0], r1, r2

    @cached_property
    def _water(self) -> list[list[float]]:
        """Signal of fluid by scanner and contrast."""
        signals: list[list[float]] = class_signals(self.table)[:, :, 0].tolist()
        return signals

    def _class_signal(self, scanner: int, contrast: int, maps: Maps, out: Array) -> None:
        """Brightness of each tissue by its share; texture follows T1 and T2."""
        fluid, *solid = self.table.brightness[scanner, contrast].tolist()
        by_first, by_second = self.table.texture[scanner, contrast].tolist()
        first, second, wet = maps.texture
        np.multiply(first, -by_first, out=out)
        out -= second * by_second
        np.clip(out, -1.2, 0.8, out=out)
        np.exp(out, out=out)
        out *= mixed(np.array(solid), maps.fractions[1:])
        out *= wet
        out += maps.fractions[0] * fluid


def _columns(table: ScannerTable) -> dict[str, Array]:
    """What equations need of each protocol, (S, 4)."""
    train = table.echo_train_length * table.echo_spacing
    before = np.maximum(table.inversion_time - train / 2, 0)
    return {
        "family": table.family,
        "repetition": table.repetition_time,
        "echo": table.echo_time,
        "inversion": table.inversion_time,
        "squared_angle": np.deg2rad(table.flip_angle) ** 2,
        "spacing": np.maximum(table.echo_spacing, 1e-6),
        "train": train,
        "rest": table.repetition_time - train,
        "before": before,
        "after": np.maximum(table.repetition_time - before - train, 0),
        "transmit_spread": table.transmit_spread,
        "magnetization_transfer": table.magnetization_transfer,
    }


def class_signals(table: ScannerTable) -> Array:
    """Signal (S, 4, 6) of each tissue of the table of tissues by the sequences' equations, without fields."""
    model = tissue_table()
    # Relaxation of fluid hardly depends on the field.
    strength = np.where(np.arange(len(tissue_values())) == 0, 1.0, table.field_strength[:, None] / 3)
    pd, t1, t2 = np.exp(np.log(tissue_values())[None] + table.tissue_shift).transpose(2, 0, 1)
    r1, r2 = 1 / (t1 * strength ** model["t1_field_exponent"]), 1 / (t2 * strength ** model["t2_field_exponent"])
    shape = (*table.family.shape, pd.shape[1])
    solid = [np.broadcast_to(values[:, None], shape) for values in (pd, r1, r2)]
    columns = _columns(table)
    signal = np.zeros(solid[0].shape)
    for family, equation in enumerate(_EQUATIONS):
        chosen = table.family == family
        if chosen.any():
            own = {name: values[chosen][:, None] for name, values in columns.items()}
            pd_of, r1_of, r2_of = (values[chosen] for values in solid)
            signal[chosen] = equation(own, pd_of, r1_of, r2_of, None)
    return signal


# In the equations `b` is by how much the transmit field misses its nominal value, relative to it; None is not at all.


def _squared_angle(own: Protocol, b: Array | None) -> Array | float:
    if b is None:
        return own["squared_angle"]
    square = b + 1
    square *= square
    square *= own["squared_angle"]
    return square


def _decay(rate: Array, time: float) -> Array:
    """exp(-rate time)."""
    values = rate * -time
    return np.exp(values, out=values)


def _sine(square: Array | float) -> Array:
    """sin x for x > 0 from its square, to fifth order; angles are small."""
    return ((square * (1 / 120) - 1 / 6) * square + 1) * np.sqrt(square)


def _mprage(own: Protocol, pd: Array, r1: Array, r2: Array, b: Array | None) -> Array:
    """As `sequences.mprage`."""
    square = _squared_angle(own, b)
    # -log(cos x) = x^2 / 2 + x^4 / 12 + x^6 / 45
    star = ((square * (1 / 45) + 1 / 12) * square + 0.5) * square / own["spacing"] + r1
    steady = r1 / star
    before, after, half = _decay(r1, own["before"]), _decay(r1, own["after"]), _decay(star, own["train"] / 2)
    train = half * half
    offset = (1 - before - steady) * train
    offset += steady - 1
    offset *= after
    offset += 1
    start = before * train * after
    start += 1
    np.divide(offset, start, out=start)
    centre = (1 - before * (1 + start) - steady) * half
    centre += steady
    np.abs(centre, out=centre)
    centre *= _sine(square)
    centre *= pd
    centre *= _decay(r2, own["echo"] / T2_STAR_SHARE)
    return centre


def _spoiled(own: Protocol, pd: Array, r1: Array, r2: Array, b: Array | None) -> Array:
    """As `sequences.spoiled_gradient_echo`."""
    square = _squared_angle(own, b)
    cosine = ((square * (-1 / 720) + 1 / 24) * square - 0.5) * square + 1
    e1 = _decay(r1, own["repetition"])
    signal = (1 - e1) / (1 - cosine * e1)
    signal *= _sine(square)
    signal *= pd
    signal *= _decay(r2, own["echo"] / T2_STAR_SHARE)
    return signal


def _spin_echo(own: Protocol, pd: Array, r1: Array, r2: Array, b: Array | None) -> Array:
    """As `sequences.spin_echo`."""
    signal = 1 - _decay(r1, own["rest"])
    signal *= _decay(r2, own["echo"])
    signal *= pd
    return signal if b is None else _refocus(signal, b)


def _flair(own: Protocol, pd: Array, r1: Array, r2: Array, b: Array | None) -> Array:
    """As `sequences.flair`."""
    signal = _decay(r1, own["inversion"])
    signal *= -2
    signal += 1
    signal += _decay(r1, own["rest"])
    np.abs(signal, out=signal)
    signal *= _decay(r2, own["echo"])
    signal *= pd
    return signal if b is None else _refocus(signal, b)


def _refocus(signal: Array, b: Array) -> Array:
    """Times sin(pi (1 + b) / 2)^3 = cos(pi b / 2)^3, to fourth order."""
    square = b * b
    square *= (math.pi / 2) ** 2
    loss = square * 0.875
    loss -= 1.5
    loss *= square
    loss += 1
    signal *= loss
    return signal


def _nothing(own: Protocol, pd: Array, r1: Array, r2: Array, b: Array | None) -> Array:
    """Of a family without physics."""
    return np.zeros_like(r1)


_EQUATIONS = (_mprage, _spoiled, _spin_echo, _flair, _nothing)
