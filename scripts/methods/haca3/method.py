"""HACA3 and HACA3+ as a method: from sources and codes to finished images."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ...base.contrasts import CONTRASTS
from ...base.errors import InputError
from ...base.steps import tell
from ...inferers.harmonization import Harmonized, SourceFeatures
from ...jobs.targets import StoredCode
from ..base import Abilities, Method
from .carry_detail import DetailCarrier, Redrawing
from .code import Haca3Code, read_haca3_code
from .features import features_table
from .levels import LevelCalibration
from .network import Haca3
from .tone import ToneCalibration
from .triplanar import TriPlanarInferer


class Haca3Method(Method):
    """Encodes targets, harmonizes, and finishes the result: by the curve of its target, and by the source's detail.

    Without `tone` no target has a curve, without `levels` none has levels, and without `detail` none is carried.
    """

    parts = ("tone", "levels", "detail")
    network: Haca3
    inferer: TriPlanarInferer

    def __init__(
        self,
        name: str,
        network: Haca3,
        inferer: TriPlanarInferer,
        tone: ToneCalibration | None = None,
        levels: LevelCalibration | None = None,
        detail: DetailCarrier | None = None,
    ) -> None:
        self.name = name
        self.network = network
        self.inferer = inferer
        self.tone = tone
        self.levels = levels
        self.detail = detail

    @property
    def can(self) -> Abilities:
        """Everything."""
        return Abilities(stored_codes=True, imputes=True, companions=self.levels is not None)

    @torch.inference_mode()
    def encode(self, images: Tensor, contrast: str, when_absent: bool = False) -> Haca3Code:
        """Theta and eta, the curve, and levels if they can be needed."""
        channel = CONTRASTS.index(contrast)
        code = self.network.encode_target(images[None, channel, None], contrast)
        tone = levels = None
        if self.tone is not None:
            tone = self.tone(self.network, images[channel], contrast, code)
        if self.levels is not None and when_absent:
            levels = self.levels(self.network, images, contrast, code)
        return replace(self._code(code, contrast), tone=tone, levels=levels)

    @torch.inference_mode()
    def describe_image(self, image: Tensor, contrast: str) -> dict[str, list[float]]:
        """Theta and eta alone, without a curve, which takes its time."""
        return self._code(self.network.encode_target(image[None, None], contrast), contrast).describe()

    def read_code(self, stored: StoredCode) -> Haca3Code:
        """The code of a file; its curve and levels count where this run has such."""
        total = self.network.default_target.shape[1]
        code = read_haca3_code(stored, (self.network.theta, total - self.network.theta))
        classes = self.network.anatomy_classes
        if self.levels is not None and code.levels is not None and len(code.levels) != classes:
            raise InputError(
                f"target code {code.name} must have {classes} levels, one for each class of anatomy,"
                f" it has {len(code.levels)}"
            )
        return replace(
            code,
            tone=code.tone if self.tone is not None else None,
            levels=code.levels if self.levels is not None else None,
        )

    def for_network(self, code: Haca3Code) -> Tensor:
        """(1, theta + eta), with levels where the contrast is made up."""
        return code.tensor(self.network.default_target)

    def harmonize(self, data: Mapping[str, Any], codes: Sequence[Any]) -> list[Harmonized]:
        """Also draws the sources anew that have a target's contrast, at once, for their anatomy is encoded once."""
        own = self._own_codes(data, [code.contrast for code in codes]) if self.detail is not None else {}
        targets = [*map(self.for_network, codes), *own.values()]
        results = self.inferer.harmonize(data["image"], self.network, targets, data["available"])
        return self._finish(results[: len(codes)], data, codes, self._redrawings(own, results[len(codes) :]))

    def finish(self, results: Sequence[Harmonized], data: Mapping[str, Any], codes: Sequence[Any]) -> list[Harmonized]:
        """The same to what the inferer gave elsewhere; sources are drawn anew by a pass of their own."""
        redrawings: dict[str, Redrawing] = {}
        if self.detail is not None:
            own = self._own_codes(data, [code.contrast for code in codes])
            if own:
                again = self.inferer.harmonize(data["image"], self.network, [*own.values()], data["available"])
                redrawings = self._redrawings(own, again)
        return self._finish(results, data, codes, redrawings)

    def features(self, data: Mapping[str, Any]) -> SourceFeatures:
        """Codes of all slices of the sources."""
        return self.inferer.encode(data["image"], self.network, data["available"])

    def features_table(self, features: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
        """A row for each source in each slice."""
        return features_table(features)

    def _code(self, code: Tensor, contrast: str) -> Haca3Code:
        numbers, split = tuple(code[0].tolist()), self.network.theta
        return Haca3Code(contrast=contrast, theta=numbers[:split], eta=numbers[split:])

    def _own_codes(self, data: Mapping[str, Any], contrasts: Sequence[str]) -> dict[str, Tensor]:
        """The codes of a subject's sources of these contrasts as if they were targets."""
        available = {contrast for contrast, there in zip(CONTRASTS, data["available"].tolist(), strict=True) if there}
        with torch.inference_mode():
            return {
                contrast: self.network.encode_target(data["image"][None, CONTRASTS.index(contrast), None], contrast)
                for contrast in contrasts
                if contrast in available
            }

    def _redrawings(self, own: Mapping[str, Tensor], results: Sequence[Harmonized]) -> dict[str, Redrawing]:
        pairs = zip(own.items(), results, strict=True)
        return {contrast: Redrawing(each.image, self.network.severity(code)) for (contrast, code), each in pairs}

    def _finish(
        self,
        results: Sequence[Harmonized],
        data: Mapping[str, Any],
        codes: Sequence[Any],
        redrawings: Mapping[str, Redrawing],
    ) -> list[Harmonized]:
        tell("finish")
        finished = []
        for result, code in zip(results, codes, strict=True):
            image = result.image if code.tone is None else code.tone(result.image)
            if self.detail is not None and code.contrast in redrawings:
                source = data["image"][CONTRASTS.index(code.contrast)]
                image = self.detail(image, source, redrawings[code.contrast])
            finished.append(replace(result, image=image))
        return finished
