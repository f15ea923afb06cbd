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

_NUMBERS = ("theta", "eta", "percentiles")


@dataclass(frozen=True, eq=False, kw_only=True)
class PlusCode(Code):
    """The contrast `theta` and the artifacts `eta` of a volume, and the `percentiles` of its foreground."""

    method: ClassVar[str] = "haca3plus"

    theta: tuple[float, ...]
    eta: tuple[float, ...]
    percentiles: tuple[float, ...]

    def numbers(self) -> dict[str, Any]:
        """As JSON holds them."""
        return {name: getattr(self, name) for name in _NUMBERS}

    def describe(self) -> dict[str, list[float]]:
        """Theta and percentiles differ between scanners, eta between images with artifacts."""
        return {"appearance": [*self.theta, *self.percentiles], "artifacts": list(self.eta)}

    def tensor(self, device: torch.device) -> Tensor:
        """(1, D), as `CodeLayout` has it."""
        contrast = [float(self.contrast == each) for each in CONTRASTS]
        return torch.tensor([[*self.theta, *self.eta, *self.percentiles, *contrast]], device=device)

    @classmethod
    def mean(cls, codes: Sequence[Self], **origin: Any) -> Self:
        """The mean of all numbers."""
        means: dict[str, Any] = {
            name: tuple(torch.tensor([getattr(code, name) for code in codes]).mean(0).tolist()) for name in _NUMBERS
        }
        return cls(**cls.in_common(codes), **means, **origin)


def code_of_tensor(code: Tensor, layout: CodeLayout, contrast: str) -> PlusCode:
    """The code that a network made, (1, D)."""
    row = code[0].float().cpu()
    parts = {"theta": layout.theta(row), "eta": layout.eta(row), "percentiles": layout.percentiles(row)}
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
    refuse_unknown(stored.numbers, _NUMBERS, "key")
    lengths = {
        "theta": layout.theta_end,
        "eta": layout.eta_end - layout.theta_end,
        "percentiles": layout.percentiles_end - layout.eta_end,
    }
    numbers: dict[str, Any] = {}
    for name, length in lengths.items():
        values = stored.numbers.get(name)
        if not isinstance(values, list | tuple) or not all(map(is_number, values)) or len(values) != length:
            raise InputError(f"`{name}` must be a list of {length} finite numbers, got {values!r}")
        numbers[name] = tuple(values)
    if any(high < low for low, high in zip(numbers["percentiles"], numbers["percentiles"][1:], strict=False)):
        raise InputError(f"`percentiles` must not fall, got {stored.numbers['percentiles']}")
    common = {name: getattr(stored, name) for name in ("scale", "head", "origin", "weights", "name")}
    return PlusCode(contrast=stored.contrast, **numbers, **common)
