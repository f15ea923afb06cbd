"""Signals of slices, or of single voxels, for one person on one scanner at a time; fast, since training waits for them.

The equations are those of `sequences.py`, written for rates instead of times. Shapes: `...` is H, W for a slice and V for
voxels; a slice is small enough to stay in the processor's cache from one operation to the next.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from .model import tissue_table
from .scanner_table import FAMILIES, ScannerTable, tissue_values
from .sequences import T2_STAR_SHARE

Protocol = dict[str, float]


@dataclass(frozen=True)
class Maps:
    """PD and the rates 1 / T1 and 1 / T2 of solid tissue, (...), and the shares of the tissues, (6, ...)."""

    pd: Tensor
    r1: Tensor
    r2: Tensor
    fractions: Tensor

    @classmethod
    def of(cls, relaxation: Tensor, fractions: Tensor) -> "Maps":
        """From PD, T1 and T2 (3, ...) of any float type and fractions (6, ...) in uint8."""
        values = relaxation.float()
        rates = values[1:].clamp_(min=1e-3).reciprocal_()
        return cls(values[0], rates[0], rates[1], fractions * (1 / 255))

    @cached_property
    def foreground(self) -> Tensor:
        """1 where the person is, 0 elsewhere."""
        return (self.fractions.sum(dim=0) > 0.5).float()

    @cached_property
    def saturated(self) -> Tensor:
        """exp(-T1), by which off-resonance saturation through macromolecules falls with T1."""
        return torch.exp(-1 / self.r1)

    @cached_property
    def texture(self) -> tuple[Tensor, Tensor, Tensor]:
        """Of log 1 / T1 and log 1 / T2 what voxels have beyond their tissues', and how wet they are compared with them."""
        usual = torch.from_numpy(tissue_values()).float()[1:]
        usual = torch.stack([usual[:, 0], usual[:, 1].log(), usual[:, 2].log()])
        solid = self.fractions[1:].flatten(1)
        share = (1 - self.fractions[0]).clamp_(min=1e-2)
        expected = (usual @ solid).reshape(3, *share.shape) / share
        beyond = [(rate.log() + expected[i]).clamp_(-1.5, 1.5) for i, rate in ((1, self.r1), (2, self.r2))]
        return beyond[0], beyond[1], (self.pd / expected[0].clamp_(min=1e-2)).clamp_(0, 1.5)


