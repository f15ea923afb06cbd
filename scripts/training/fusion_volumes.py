"""What the fusion net learns from: volumes that the harmonizer decoded in three planes, beside what they should be."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..contrasts import CONTRASTS
from ..inferers.fusing import KeepingFusion, fusion_cube
from ..inferers.triplanar import TriPlanarInferer
from ..io.weights import read_checkpoint, save_weights, state_sha256
from ..networks.haca3 import Haca3
from ..phantom.cohort import derive_seed
from ..transforms.intensity_scale import scale_by_percentile
from .epochs import EpochDataset
from .phantom_slices import PhantomSlices
from .slice_stream import check_whole, share_of_worker


class FusionVolumes(EpochDataset):
    """The first `number` of the people, each harmonized from the first visit to one contrast of the second, whose scan
    is the truth.

    An example holds the `planes` (3, Z, Y, X) as a fusion net sees them, `target`, `visible`, where the sources show
    something, and `mask`, the brain, each (1, Z, Y, X), and names. One takes the harmonizer a minute, so they are kept
    in `folder` for as long as they are of the same network. Every epoch has all of them in another order.
    """

    def __init__(
        self,
        people: PhantomSlices,
        network: Haca3,
        inferer: TriPlanarInferer,
        folder: Path | str,
        number: int = 16,
        target_dropout: float = 0.5,
        contrast_dropout: float = 0.3,
        upper: float = 5.0,
        seed: int = 1,
    ) -> None:
        """Drop contrasts from the sources as `HarmonizationTaskd` does."""
        super().__init__()
        check_whole("number", number)
        self.people = people
        self.network = network.eval()
        self.inferer = inferer
        self.folder = Path(folder)
        self.number = number
        self.target_dropout = target_dropout
        self.contrast_dropout = contrast_dropout
        self.upper = upper
        self.seed = seed

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield this process's examples."""
        order = np.random.default_rng(derive_seed(self.seed, "order", self.epoch)).permutation(self.number)
        first, step = share_of_worker(self.process, self.processes)
        return (self.example(int(number)) for number in order[first::step])

    def example(self, number: int) -> dict[str, Any]:
        """One person's example, counted from 0."""
        path = self.folder / f"{number:04d}.pt"
        example = read_checkpoint(path) if path.exists() else {}
        made_by = state_sha256(self.network)
        if example.get("made_by") != made_by:
            example = {**self._make(number), "made_by": made_by}
            save_weights(example, path)
        return {name: value.float() if torch.is_tensor(value) else value for name, value in example.items()}

    def _make(self, number: int) -> dict[str, Any]:
        """In half precision, which takes half the space."""
        person = next(islice(self.people.scans(1, 1), number, None))
        visit, other = islice(person, 2)
        rng = np.random.default_rng(derive_seed(self.seed, "fusion", visit.seed))
        contrast = int(rng.choice(other.available.nonzero().flatten().tolist()))
        available = visit.available * torch.from_numpy(rng.random(len(CONTRASTS)) >= self._dropout(contrast))
        if not available.any():
            available = visit.available
        sources = visit.volumes.clamp(max=self.upper) * available[:, None, None, None]
        target = other.volumes[contrast, None].clamp(max=self.upper)
        with torch.inference_mode():
            code = self.network.encode_target(target[None].to(self.network.default_target.device), CONTRASTS[contrast])
        self.inferer.fusion = fusion = KeepingFusion()
        self.inferer.harmonize(sources, self.network, [code], available)
        planes = [scale_by_percentile(plane, name="a decoded plane")[0] for plane in fusion.planes]
        volumes = {"planes": torch.stack(planes), "target": target, "mask": visit.mask[None]}
        # Where a source shows something.
        volumes["visible"] = (sources > self.network.foreground_threshold).any(0, keepdim=True)
        cubes = {name: fusion_cube(volume.cpu().half(), self.network.field_of_view) for name, volume in volumes.items()}
        return {**cubes, **visit.about, "contrast": CONTRASTS[contrast]}

    def _dropout(self, contrast: int) -> np.ndarray:
        """How likely each contrast is missing where the target is of this one."""
        return np.where(np.arange(len(CONTRASTS)) == contrast, self.target_dropout, self.contrast_dropout)
