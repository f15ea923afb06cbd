"""Proton density, T1 and T2 of every voxel, as continuous fields that tie the contrasts of a voxel together."""

from dataclasses import dataclass

import torch

from ..base.regions import REGIONS
from .fields import seeded, smooth_field, white_field
from .model import anatomy_model, tissue_table

_REGION_NAMES = ("outside", *REGIONS, "pallidum")


@dataclass(frozen=True)
class Relaxation:
    """Proton density (relative to water) and T1, T2 in seconds at 3 T, each (X, Y, Z)."""

    pd: torch.Tensor
    t1: torch.Tensor
    t2: torch.Tensor

    def blend(self, kind: str, share: torch.Tensor) -> "Relaxation":
        """Replace `share` of each voxel by the tissue `kind` of the table."""
        pd, t1, t2 = tissue_table()[kind]
        return Relaxation(
            pd=self.pd + share * (pd - self.pd),
            t1=self.t1 * torch.exp(share * (torch.log(torch.tensor(t1)) - torch.log(self.t1))),
            t2=self.t2 * torch.exp(share * (torch.log(torch.tensor(t2)) - torch.log(self.t2))),
        )


def _lookup(kind: str, default: str) -> torch.Tensor:
    """Table (region, 3) of log PD, T1, T2 for grey or white matter; regions without a value take `default`'s."""
    values = tissue_table()[kind]
    return torch.tensor([values.get(name, values[default]) for name in _REGION_NAMES]).log()


def _variation(seed: int, stream: int, shape: tuple[int, int, int]) -> torch.Tensor:
    """Relative variation of a tissue property: smooth over regions, finer over structures, and voxel texture."""
    generator = seeded(seed, stream)
    total = torch.zeros(shape)
    for spacing, spread in anatomy_model()["field_spread"].items():
        size = float(spacing)
        field = white_field(shape, generator) if size <= 1 else smooth_field(shape, size, generator)
        total += spread * field
    return total


def render_relaxation(seed: int, white: torch.Tensor, regions: torch.Tensor, depth_mm: torch.Tensor) -> Relaxation:
    """Mix grey and white matter by the share `white`, region by region, and vary the result over space.

    `depth_mm` is the distance of cortex from white matter, near which cortex holds more myelin.
    """
    model = anatomy_model()
    shape = (white.shape[0], white.shape[1], white.shape[2])
    spread = torch.tensor([model["tissue_spread"][name] for name in ("pd", "t1", "t2")])
    generator = seeded(seed, 10)
    grey_table = _lookup("grey", "cerebrum_gm") + spread * torch.randn(len(_REGION_NAMES), 3, generator=generator)
    white_table = _lookup("white", "cerebral_wm") + spread * torch.randn(len(_REGION_NAMES), 3, generator=generator)
    index = regions.long()
    logs = [torch.lerp(grey_table[:, i][index], white_table[:, i][index], white) for i in range(3)]
    shared, own = _variation(seed, 11, shape), _variation(seed, 12, shape)
    # Water content and myelin drive T1, T2 and PD together; iron and others act on T2 alone.
    shared = shared + model["cortex_spread_per_mm"] * (1 - white) * (depth_mm - 2).clamp(-2, 1)
    part = model["t2_own_share"]
    logs[0] = logs[0] - model["pd_share"] * shared
    logs[1] = logs[1] + shared
    logs[2] = logs[2] + (1 - part) * shared + part * own
    return Relaxation(*(log.exp() for log in logs))
