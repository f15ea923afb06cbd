"""What HACA3+ remembers of a target."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from ...base.arguments import refuse_unknown
from ...base.contrasts import CONTRASTS
from ...base.errors import InputError
from ...jobs.targets import StoredCode, is_number
from ..base import Code
from .codes import CodeLayout
from .tissue_levels import SAME_EXTENT, TISSUES
from .volume_code import VolumeCode

_NUMBERS = ("theta", "eta", "percentiles")
# What codes of earlier versions lack.
_UNKNOWN = {"levels": [0.0] * len(TISSUES), "extent": [0.0]}


@dataclass(frozen=True, eq=False, kw_only=True)
class PlusCode(Code):
    """The contrast `theta` and the artifacts `eta` of a volume, the `percentiles` of its foreground, and `levels`.

    These are of the tissues in `tissue_levels.py`. The `extent` is the number of voxels that the volume shows, by which
    another scan of the same person is told from one of somebody else. What is not known is 0.
    """

    method: ClassVar[str] = "haca3plus"

    theta: tuple[float, ...]
    eta: tuple[float, ...]
    percentiles: tuple[float, ...]
    levels: tuple[float, ...] = tuple(_UNKNOWN["levels"])
    extent: tuple[float, ...] = tuple(_UNKNOWN["extent"])

    def numbers(self) -> dict[str, Any]:
        """As JSON holds them."""
        return {name: getattr(self, name) for name in (*_NUMBERS, *_UNKNOWN)}

    def describe(self) -> dict[str, list[float]]:
        """Theta and percentiles differ between scanners, eta between images with artifacts."""
        return {"appearance": [*self.theta, *self.percentiles], "artifacts": list(self.eta)}

    def tensor(self, device: torch.device) -> Tensor:
        """(1, D + T + 1), as `CodeLayout` has it, and the levels and the extent."""
        contrast = [float(self.contrast == each) for each in CONTRASTS]
        known = (*self.theta, *self.eta, *self.percentiles, *contrast, *self.levels, *self.extent)
        return torch.tensor([known], device=device)

    @classmethod
    def mean(cls, codes: Sequence[Self], **origin: Any) -> Self:
        """The mean of all numbers; of a level, that of the codes that know it. Several people have no extent."""
        means: dict[str, Any] = {
            name: tuple(torch.tensor([getattr(code, name) for code in codes]).mean(0).tolist()) for name in _NUMBERS
        }
        levels = torch.tensor([code.levels for code in codes])
        known = levels.sum(0) / (levels > 0).sum(0).clamp(min=1)
        extents = torch.tensor([code.extent for code in codes])
        of_one = bool(extents.max().log() - extents.min().log() < SAME_EXTENT[0])
        means |= {"levels": tuple(known.tolist()), "extent": (float(extents.mean()) if of_one else 0.0,)}
        return cls(**cls.in_common(codes), **means, **origin)


def code_of_tensors(code: VolumeCode, layout: CodeLayout, contrast: str) -> PlusCode:
    """The code that a network made of a volume."""
    row = code.mean[0].float().cpu()
    parts = {"theta": layout.theta(row), "eta": layout.eta(row), "percentiles": layout.percentiles(row)}
    parts |= {"levels": code.levels[0].float(), "extent": code.extent[0].float()}
    numbers: dict[str, Any] = {name: tuple(part.tolist()) for name, part in parts.items()}
    return PlusCode(contrast=contrast, **numbers)


def read_plus_code(stored: StoredCode, layout: CodeLayout) -> PlusCode:
    """The code of a file; refuse one of another method or length."""
    try:
        return _read(stored, layout)
    except InputError as error:
        raise InputError(f"target code {stored.name}: {error}") from error


def _read(stored: StoredCode, layout: CodeLayout) -> PlusCode:
    if stored.method != PlusCode.method:
        found = stored.method or "haca3, of an earlier version"
        raise InputError(f"`method` must be {PlusCode.method}, got {found}; encode the target's image again")
    refuse_unknown(stored.numbers, (*_NUMBERS, *_UNKNOWN), "key")
    given = {**_UNKNOWN, **stored.numbers}
    lengths = {
        "theta": layout.theta_end,
        "eta": layout.eta_end - layout.theta_end,
        "percentiles": layout.percentiles_end - layout.eta_end,
        **{name: len(values) for name, values in _UNKNOWN.items()},
    }
    numbers: dict[str, Any] = {}
    for name, length in lengths.items():
        values = given.get(name)
        if not isinstance(values, list | tuple) or not all(map(is_number, values)) or len(values) != length:
            raise InputError(f"`{name}` must be a list of {length} finite numbers, got {values!r}")
        numbers[name] = tuple(values)
    if any(high < low for low, high in zip(numbers["percentiles"], numbers["percentiles"][1:], strict=False)):
        raise InputError(f"`percentiles` must not fall, got {stored.numbers['percentiles']}")
    for name in _UNKNOWN:
        if min(numbers[name]) < 0:
            raise InputError(f"`{name}` must be 0, where not known, or above, got {stored.numbers[name]}")
    common = {name: getattr(stored, name) for name in ("scale", "head", "origin", "weights", "name")}
    return PlusCode(contrast=stored.contrast, **numbers, **common)
