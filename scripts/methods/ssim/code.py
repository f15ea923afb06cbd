"""What the method remembers of a target: a style."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch

from ...base.arguments import refuse_unknown
from ...base.errors import InputError
from ...jobs.targets import StoredCode, is_number
from ..base import Code
from .network import SsimNet, StyleCode

_NUMBERS = ("noise", "labels")


@dataclass(frozen=True, eq=False, kw_only=True)
class SsimCode(Code):
    """The `noise`, the source's own if it is None, and the value of each label, 1 for those that an image has."""

    method: ClassVar[str] = "ssim"

    noise: tuple[float, ...] | None
    labels: Mapping[str, float]

    def numbers(self) -> dict[str, Any]:
        """As JSON holds them."""
        noise = {} if self.noise is None else {"noise": list(self.noise)}
        return {**noise, "labels": dict(self.labels)}

    def describe(self) -> dict[str, list[float]]:
        """All of it differs between scanners."""
        return {"appearance": [*(self.noise or ()), *self.labels.values()]}

    def style(self) -> StyleCode:
        """As the network takes it."""
        noise = None if self.noise is None else torch.tensor([self.noise])
        return StyleCode(noise, torch.tensor([list(self.labels.values())]))

    @classmethod
    def mean(cls, codes: Sequence[Self], **origin: Any) -> Self:
        """The mean of all numbers; the noise is the source's own where it is that of one code."""
        noises = [code.noise for code in codes if code.noise is not None]
        whole = len(noises) == len(codes)
        return cls(
            noise=tuple(torch.tensor(noises).mean(0).tolist()) if whole else None,
            labels={label: sum(code.labels[label] for code in codes) / len(codes) for label in codes[0].labels},
            **cls.in_common(codes),
            **origin,
        )


def read_ssim_code(stored: StoredCode, network: SsimNet) -> SsimCode:
    """The code of a file; refuse one of another method, contrast or other labels."""
    try:
        return _read(stored, network)
    except InputError as error:
        raise InputError(f"target code {stored.name}: {error}") from error


def _read(stored: StoredCode, network: SsimNet) -> SsimCode:
    if stored.method != SsimCode.method:
        raise InputError(f"`method` must be {SsimCode.method}, got {stored.method or 'none'}")
    refuse_contrast(stored.contrast, network)
    refuse_unknown(stored.numbers, _NUMBERS, "key")
    labels, noise = stored.numbers.get("labels"), stored.numbers.get("noise")
    if (
        not isinstance(labels, Mapping)
        or set(labels) != set(network.labels)
        or not all(map(is_number, labels.values()))
    ):
        raise InputError(f"`labels` must be a number for each of {', '.join(network.labels)}, got {labels!r}")
    length = network.sizes.noise
    if noise is not None and not (
        isinstance(noise, list | tuple) and len(noise) == length and all(map(is_number, noise))
    ):
        raise InputError(f"`noise` must be a list of {length} finite numbers, or left out, got {noise!r}")
    common = {name: getattr(stored, name) for name in ("scale", "head", "origin", "weights", "name")}
    ordered = {label: float(labels[label]) for label in network.labels}
    return SsimCode(contrast=stored.contrast, noise=None if noise is None else tuple(noise), labels=ordered, **common)


def refuse_contrast(contrast: str, network: SsimNet) -> None:
    """Refuse a contrast that the network was not trained on."""
    if contrast != network.contrast:
        raise InputError(f"`contrast` must be the one that was trained on, {network.contrast}, got {contrast}")
