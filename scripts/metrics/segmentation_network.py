"""A segmenter that adapts little to the image: a network that has seen brains in contrasts of all kinds."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from torch import Tensor

from ..base.errors import InputError
from ..base.regions import REGIONS
from ..base.weights import load_weights
from ..images.grid import GRID_SHAPE
from .segmentation_atlas import STRUCTURES, build_atlas
from .segmentation_input import relative_intensities, relative_window
from .subvoxel_network import BLOCK, FACTOR, SubvoxelUNet, pack, unpack

# Labels beyond those of the regions: fluid outside the ventricles, and what else is in the brain, such as pallidum.
SULCAL_FLUID, OTHER_BRAIN = len(REGIONS) + 1, len(REGIONS) + 2
CLASSES = OTHER_BRAIN + 1
# Structures of the atlas whose brightness stands for that of fluid, gray and white matter.
TISSUES = (("ventricles", "sulcal_fluid"), ("cerebrum_gm", "cerebellar_gm"), ("cerebral_wm", "cerebellar_wm"))

MIDDLE = (96, 116, 84)
"""The voxel of the working grid that is in the middle of the brain."""

_ADVICE = "train it with configs/train_segmenter.json"


@dataclass(frozen=True)
class NetworkSegmenter:
    """Image (X, Y, Z) on the working grid -> label map (X, Y, Z) uint8, 0 or the label of one of the nine `REGIONS`.

    The network of `configs/train_segmenter.json` labels windows of about the size that it was trained on, and their
    logits are blended. Windows cover a box in the middle of the grid that holds every brain; beyond it nothing gets a
    label. The same weights label all images: unlike `TissueSegmenter`, it fits neither a gain field nor a warp to an
    image, and of intensities only those of fluid, gray and white matter in a window.
    """

    weights: Path | str
    # Whether fluid outside the ventricles gets a label too, the one after those of the regions.
    sulcal_fluid: bool = False
    features: Sequence[int] = (24, 32, 48, 64)
    # Sides of a window and of the box, and the share of a window that the next one sees again at least.
    window: Sequence[int] = (96, 112, 96)
    box: Sequence[int] = (176, 208, 176)
    overlap: float = 0.1

    def __post_init__(self) -> None:
        """Refuse boxes that do not fit, and weights that are missing, damaged or of another network."""
        for least, side, size in zip(self.window, self.box, GRID_SHAPE, strict=True):
            if side % FACTOR or not least <= side <= size:
                raise InputError(
                    f"`box` must have even sides from {tuple(self.window)} to {GRID_SHAPE}, got {tuple(self.box)}"
                )
        self._network()

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Segment one image."""
        box = box_in_grid(MIDDLE, self.box)
        shown = torch.from_numpy(relative_intensities(image)[box])
        packed, sides = pack(shown[None, None], expected_in(box)[None]), [side // FACTOR for side in self.window]
        with torch.inference_mode():
            logits: Any = sliding_window_inference(packed, sides, 1, self._label, self.overlap, mode="gaussian")
            found = unpack(logits)[0].argmax(dim=0).to(torch.uint8).numpy()
        found[found > len(REGIONS) + self.sulcal_fluid] = 0
        labels = np.zeros(GRID_SHAPE, dtype=np.uint8)
        labels[box] = found
        return labels

    def _label(self, packed: Tensor) -> Tensor:
        """Logits (1, 8 classes, x, y, z) of a window, packed as the network takes it."""
        shown = torch.from_numpy(relative_window(packed[:, :BLOCK].numpy()))
        return self._network().label_packed(torch.cat([shown, packed[:, BLOCK:]], dim=1))

    def _network(self) -> SubvoxelUNet:
        return _load(str(self.weights), tuple(self.features))


def segmenter_network(features: Sequence[int]) -> SubvoxelUNet:
    """The network, which gets a prior of `STRUCTURES` and gives logits of `CLASSES`."""
    fluid, grey, white = ([STRUCTURES.index(name) for name in names] for names in TISSUES)
    return SubvoxelUNet(CLASSES, len(STRUCTURES), fluid, grey, white, features)


@lru_cache(maxsize=2)
def _load(weights: str, features: tuple[int, ...]) -> SubvoxelUNet:
    """The network, read once per process."""
    network = segmenter_network(features)
    load_weights(network, weights, _ADVICE)
    return network.eval()


def box_in_grid(middle: Sequence[int], sides: Sequence[int]) -> tuple[slice, slice, slice]:
    """The box of these sides about a voxel of the grid, moved so that it does not leave the grid; it starts evenly."""
    starts = [
        min(max(FACTOR * ((centre - side // 2) // FACTOR), 0), size - side)
        for centre, side, size in zip(middle, sides, GRID_SHAPE, strict=True)
    ]
    x, y, z = (slice(start, start + side) for start, side in zip(starts, sides, strict=True))
    return x, y, z


def expected_in(box: tuple[slice, slice, slice]) -> Tensor:
    """Prior probabilities (K, X/2, Y/2, Z/2) of the atlas' structures in a box of the grid, in voxels of 2 mm."""
    x, y, z = (slice(side.start // FACTOR, side.stop // FACTOR) for side in box)
    return torch.from_numpy(build_atlas(FACTOR, 1.0, 0.5, 0.02)[:, x, y, z])
