"""What the fusion net learns from: volumes that the harmonizer decoded in three planes, beside what they should be."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..contrasts import CONTRASTS
from ..inferers.fusing import KeepingFusion
from ..inferers.triplanar import TriPlanarInferer
from ..io.weights import read_checkpoint, save_weights, state_sha256
from ..networks.haca3 import Haca3
from ..phantom.cohort import derive_seed
from ..transforms.artifacts import apply_artifact
from ..transforms.random_artifact import RandomArtifactd
from .epochs import EpochDataset
from .phantom_slices import PhantomSlices
from .slice_stream import check_whole, share_of_worker
from .tasks import draw_artifact

VOLUMES = ("planes", "sources", "target", "visible", "mask")


class FusionVolumes(EpochDataset):
    """The first `number` of the people, each harmonized from the first visit to one contrast of the second, whose scan
    is the truth.

    Contrasts are dropped and degraded as in `HarmonizationTaskd`. An example holds `planes` (3, X, Y, Z), `sources`
    (4, X, Y, Z), 0 where they show nothing, and `target`, `visible`, where a source shows something, and `mask`, the
    brain, each (1, X, Y, Z), and names. One takes the harmonizer a minute, so they are kept in `folder` for as long as
    they are of the same network. Every epoch has all of them in another order: each whole, or as `patches` of
    `patch_size` voxels a side around places in the brain.
    """

    def __init__(
        self,
        people: PhantomSlices,
        network: Haca3,
        inferer: TriPlanarInferer,
        folder: Path | str,
        number: int = 16,
        patches: int = 0,
        patch_size: int = 64,
        target_dropout: float = 0.5,
        contrast_dropout: float = 0.5,
        degraded: float = 0.2,
        upper: float = 5.0,
        seed: int = 1,
    ) -> None:
        super().__init__()
        check_whole("number", number)
        check_whole("patches", patches, least=0)
        check_whole("patch_size", patch_size)
        self.people = people
        self.network = network.eval()
        self.inferer = inferer
        self.folder = Path(folder)
        self.number = number
        self.patches = patches
        self.patch_size = patch_size
        self.target_dropout = target_dropout
        self.contrast_dropout = contrast_dropout
        self.degraded = degraded
        self.artifact = RandomArtifactd("image")
        self.upper = upper
        self.seed = seed

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield this process's examples."""
        rng = np.random.default_rng(derive_seed(self.seed, "epoch", self.epoch, self.process))
        order = np.random.default_rng(derive_seed(self.seed, "order", self.epoch)).permutation(self.number)
        first, step = share_of_worker(self.process, self.processes)
        for number in order[first::step]:
            example = self.example(int(number))
            if self.patches:
                yield from self._cut(example, rng)
            else:
                yield example

    def example(self, number: int) -> dict[str, Any]:
        """One person's example, counted from 0."""
        path = self.folder / f"{number:04d}.pt"
        example = read_checkpoint(path) if path.exists() else {}
        made_by = state_sha256(self.network)
        if example.get("made_by") != made_by:
            example = {**self._make(number), "made_by": made_by}
            save_weights(example, path)
        return {**example, **{name: example[name].float() for name in VOLUMES}}

    def _cut(self, example: dict[str, Any], rng: np.random.Generator) -> Iterator[dict[str, Any]]:
        """Patches around random places of the brain, moved inwards where they would not fit."""
        shape = np.array(example["mask"].shape[1:])
        sizes = np.minimum(self.patch_size, shape)
        places = example["mask"][0].nonzero().numpy()
        for place in places[rng.integers(len(places), size=self.patches)]:
            start = np.clip(place - sizes // 2, 0, shape - sizes)
            patch = tuple(slice(first, first + size) for first, size in zip(start, sizes, strict=True))
            yield {**example, **{name: example[name][:, *patch] for name in VOLUMES}}

    def _make(self, number: int) -> dict[str, Any]:
        """In half precision, which takes half the space."""
        person = next(islice(self.people.scans(1, 1), number, None))
        visit, other = islice(person, 2)
        rng = np.random.default_rng(derive_seed(self.seed, "fusion", visit.seed))
        contrast = int(rng.choice(other.available.nonzero().flatten().tolist()))
        sources = self._draw_sources(visit.volumes, visit.available, contrast, rng)
        available = sources.flatten(1).any(1).float()
        target = other.volumes[contrast, None].clamp(max=self.upper)
        with torch.inference_mode():
            code = self.network.encode_target(target[None].to(self.network.default_target.device), CONTRASTS[contrast])
        self.inferer.fusion = fusion = KeepingFusion()
        self.inferer.harmonize(sources, self.network, [code], available)
        foreground = self.network.foreground(sources)
        volumes = {
            "planes": torch.stack(list(fusion.planes)).cpu(),
            "sources": sources * foreground,
            "target": target,
            "visible": foreground.any(0, keepdim=True),
            "mask": visit.mask[None],
        }
        return {**{name: volumes[name].half() for name in VOLUMES}, **visit.about, "contrast": CONTRASTS[contrast]}

    def _draw_sources(self, volumes: Tensor, available: Tensor, contrast: int, rng: np.random.Generator) -> Tensor:
        """What is left of a visit's contrasts (4, X, Y, Z), at least one, some of them with an artifact."""
        dropout = np.where(np.arange(len(CONTRASTS)) == contrast, self.target_dropout, self.contrast_dropout)
        kept = (available.numpy() > 0) & (rng.random(len(CONTRASTS)) >= dropout)
        if not kept.any():
            kept[rng.choice(available.nonzero().flatten().tolist())] = True
        sources = torch.zeros_like(volumes)
        for index in kept.nonzero()[0]:
            image = volumes[index, None]
            if rng.random() < self.degraded:
                image = torch.as_tensor(apply_artifact(image, draw_artifact(self.artifact, rng, image)))
            sources[index] = image[0].clamp(max=self.upper)
        return sources
