"""From where a subject's scans lie to MNI152 space, by a rigid motion for each.

Every image gets one matrix, so that it is interpolated once on its way to the working grid, and a result once on its
way back.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.errors import InputError
from ..images.nifti import NativeImage
from ..images.resampling import IDENTITY
from ..images.sources import Aligned
from .recognition import Recognition
from .rigid import Registered, RigidRegistration
from .template import TemplateBrain, load_template_brain

logger = logging.getLogger(__name__)

MODES = ("auto", "rigid")
_TEMPLATE = "the MNI152 template"


@dataclass(frozen=True)
class Alignment:
    """Registers a subject's images to MNI152 space.

    By `mode`, rigid takes every image for raw, and auto those that `recognition` does not know to lie in MNI152 space.
    Where all are raw, the first that fits is registered to the template, on the brain and `rim_mm` around it; the
    others are then registered to that image, as they are to one that lay in MNI152 space already.

    A registration whose score is below the one of its kind, `template` or `contrast`, in `lowest_scores` is refused.
    """

    registration: RigidRegistration
    recognition: Recognition
    lowest_scores: Mapping[str, float]
    mode: str = "auto"
    rim_mm: int = 4

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise InputError(f"`registration` must be one of none, {', '.join(MODES)}, got {self.mode}")

    def __call__(self, images: Mapping[str, NativeImage]) -> Aligned:
        """Say how each image comes to MNI152 space."""
        raw = {contrast: image for contrast, image in images.items() if self._is_raw(image)}
        if not raw:
            return Aligned()
        to_mni: dict[str, np.ndarray] = {}
        found: dict[str, Any] = {}
        anchor = next((contrast for contrast in images if contrast not in raw), None)
        if anchor is None:
            anchor, registered = self._to_template(raw)
            to_mni[anchor], found[anchor] = np.linalg.inv(registered.matrix), _describe(registered, _TEMPLATE)
        anchor_to_mni = to_mni.get(anchor, IDENTITY)
        region = _move(np.linalg.inv(anchor_to_mni), self._template.region)
        for contrast, image in raw.items():
            if contrast != anchor:
                registered = self.registration(images[anchor], image, region)
                registered.accept(self.lowest_scores["contrast"], f"image {image.path}", str(images[anchor].path))
                to_mni[contrast] = anchor_to_mni @ np.linalg.inv(registered.matrix)
                found[contrast] = _describe(registered, anchor)
        for contrast, what in found.items():
            logger.info("%s: registered to %s, score %.3f", images[contrast].path, what["to"], what["score"])
        return Aligned(to_mni, found)

    def _is_raw(self, image: NativeImage) -> bool:
        return self.mode == "rigid" or not self.recognition(image)

    def _to_template(self, raw: Mapping[str, NativeImage]) -> tuple[str, Registered]:
        """The first image that fits the template; people's brains are of other sizes than it."""
        lowest, tried = self.lowest_scores["template"], dict[str, Registered]()
        for contrast, image in raw.items():
            tried[contrast] = self.registration(self._template, image, self._template.region, scaled=True)
            if tried[contrast].score >= lowest:
                break
        best = max(tried, key=lambda contrast: tried[contrast].score)
        tried[best].accept(lowest, f"image {raw[best].path}", _TEMPLATE)
        return best, tried[best]

    @property
    def _template(self) -> TemplateBrain:
        return load_template_brain(self.rim_mm)


def _describe(registered: Registered, to: str) -> dict[str, Any]:
    return {"to": to, "score": registered.score, "overlap": registered.overlap}


def _move(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return matrix[:3, :3] @ points + matrix[:3, 3:]
