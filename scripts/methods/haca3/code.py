"""What HACA3 and HACA3+ remember of a target."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from ...base.arguments import refuse_unknown
from ...base.errors import InputError
from ...jobs.targets import COMMON, StoredCode, is_number
from ...layers.tone_curve import ToneCurve
from ..base import Code
from .levels import mean_levels, with_levels
from .tone import mean_curve

_REQUIRED, _OPTIONAL = ("theta", "eta"), ("tone", "levels")


@dataclass(frozen=True, eq=False, kw_only=True)
class Haca3Code(Code):
    """A scanner's contrast `theta` and artifacts `eta`, as one set of weights understands them.

    `tone` is what is still to be done to what the network makes of it. `levels` are what classes of anatomy still lack
    where it makes the contrast up, which is so for a subject with `absent` contrast.
    """

    method: ClassVar[str] = "haca3"

    theta: tuple[float, ...]
    eta: tuple[float, ...]
    tone: ToneCurve | None = None
    levels: tuple[float, ...] | None = None
    absent: bool = False

    def numbers(self) -> dict[str, Any]:
        """As JSON holds them."""
        tone = None if self.tone is None else asdict(self.tone)
        return {"theta": self.theta, "eta": self.eta, "tone": tone, "levels": self.levels}

    def describe(self) -> dict[str, list[float]]:
        """Theta is what differs between scanners, eta what differs between images with artifacts."""
        return {"appearance": list(self.theta), "artifacts": list(self.eta)}

    def when_absent(self) -> Self:
        """Levels take the place of the curve, which was found with the target itself as a source."""
        return self if self.levels is None else replace(self, absent=True, tone=None)

    def tensor(self, like: Tensor) -> Tensor:
        """(1, theta + eta), kind and place as of `like`; behind them levels where the contrast is absent."""
        code = like.new_tensor([[*self.theta, *self.eta]])
        return code if not self.absent or self.levels is None else with_levels(code, self.levels)

    @classmethod
    def mean(cls, codes: Sequence[Self], **origin: Any) -> Self:
        """The mean of all numbers, as far as codes have them."""
        numbers = torch.tensor([[*code.theta, *code.eta] for code in codes], dtype=torch.float32).mean(0).tolist()
        split = len(codes[0].theta)
        return cls(
            theta=tuple(numbers[:split]),
            eta=tuple(numbers[split:]),
            tone=mean_curve([code.tone for code in codes if code.tone is not None]),
            levels=mean_levels([code.levels for code in codes]),
            **cls.in_common(codes),
            **origin,
        )


def read_haca3_code(stored: StoredCode, lengths: tuple[int, int]) -> Haca3Code:
    """The code of a file, which must have `lengths` numbers of theta and eta."""
    try:
        return _read(stored, lengths)
    except InputError as error:
        raise InputError(f"target code {stored.name}: {error}") from error


def _read(stored: StoredCode, lengths: tuple[int, int]) -> Haca3Code:
    if stored.method not in ("", Haca3Code.method):
        raise InputError(f"`method` must be {Haca3Code.method}, got {stored.method}; encode its image with this method")
    refuse_unknown(stored.numbers, (*_REQUIRED, *_OPTIONAL, *COMMON), "key")
    missing = [key for key in _REQUIRED if key not in stored.numbers]
    if missing:
        raise InputError(f"a code must have contrast, {', '.join(_REQUIRED)}, `{missing[0]}` is missing")
    theta, eta = (_numbers(key, stored.numbers[key]) for key in _REQUIRED)
    if (len(theta), len(eta)) != lengths:
        raise InputError(f"it must have {lengths} numbers of theta and eta, it has {(len(theta), len(eta))}")
    levels, tone = stored.numbers.get("levels"), stored.numbers.get("tone")
    return Haca3Code(
        contrast=stored.contrast,
        theta=theta,
        eta=eta,
        tone=None if tone is None else _curve(tone),
        levels=None if levels is None else _numbers("levels", levels),
        scale=stored.scale,
        head=stored.head,
        origin=stored.origin,
        weights=stored.weights,
        name=stored.name,
    )


def _numbers(key: str, values: Any) -> tuple[float, ...]:
    if not isinstance(values, list | tuple) or not values or not all(map(is_number, values)):
        raise InputError(f"`{key}` must be a list of finite numbers, got {values!r}")
    return tuple(values)


def _curve(content: Any) -> ToneCurve:
    sides = ("made", "wanted")
    if not isinstance(content, Mapping) or {*content} != {*sides}:
        raise InputError(f"`tone` must be an object with {' and '.join(sides)}, got {content!r}")
    if not all(isinstance(content[side], list | tuple) and all(map(is_number, content[side])) for side in sides):
        raise InputError(f"`tone` must hold lists of finite numbers, got {content!r}")
    return ToneCurve(*(tuple(content[side]) for side in sides))
