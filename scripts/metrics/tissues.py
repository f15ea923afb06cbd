"""Tissues as unions of the regions of a segmentation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..base.errors import InputError
from .segmentation_atlas import STRUCTURES


@dataclass(frozen=True)
class TissueLabels:
    """Image (X, Y, Z) -> label map (X, Y, Z) uint8 in which tissue i of `tissues` is i + 1 and all else 0.

    `tissues` have names of structures, `segment` gives these the labels of their places in STRUCTURES, plus 1.
    """

    segment: Callable[[np.ndarray], np.ndarray]
    tissues: Mapping[str, Sequence[str]]

    def __post_init__(self) -> None:
        """Refuse structures that do not exist, or that are of two tissues."""
        named = [structure for structures in self.tissues.values() for structure in structures]
        wrong = [name for name in named if name not in STRUCTURES or named.count(name) > 1]
        if wrong or not named:
            raise InputError(
                f"`tissues` must hold some of {', '.join(STRUCTURES)}, each once, got {', '.join(wrong) or 'none'}"
            )

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Segment one image."""
        table = np.zeros(256, np.uint8)
        for tissue, structures in enumerate(self.tissues.values(), start=1):
            table[[STRUCTURES.index(structure) + 1 for structure in structures]] = tissue
        return table[np.asarray(self.segment(image), np.uint8)]