@dataclass(frozen=True)
class Signals:
    """What the scanners of a table make of maps."""

    table: ScannerTable

    @cached_property
    def protocols(self) -> list[list[Protocol]]:
        """By scanner and contrast, everything that an equation needs, as numbers of Python."""
        columns = _columns(self.table)
        names = list(columns)
        rows = np.stack([columns[name] for name in names], axis=-1).tolist()
        return [[dict(zip(names, values, strict=True)) for values in row] for row in rows]

    def is_physical(self, scanner: int) -> bool:
        """Whether the scanner follows signal equations."""
        return FAMILIES[int(self.protocols[scanner][0]["family"])] != "classes"

    @cached_property
    def _solid(self) -> tuple[list[tuple[float, float]], Tensor, list[bool]]:
        """By scanner: how rates depend on its field strength, what its tissues deviate by, and whether they do."""
        model, strength = tissue_table(), self.table.field_strength / 3
        scales = zip(*((strength ** -model[f"{name}_field_exponent"]).tolist() for name in ("t1", "t2")), strict=True)
        shift = self.table.tissue_shift[:, 1:].transpose(0, 2, 1) * np.array([1, -1, -1])[:, None]
        moved = self.table.tissue_shift.any(axis=(1, 2)).tolist()
        return list(scales), torch.from_numpy(np.ascontiguousarray(shift)).float(), moved

    def solid(self, scanner: int, maps: Maps) -> tuple[Tensor, Tensor, Tensor]:
        """PD and rates of solid tissue at the scanner's field strength; the same for all contrasts."""
        scales, shift, moved = self._solid
        pd, r1, r2 = maps.pd, maps.r1 * scales[scanner][0], maps.r2 * scales[scanner][1]
        if not moved[scanner]:
            return pd, r1, r2
        change = (shift[scanner] @ maps.fractions[1:].flatten(1)).exp_().reshape(3, *pd.shape)
        return pd * change[0], r1.mul_(change[1]), r2.mul_(change[2])

    def of(self, scanner: int, contrasts: Sequence[int], maps: Maps, pattern: Tensor | None) -> Tensor:
        """Noise-free signals (C, ...) of some contrasts; `pattern` (...) is that of the transmit field."""
        out = torch.empty(len(contrasts), *maps.pd.shape)
        protocols = self.protocols[scanner]
        if not self.is_physical(scanner):
            for row, contrast in zip(out, contrasts, strict=True):
                self._class_signal(scanner, contrast, maps, row)
            return out
        solid = self.solid(scanner, maps)
        fluid = maps.fractions[0]
        for row, contrast in zip(out, contrasts, strict=True):
            own = protocols[contrast]
            pd = solid[0]
            if own["magnetization_transfer"] > 0:
                pd = torch.addcmul(pd, pd, maps.saturated, value=-own["magnetization_transfer"])
            b = pattern if pattern is None else pattern * own["transmit_spread"]
            tissue = _EQUATIONS[int(own["family"])](own, pd, solid[1], solid[2], b)
            # The transmit field hardly changes what is so bright or so dark as fluid.
            torch.lerp(tissue, self._water[scanner][contrast], fluid, out=row)
        return out

    @cached_property
    def _water(self) -> Tensor:
        """Signal of fluid (S, 4)."""
        return torch.from_numpy(class_signals(self.table)[:, :, 0]).float()

    def _class_signal(self, scanner: int, contrast: int, maps: Maps, out: Tensor) -> None:
        """Brightness of each tissue by its share; texture follows T1 and T2."""
        brightness = torch.from_numpy(self.table.brightness[scanner, contrast]).float()
        strength = self.table.texture[scanner, contrast].tolist()
        first, second, wet = maps.texture
        change = (first * -strength[0]).add_(second, alpha=-strength[1]).clamp_(-1.2, 0.8).exp_()
        solid = (brightness[1:] @ maps.fractions[1:].flatten(1)).reshape(wet.shape)
        torch.mul(solid.mul_(wet).mul_(change), 1.0, out=out)
        out.add_(maps.fractions[0], alpha=float(brightness[0]))


def _columns(table: ScannerTable) -> dict[str, np.ndarray]:
    """What equations need of each protocol, (S, 4)."""
    train = table.echo_train_length * table.echo_spacing
    before = np.maximum(table.inversion_time - train / 2, 0)
    return {
        "family": table.family,
        "repetition": table.repetition_time,
        "echo": table.echo_time,
        "inversion": table.inversion_time,
        "angle": np.deg2rad(table.flip_angle),
        "spacing": np.maximum(table.echo_spacing, 1e-6),
        "train": train,
        "rest": table.repetition_time - train,
        "before": before,
        "after": np.maximum(table.repetition_time - before - train, 0),
        "transmit_spread": table.transmit_spread,
        "magnetization_transfer": table.magnetization_transfer,
    }


def class_signals(table: ScannerTable) -> np.ndarray:
    """Signal (S, 4, 6) of each tissue of the table of tissues by the sequences' equations, without fields."""
    model, strength = tissue_table(), (table.field_strength / 3)[:, None]
    pd, t1, t2 = np.exp(np.log(tissue_values())[None] + table.tissue_shift).transpose(2, 0, 1)
    r1, r2 = 1 / (t1 * strength ** model["t1_field_exponent"]), 1 / (t2 * strength ** model["t2_field_exponent"])
    solid = [torch.from_numpy(values)[:, None].expand(-1, 4, -1) for values in (pd, r1, r2)]
    columns = {name: torch.from_numpy(values)[..., None] for name, values in _columns(table).items()}
    signal = torch.zeros(solid[0].shape, dtype=torch.float64)
    for family, equation in enumerate(_EQUATIONS):
        chosen = torch.from_numpy(table.family == family)
        if chosen.any():
            own = {name: values[chosen] for name, values in columns.items()}
            signal[chosen] = equation(own, *(values[chosen] for values in solid), None)
    return signal.numpy()


