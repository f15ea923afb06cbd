"""One harmonized image beside what it was made from and what it should look like, ready to be drawn.

MR intensities have no unit, and scanners differ by a factor. So 1.0 is the brightest in the middle of the harmonized
image, where a head has no fat that would leave the brain dark. The target is in the same intensities, and each source
is multiplied by one factor: the one that brings it nearest to the harmonized image if it has the same contrast, there
too, else the one that makes its own brightest 1.0.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ..base.contrasts import CONTRASTS
from ..harmonize.subjects import Subject
from ..images.grid import GRID_AFFINE
from ..inferers.harmonization import Harmonized, SourceFeatures


@dataclass(frozen=True)
class Box:
    """A part of the working grid, from the voxel `low` up to, not including, `high`."""

    low: tuple[int, ...]
    high: tuple[int, ...]

    @classmethod
    def around(cls, mask: np.ndarray, margin: int) -> "Box":
        """The smallest box that holds what is True, and `margin` voxels around, within the volume."""
        places = np.argwhere(mask)
        low = np.maximum(places.min(axis=0) - margin, 0)
        high = np.minimum(places.max(axis=0) + 1 + margin, mask.shape)
        return cls(tuple(low.tolist()), tuple(high.tolist()))

    def cut(self, volume: np.ndarray) -> np.ndarray:
        """That part of a volume (X, Y, Z)."""
        return volume[tuple(slice(low, high) for low, high in zip(self.low, self.high, strict=True))]

    def millimeters(self, axis: int, index: int) -> int:
        """Where slice `index` of the box lies along an axis of MNI152 space."""
        return round(float(self.affine[axis, axis] * index + self.affine[axis, 3]))

    @property
    def affine(self) -> np.ndarray:
        """Voxel to world (4, 4) of the part."""
        affine = GRID_AFFINE.copy()
        affine[:3, 3] += GRID_AFFINE[:3, :3] @ np.array(self.low)
        return affine


@dataclass(frozen=True, eq=False)
class Comparison:
    """Volumes (X, Y, Z) float32 of a `box` of the working grid, 1.0 being white.

    `inside` is where the statistics are taken. What a method does not know, or the user did not ask for, is None.
    """

    contrast: str
    box: Box
    sources: Mapping[str, np.ndarray]
    harmonized: np.ndarray
    target: np.ndarray | None
    inside: np.ndarray
    imputed: np.ndarray | None
    uncertainty: np.ndarray | None
    attention: Mapping[str, np.ndarray]
    features: SourceFeatures | None

    @property
    def before(self) -> np.ndarray | None:
        """The source of the contrast that was harmonized; None where that is made up from other contrasts."""
        return self.sources.get(self.contrast)


def compare(
    subject: Subject,
    result: Harmonized,
    contrast: str,
    reference: str,
    target: Tensor | None,
    white: float = 99.5,
    margin: int = 4,
) -> Comparison:
    """`target` (X, Y, Z) is on the working grid. `white` is the percentile of an image's middle that is 1.0."""
    sources = {name: _numpy(subject.data["image"][CONTRASTS.index(name)]) for name in subject.images}
    harmonized = _numpy(result.image[0])
    wanted = None if target is None else _numpy(target)
    shown = harmonized != 0
    for volume in [*sources.values(), *([] if wanted is None else [wanted])]:
        shown |= volume != 0
    box = Box.around(shown, margin)
    harmonized, sources = box.cut(harmonized), {name: box.cut(volume) for name, volume in sources.items()}
    inside = harmonized != 0 if result.visible is None else box.cut(_numpy(result.visible[0]) != 0)
    if not inside.any():
        inside = box.cut(shown)
    top = _brightest(harmonized, white)
    harmonized = harmonized / top
    return Comparison(
        contrast=contrast,
        box=box,
        sources={
            n: v * (_fit(v, harmonized) if n == contrast else 1 / _brightest(v, white)) for n, v in sources.items()
        },
        harmonized=harmonized,
        target=None if wanted is None else box.cut(wanted) / top,
        inside=inside,
        imputed=_imputed(result, reference, box),
        uncertainty=None if result.uncertainty is None else box.cut(_numpy(result.uncertainty[0])) / top,
        attention=_attention(result, sources, box),
        features=result.features,
    )


def _numpy(tensor: Tensor) -> np.ndarray:
    return tensor.float().numpy(force=True)


def _brightest(volume: np.ndarray, percentile: float) -> float:
    """Of the foreground; 1 where there is none."""
    foreground = volume[_in_the_middle(volume > 0)]
    return float(np.percentile(foreground, percentile)) if foreground.size else 1.0


def _fit(volume: np.ndarray, harmonized: np.ndarray) -> float:
    """The factor that brings the volume nearest to the harmonized one, in the least squares sense."""
    common = _in_the_middle((volume > 0) & (harmonized > 0))
    own, wanted = volume[common].astype(np.float64), harmonized[common].astype(np.float64)
    return float(own @ wanted / (own @ own)) if own.size else 1.0


def _in_the_middle(region: np.ndarray) -> np.ndarray:
    """What of a region (X, Y, Z) lies in the middle half along each axis, or all of it if nothing does."""
    middle = np.zeros_like(region)
    half = tuple(slice(size // 4, size - size // 4) for size in region.shape)
    middle[half] = region[half]
    return middle if middle.any() else region


def _imputed(result: Harmonized, reference: str, box: Box) -> np.ndarray | None:
    """Where the image shows something and the reference source showed nothing."""
    if result.visible is None or result.foreground is None:
        return None
    shown = _numpy(result.foreground[CONTRASTS.index(reference)]) != 0
    return box.cut((_numpy(result.visible[0]) != 0) & ~shown)


def _attention(result: Harmonized, sources: Mapping[str, np.ndarray], box: Box) -> dict[str, np.ndarray]:
    if result.attention is None:
        return {}
    return {name: box.cut(_numpy(result.attention[CONTRASTS.index(name)])) for name in sources}
