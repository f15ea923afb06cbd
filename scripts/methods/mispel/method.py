"""MISPEL as a method: scans of known scanners go to a middle ground."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from ...inferers.slices import SliceInferer
from ..base import Abilities, Code, Method
from .network import Mispel


@dataclass(frozen=True, eq=False, kw_only=True)
class MispelCode(Code):
    """The `scanner` whose scans go to the middle ground."""

    method: ClassVar[str] = "mispel"

    scanner: str

    def numbers(self) -> dict[str, Any]:
        """Its name."""
        return {"scanner": self.scanner}

    @classmethod
    def mean(cls, codes: Sequence[Self], **origin: Any) -> Self:
        """That of one scanner."""
        return codes[0]


class MispelMethod(Method):
    """Each scan goes through the encoder and the decoder of its own scanner."""

    network: Mispel

    def __init__(self, name: str, network: Mispel, inferer: SliceInferer) -> None:
        self.name = name
        self.network = network
        self.inferer = inferer

    @property
    def can(self) -> Abilities:
        """No targets, and known scanners alone."""
        return Abilities(targets=False, any_scanner=False)

    def middle_ground(self, contrast: str, scanner: str | None) -> MispelCode:
        """The scanner, if it was trained on."""
        return MispelCode(contrast=contrast, scanner=self.network.known_scanner(contrast, scanner))

    def for_network(self, code: MispelCode) -> str:
        """The scanner's name."""
        return code.scanner
