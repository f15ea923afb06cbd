"""Batches of labelled images of simulated people, no two of the same contrast."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..base.arguments import check_whole
from ..base.seeds import derive_seed
from ..metrics.segmentation_input import relative_window
from ..metrics.segmentation_network import MIDDLE, box_in_grid, expected_in
from ..phantom.deformation import identity, sample
from ..training.epochs import NumberedBatches
from .anatomies import SimulatedAnatomies, decode
from .contrast import ContrastLaw
from .scan import ScanLaw

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class WindowLaw:
    """Draws which voxels of a person an image shows: a box of the working grid, in which the person lies at random.

    `size` are its sides, even numbers. Its middle lies up to `reach_mm` from that of the brain along each axis. People
    are turned and stretched by normally distributed angles and logarithms, and every other one is mirrored.
    """

    size: Sequence[int]
    reach_mm: Sequence[float] = (40.0, 55.0, 42.0)
    turn_deg: float = 2.0
    stretch: float = 0.03

    def draw(self, rng: np.random.Generator) -> tuple[Box, Tensor]:
        """The box, and the voxels of the person (3, X, Y, Z) that it shows."""
        centre = np.rint(np.array(MIDDLE) + np.array(self.reach_mm) * rng.uniform(-1, 1, 3)).astype(int)
        box = box_in_grid(centre.tolist(), self.size)
        x, y, z = np.deg2rad(self.turn_deg * rng.standard_normal(3))
        turn = torch.linalg.matrix_exp(torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float32))
        stretch = np.exp(self.stretch * rng.standard_normal(3))
        stretch[0] *= rng.choice([-1, 1])
        pose, middle = turn * torch.from_numpy(stretch).float(), torch.tensor(MIDDLE, dtype=torch.float32)
        offset = middle + pose @ (torch.tensor([side.start for side in box]) - middle)
        return box, torch.einsum("ij,jxyz->ixyz", pose, identity(self.size)) + offset[:, None, None, None]


class LabelledImages(NumberedBatches):
    """Batches of `image` (B, 1, X, Y, Z), relative to its 99th percentile, `label` (B, 1, X, Y, Z), and `prior`.

    Each image is drawn from the seed and its number alone. The people are those of training, or the `held_out` ones.
    """

    def __init__(
        self,
        anatomies: SimulatedAnatomies,
        window: WindowLaw,
        contrasts: ContrastLaw,
        scans: ScanLaw,
        batch: int,
        steps: int,
        seed: int = 1,
        held_out: bool = False,
    ) -> None:
        check_whole("batch", batch)
        self.anatomies, self.window, self.contrasts, self.scans = anatomies, window, contrasts, scans
        self.batch, self.seed, self.held_out = batch, seed, held_out
        super().__init__(steps)

    def make_batch(self, number: int) -> dict[str, Any]:
        """`batch` images."""
        images = [self._draw(self.batch * number + place) for place in range(self.batch)]
        return {
            **{key: torch.stack([image[key] for image in images]) for key in ("image", "prior", "label")},
            "subject": [f"person {image['person']}" for image in images],
            "scanner": [f"image {image['number']}" for image in images],
        }

    def _draw(self, number: int) -> dict[str, Any]:
        rng = np.random.default_rng(derive_seed("segmenter image", self.seed, number))
        first, count = 1, self.anatomies.people
        if self.held_out:
            first, count = first + count, self.anatomies.held_out
        person = first + int(rng.integers(count))
        box, places = self.window.draw(rng)
        coded, labels = _read(self.anatomies.read(person), places)
        density, t1, fluid, depth = decode(coded)
        image = self.contrasts.draw(rng).show(density, t1, fluid, labels)
        image = self.scans.draw(rng).take(image, depth)
        return {
            "image": torch.from_numpy(relative_window(image))[None],
            "prior": expected_in(box),
            "label": torch.from_numpy(labels)[None],
            "person": person,
            "number": number,
        }


def _read(maps: np.ndarray, places: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Maps (4, X, Y, Z) and labels (X, Y, Z) of a person at voxels (3, X, Y, Z), reading no more than these need."""
    last = torch.tensor(maps.shape[1:]) - 1
    edges = places.flatten(1)
    low = torch.minimum(edges.amin(dim=1).floor().long().clamp(min=0), last - 1)
    high = torch.maximum(torch.minimum(edges.amax(dim=1).ceil().long(), last), low + 1)
    x, y, z = (slice(int(a), int(b) + 1) for a, b in zip(low, high, strict=True))
    block = torch.from_numpy(np.array(maps[:, x, y, z]))
    inside = places - low[:, None, None, None]
    return sample(block[:-1].float(), inside).numpy(), sample(block[-1:], inside)[0].numpy()
