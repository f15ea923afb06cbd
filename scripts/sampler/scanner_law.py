"""Scanners without end, drawn as tables of numbers.

A scanner is of one of three kinds. `realistic` ones are drawn from the ranges of `protocols.json`, like those of the
population, and then moved a little. `wide` ones have times and angles far from those, and tissues whose T1, T2 and
proton density are their own. `classes` have no physics: each tissue has a brightness drawn for the contrast, and
texture comes from the maps. In all of them a contrast keeps the order of tissues that its name means (`keeps_order`),
but for a share of `wild` ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..base.seeds import derive_seed
from ..phantom.population import read_scanners
from ..phantom.scanner import RANGES_FILE, Scanner, draw_scanner, load_ranges
from .person_maps import TISSUES
from .scanner_table import FAMILIES, KINDS, Array, ScannerTable
from .signal import class_signals

_FAMILY = {"mprage": 0, "spgr": 1, "se": 2, "tse": 2, "flair": 3}

_PROTOCOL_FIELDS = (
    "repetition_time", "echo_time", "inversion_time", "flip_angle", "echo_train_length", "echo_spacing", "slice_axis",
    "in_plane_mm", "slice_mm", "apodization", "sharpening", "noise", "bias_strength", "transmit_spread",
    "magnetization_transfer", "misalignment_mm",
)  # fmt: skip


@dataclass(frozen=True)
class ScannerLaw:
    """How scanners are drawn; `draw` gives as many as are asked for. Spreads are standard deviations of logarithms."""

    seed: int = 1
    shares: Sequence[float] = (0.4, 0.35, 0.25)
    """Of realistic, wide and class scanners."""
    pool: int = 400
    """Realistic protocols are drawn once, so many, beside those of the population, and then moved."""
    realistic_spread: float = 0.04
    wide_spread: float = 0.25
    tissue_spread: Sequence[float] = (0.06, 0.15, 0.15)
    """Of PD, T1 and T2 of each tissue on a wide scanner."""
    wild: float = 0.05
    """Share of wide and class scanners whose contrasts need not keep the order of tissues."""
    curved: float = 0.5
    """Share of scanners and contrasts with a curve of intensities, as vendors' filters have."""
    gamma_spread: float = 0.18
    noise_factor: float = 1.0
    """Of the noise of `protocols.json`; 0 for none."""
    noise_spread: float = 0.3
    bias_factor: float = 1.0
    """Of the receive fields of `protocols.json`: less than 1 where bias correction comes after the scan."""
    protocols: str = str(RANGES_FILE)

    def __post_init__(self) -> None:
        """Refuse wrong shares and spreads."""
        if len(self.shares) != len(KINDS) or min(self.shares) < 0 or sum(self.shares) <= 0:
            found = list(self.shares)
            raise InputError(f"`shares` of scanners must be one for each of {', '.join(KINDS)}, got {found}")
        for name in ("wild", "curved"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"`{name}` must be between 0 and 1, got {getattr(self, name)}")

    def build_pool(self) -> ScannerTable:
        """The realistic scanners from which others come about; those of the population come first."""
        ranges = load_ranges(self.protocols)
        makes = [(scanner.name, scanner.manufacturer, scanner.field_strength) for scanner in read_scanners()]
        kinds = sorted({make[1:] for make in makes})
        makes += [(f"drawn-{number}", *kinds[number % len(kinds)]) for number in range(self.pool)]
        scanners = [
            draw_scanner(name, name, make, field, CONTRASTS, derive_seed(self.seed, "slices", name), ranges)
            for name, make, field in makes
        ]
        return tabulate(scanners)

    def draw(self, pool: ScannerTable, count: int, rng: np.random.Generator) -> ScannerTable:
        """Draw `count` scanners."""
        kind = rng.choice(len(KINDS), count, p=np.array(self.shares) / sum(self.shares))
        base = pool.take(rng.integers(len(pool), size=count))
        wild = (rng.random(count) < self.wild) & (kind > 0)
        moved = self._move(base, kind, rng)
        keep = (keeps_order(class_signals(moved)) | wild[:, None]) & (kind > 0)[:, None]
        keep |= kind[:, None] == 0
        table = _choose(keep, moved, base)
        shift = rng.normal(size=(count, len(TISSUES), 3)) * np.array(self.tissue_spread)
        table = replace(table, kind=kind, tissue_shift=shift * (kind == 1)[:, None, None])
        unclear = ~(keeps_order(class_signals(table)).all(axis=1) | wild)
        table.tissue_shift[unclear] = 0
        brightness, texture = draw_classes(count, wild, rng)
        classes = np.broadcast_to((kind == 2)[:, None], table.family.shape)
        curved = rng.random(table.family.shape) < self.curved
        return replace(
            table,
            family=np.where(classes, FAMILIES.index("classes"), table.family),
            brightness=brightness,
            texture=texture,
            noise=self.noise_factor * table.noise * np.exp(rng.normal(0, self.noise_spread, table.noise.shape)),
            bias_strength=self.bias_factor * table.bias_strength,
            gamma=np.where(curved, np.exp(rng.normal(0, self.gamma_spread, curved.shape)), 1.0),
            shoulder=np.where(curved, rng.uniform(0, 0.6, curved.shape), 0.0),
            receive=_draw_cosines((count, len(CONTRASTS)), rng),
            transmit=_draw_cosines((count,), rng),
        )

    def _move(self, base: ScannerTable, kind: Array, rng: np.random.Generator) -> ScannerTable:
        """Other times, angles and resolutions: a little for realistic scanners, a lot for wide ones."""
        spread = np.where(kind == 0, self.realistic_spread, self.wide_spread)[:, None]

        def factor(most: float = 1.0) -> Array:
            return np.exp(most * spread * rng.normal(size=base.family.shape))

        train = base.echo_train_length * base.echo_spacing
        return replace(
            base,
            repetition_time=np.maximum(base.repetition_time * factor(), 1.2 * train),
            echo_time=base.echo_time * factor(),
            inversion_time=base.inversion_time * factor(0.3),
            flip_angle=np.where(base.family < 2, np.clip(base.flip_angle * factor(), 4, 40), base.flip_angle),
            in_plane_mm=np.clip(base.in_plane_mm * factor(0.5), 0.7, 1.6),
            slice_mm=np.clip(base.slice_mm * factor(), 0.8, 6.0),
        )


