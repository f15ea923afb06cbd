"""HACA3+ as a method: from sources and codes to images."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ...base.contrasts import CONTRASTS
from ...inferers.harmonization import SourceFeatures
from ...jobs.targets import StoredCode
from ..base import Abilities, Method
from ..haca3.features import features_table
from .code import PlusCode, code_of_tensors, read_plus_code
from .network import HarmonizationNet
from .planes import PlanesInferer


class PlusMethod(Method):
    """All that there is to do is done by the network, slice by slice in three planes."""

    network: HarmonizationNet
    inferer: PlanesInferer

    def __init__(self, name: str, network: HarmonizationNet, inferer: PlanesInferer) -> None:
        self.name = name
        self.network = network
        self.inferer = inferer

    @property
    def can(self) -> Abilities:
        """Everything, and a target's image alone is enough."""
        return Abilities(stored_codes=True, imputes=True)

    def encode(self, images: Tensor, contrast: str, when_absent: bool = False) -> PlusCode:
        """The code of a volume."""
        code = self.inferer.encode_volume(self.network, images[CONTRASTS.index(contrast)], contrast)
        return code_of_tensors(code, self.network.layout, contrast)

    def read_code(self, stored: StoredCode) -> PlusCode:
        """The code of a file."""
        return read_plus_code(stored, self.network.layout)

    def for_network(self, code: PlusCode) -> Tensor:
        """(1, D + T + 1)."""
        return code.tensor(self.network.default_target.device)

    @torch.inference_mode()
    def features(self, data: Mapping[str, Any]) -> SourceFeatures:
        """Codes of the slices of the sources that their volumes' codes are the mean of."""
        return self.inferer.look(data["image"], self.network, data["available"])

    def features_table(self, features: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
        """A row for each source in each of these slices."""
        return features_table(features)