# In the equations `b` is by how much the transmit field misses its nominal value, relative to it; None stands for not at all.


def _squared_angle(own: Protocol, b: Tensor | None) -> Tensor:
    square = torch.as_tensor(own["angle"] ** 2)
    return square if b is None else (b + 1).square_().mul_(square)


def _mprage(own: Protocol, pd: Tensor, r1: Tensor, r2: Tensor, b: Tensor | None) -> Tensor:
    """As `sequences.mprage`, with sine and logarithm of the cosine of its small angle to fifth and sixth order."""
    square = _squared_angle(own, b)
    # -log(cos x) = x^2 / 2 + x^4 / 12 + x^6 / 45
    loss = (square * (1 / 45) + 1 / 12).mul_(square).add_(0.5).mul_(square)
    star = r1 + loss / own["spacing"]
    steady = r1 / star
    before, after = torch.exp(r1 * -own["before"]), torch.exp(r1 * -own["after"])
    half = torch.exp(star * (own["train"] / -2))
    train = half * half
    offset = torch.lerp(steady, 1 - before, train).mul_(after).add_(1).sub_(after)
    start = offset / (before * train).mul_(after).add_(1)
    centre = torch.lerp(steady, 1 - before * (1 + start), half)
    return centre.abs_().mul_(_sine(square)).mul_(pd).mul_(torch.exp(r2 * (own["echo"] / -T2_STAR_SHARE)))


def _sine(square: Tensor) -> Tensor:
    """sin x for small x > 0 from its square: x (1 - x^2 / 6 + x^4 / 120)."""
    return (square * (1 / 120) - 1 / 6).mul_(square).add_(1).mul_(square.sqrt())


def _spoiled(own: Protocol, pd: Tensor, r1: Tensor, r2: Tensor, b: Tensor | None) -> Tensor:
    """As `sequences.spoiled_gradient_echo`."""
    square = _squared_angle(own, b)
    cosine = (square * (-1 / 720) + 1 / 24).mul_(square).sub_(0.5).mul_(square).add_(1)
    e1 = torch.exp(r1 * -own["repetition"])
    signal = (1 - e1) / (1 - cosine * e1)
    return signal.mul_(_sine(square)).mul_(pd).mul_(torch.exp(r2 * (own["echo"] / -T2_STAR_SHARE)))


def _spin_echo(own: Protocol, pd: Tensor, r1: Tensor, r2: Tensor, b: Tensor | None) -> Tensor:
    """As `sequences.spin_echo`."""
    signal = (1 - torch.exp(r1 * -own["rest"])).mul_(torch.exp(r2 * -own["echo"])).mul_(pd)
    return signal if b is None else _refocus(signal, b)


def _flair(own: Protocol, pd: Tensor, r1: Tensor, r2: Tensor, b: Tensor | None) -> Tensor:
    """As `sequences.flair`."""
    recovered = torch.exp(r1 * -own["inversion"]).mul_(-2).add_(1).add_(torch.exp(r1 * -own["rest"]))
    signal = recovered.abs_().mul_(torch.exp(r2 * -own["echo"])).mul_(pd)
    return signal if b is None else _refocus(signal, b)


def _refocus(signal: Tensor, b: Tensor) -> Tensor:
    """Times sin(pi (1 + b) / 2)^3, to second order in b."""
    return signal.addcmul_(signal, b.square(), value=-1.5 * (math.pi / 2) ** 2)


def _nothing(own: Protocol, pd: Tensor, r1: Tensor, r2: Tensor, b: Tensor | None) -> Tensor:
    """Of a family without physics."""
    return torch.zeros_like(r1)


_EQUATIONS = (_mprage, _spoiled, _spin_echo, _flair, _nothing)
