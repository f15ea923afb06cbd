"""MMH as a method: images of any scanner go to the domain that the weights know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from ...base.contrasts import CONTRASTS
from ...base.steps import tell
from ...inferers.harmonization import Harmonized
from ...layers.carry_curve import CurveCarrier
from ..base import Abilities, Code, Method
from .inferer import DiffusionInferer
from .network import Mmh


@dataclass(frozen=True, eq=False, kw_only=True)
class MmhCode(Code):
    """The domain of the weights, of which there is one for each contrast."""

    method: ClassVar[str] = "mmh"

    def numbers(self) -> dict[str, Any]:
        """None: the weights hold all."""
        return {}

    @classmethod
    def mean(cls, codes: Sequence[Self], **origin: Any) -> Self:
        """The domain itself."""
        return codes[0]


class MmhMethod(Method):
    """Each image goes through the diffusion; `detail` then gives it back what the network's voxels are too large for.

    That is the image itself, through the curve from the brightness of what the network saw of it to that of what it
    made. No other image of the subject has a part in it.
    """

    parts = ("detail",)
    network: Mmh

    def __init__(self, name: str, network: Mmh, inferer: DiffusionInferer, detail: CurveCarrier | None = None) -> None:
        self.name = name
        self.network = network
        self.inferer = inferer
        self.detail = detail

    @property
    def can(self) -> Abilities:
        """No targets, and any scanner."""
        return Abilities(targets=False)

    def middle_ground(self, contrast: str, scanner: str | None) -> MmhCode:
        """The domain, whatever the scanner is."""
        return MmhCode(contrast=self.network.known_contrast(contrast))

    def for_network(self, code: MmhCode) -> str:
        """The contrast."""
        return code.contrast

    def finish(self, results: Sequence[Harmonized], data: Mapping[str, Any], codes: Sequence[Any]) -> list[Harmonized]:
        """Carry detail, if asked for."""
        if self.detail is None:
            return list(results)
        tell("finish")
        finished = []
        for result, code in zip(results, codes, strict=True):
            source = data["image"][CONTRASTS.index(code.contrast), None].to(result.image.device)
            seen = self.network.grid.blurred(source[None])[0]
            finished.append(replace(result, image=self.detail(result.image, source, seen, result.image)))
        return finished
