"""SSIM-guided disentanglement as a method: scans of any scanner go to a trained style, to none, or to an image's."""

from collections.abc import Iterator

import torch
from torch import Tensor

from ...base.errors import InputError
from ...base.seeds import derive_seed
from ...jobs.targets import NamedTargets, StoredCode
from ..base import Abilities, Method
from .code import SsimCode, read_ssim_code, refuse_contrast
from .inferer import FieldInferer
from .network import SsimNet, StyleCode
from .styles import AGNOSTIC, style_name

NOISES = ("zero", "drawn", "source")


class SsimMethod(Method):
    """All that there is to do is done by the network.

    The `noise` of a target that is a label is the mean of all noise, `zero`, or `drawn` once by the `seed`, or that of
    the `source`.
    """

    network: SsimNet
    inferer: FieldInferer
    parts = ("noise", "seed")

    def __init__(self, name: str, network: SsimNet, inferer: FieldInferer, noise: str = "zero", seed: int = 0) -> None:
        if noise not in NOISES:
            raise InputError(f"`noise` must be one of {', '.join(NOISES)}, got {noise}")
        self.name = name
        self.network = network
        self.inferer = inferer
        self.noise = noise
        self.seed = seed

    @property
    def can(self) -> Abilities:
        """Targets of any kind, for one contrast."""
        return Abilities(stored_codes=True, contrasts=(self.network.contrast,))

    @property
    def named_targets(self) -> NamedTargets:
        """A code for every style that was trained, for each label that one style alone has, and for no label."""
        return {name: {self.network.contrast: self._stored(name, labels)} for name, labels in self._named()}

    def encode(self, images: Tensor, contrast: str, when_absent: bool = False) -> SsimCode:
        """The style of an image."""
        refuse_contrast(contrast, self.network)
        noise, labels = self.inferer.encode(images, self.network)
        assert noise is not None
        values = dict(zip(self.network.labels, labels[0].tolist(), strict=True))
        return SsimCode(contrast=contrast, noise=tuple(noise[0].tolist()), labels=values)

    def read_code(self, stored: StoredCode) -> SsimCode:
        """The code of a file, or of a name."""
        return read_ssim_code(stored, self.network)

    def for_network(self, code: SsimCode) -> StyleCode:
        """Noise (1, N) and labels (1, K)."""
        return code.style()

    def _named(self) -> Iterator[tuple[str, Tensor]]:
        styles = self.network.styles
        for style, vector in zip(styles, self.network.vectors, strict=True):
            yield style_name(style), vector
            for label in style:
                # Such as a scanner, which stands at one site.
                if len(style) > 1 and sum(label in other for other in styles) == 1:
                    yield label, vector
        yield AGNOSTIC, self.network.agnostic[0]

    def _stored(self, name: str, labels: Tensor) -> StoredCode:
        numbers = {"labels": dict(zip(self.network.labels, labels.tolist(), strict=True))} | self._noise()
        return StoredCode(self.network.contrast, numbers, origin="a trained style", name=name, method=SsimCode.method)

    def _noise(self) -> dict[str, list[float]]:
        if self.noise == "source":
            return {}
        if self.noise == "zero":
            return {"noise": [0.0] * self.network.sizes.noise}
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "noise"))
        return {"noise": torch.randn(self.network.sizes.noise, generator=generator).tolist()}