def tabulate(scanners: Sequence[Scanner]) -> ScannerTable:
    """The table of drawn scanners; all have every contrast."""
    count = len(scanners)

    def column(name: str) -> Array:
        rows = [[getattr(s.protocols[c], name) or 0.0 for c in CONTRASTS] for s in scanners]
        return np.array(rows, dtype=float)

    def named(name: str, value: dict[str, int]) -> Array:
        return np.array([[value[getattr(s.protocols[c], name)] for c in CONTRASTS] for s in scanners])

    shape = (count, len(CONTRASTS))
    return ScannerTable(
        kind=np.zeros(count, dtype=int),
        family=named("sequence", _FAMILY),
        field_strength=np.array([s.field_strength for s in scanners]),
        thick=named("acquisition", {"2D": 1, "3D": 0}).astype(bool),
        tissue_shift=np.zeros((count, len(TISSUES), 3)),
        brightness=np.zeros((*shape, len(TISSUES))),
        texture=np.zeros((*shape, 2)),
        gamma=np.ones(shape),
        shoulder=np.zeros(shape),
        receive=np.zeros((*shape, 4, 4, 4)),
        transmit=np.zeros((count, 4, 4, 4)),
        **{name: column(name) for name in _PROTOCOL_FIELDS},
    )


def _choose(keep: Array, moved: ScannerTable, base: ScannerTable) -> ScannerTable:
    """Protocols of `moved` where `keep` (S, 4) says so, otherwise of `base`."""
    chosen = {name: np.where(keep, getattr(moved, name), getattr(base, name)) for name in _PROTOCOL_FIELDS}
    return replace(base, **chosen)


def _draw_cosines(shape: tuple[int, ...], rng: np.random.Generator, decay: float = 0.75) -> Array:
    """Weights of products of cosines up to degree 4 in all, without the constant; together of unit variance."""
    degree = np.indices((4, 4, 4)).sum(axis=0)
    law = np.where((degree > 0) & (degree <= 4), decay**degree, 0.0)
    weights = rng.normal(size=(*shape, 4, 4, 4)) * law
    return weights / np.sqrt((law**2).sum())


def keeps_order(signals: Array, margin: float = 1.04) -> Array:
    """Whether tissues (S, 4, 6) are in the order that each contrast's name means: (S, 4), boolean."""
    fluid, grey, white = signals[..., 0], signals[..., 1], signals[..., 2]
    return np.stack(
        [
            (white[:, 0] > margin * grey[:, 0]) & (grey[:, 0] > margin * fluid[:, 0]),
            (fluid[:, 1] > margin * grey[:, 1]) & (grey[:, 1] > margin * white[:, 1]),
            (grey[:, 2] > margin * white[:, 2]) & (fluid[:, 2] > 0.6 * white[:, 2]),
            (grey[:, 3] > white[:, 3]) & (white[:, 3] > 2 * fluid[:, 3]),
        ],
        axis=1,
    )


def draw_classes(count: int, wild: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Brightness (S, 4, 6) of the tissues of each contrast, and the strength (S, 4, 2) of texture."""

    def within(low: float, high: float) -> Array:
        return rng.uniform(low, high, count)

    t1w_grey, t2w_grey = within(0.5, 0.9), within(0.3, 0.75)
    pd_white, flair_white = within(0.72, 0.96), within(0.6, 0.95)
    t2w_white, flair_grey = t2w_grey * within(0.6, 0.95), flair_white * within(1.02, 1.45)
    rows = [
        [t1w_grey * within(0.1, 0.7), t1w_grey, np.ones(count)],
        [np.ones(count), t2w_grey, t2w_white],
        [within(0.65, 1.3), np.ones(count), pd_white],
        [flair_white * within(0.03, 0.4), flair_grey, flair_white],
    ]
    brightness = np.zeros((count, len(CONTRASTS), len(TISSUES)))
    for contrast, (fluid, grey, white) in enumerate(rows):
        lesion = grey + within(0.0, 0.6) * (grey - white) + 0.1 * within(-1, 1) * grey
        brighter, towards_fluid = within(0.0, 0.4) * grey, within(0.1, 0.6) * (fluid - grey)
        lesion += towards_fluid if contrast == 1 else brighter * (contrast > 1)
        deep = grey + within(0.1, 1.0) * (white - grey)
        brightness[:, contrast] = np.stack([fluid, grey, white, deep, lesion, within(0.3, 1.2)], axis=1)
    anything = rng.uniform(0.05, 1.0, brightness.shape)
    brightness = np.where(wild[:, None, None], anything, brightness)
    sign = np.array([[-1, 0.1], [0.2, 1], [0.3, 0.2], [0.3, 1]])
    return brightness, sign * rng.uniform(0.1, 1.1, (count, len(CONTRASTS), 2))
