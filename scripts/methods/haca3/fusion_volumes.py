"""What the fusion net learns from: volumes that the harmonizer decoded in three planes, beside what they should be."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...artifacts.degrade import apply_artifact
from ...artifacts.random_artifact import RandomArtifactd
from ...base.arguments import check_whole
from ...base.contrasts import CONTRASTS
from ...base.seeds import derive_seed
from ...base.weights import read_checkpoint, save_weights, state_sha256
from ...training.epochs import EpochDataset
from ...training.phantom_scans import PhantomScans
from ...training.samples import share_of_worker
from .fusing import KeepingFusion
from .network import Haca3
from .tasks import draw_artifact
from .triplanar import TriPlanarInferer

PERSON, CONTRAST = ("visible", "mask"), ("planes", "target")


class FusionVolumes(EpochDataset):
    """The first `number` of the people, each harmonized from the first visit to all contrasts of the second, whose
    scans are the truth.

    Sources are dropped and degraded as in `HarmonizationTaskd`. An example holds `planes` (3, X, Y, Z), and `target`,
    `visible`, where a source shows something, and `mask`, the brain, each (1, X, Y, Z), and names. A person takes the
    harmonizer minutes, so they are kept in `folder` for as long as they are of the same network. Every epoch has all of
    them in another order: each whole, in one of its contrasts, or as `patches` of `patch_size` voxels a side around
    places in the brain, each of a contrast at random.
    """

    def __init__(
        self,
        people: PhantomScans,
        network: Haca3,
        inferer: TriPlanarInferer,
        folder: Path | str,
        number: int = 16,
        patches: int = 0,
        patch_size: int = 64,
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
            if self.patches:
                yield from self._cut(self.person(int(number)), rng)
            else:
                yield self.example(int(number))

    def example(self, number: int) -> dict[str, Any]:
        """A whole one of the person with this number, counted from 0; neighbours differ in contrast."""
        person = self.person(number)
        contrasts = list(person["contrasts"])
        return _of_contrast(person, contrasts[number % len(contrasts)])

    def person(self, number: int) -> dict[str, Any]:
        """All that is kept of a person: volumes and, by contrast, under `contrasts`, further ones."""
        path = self.folder / f"{number:04d}.pt"
        person = read_checkpoint(path) if path.exists() else {}
        made_by = state_sha256(self.network)
        if person.get("made_by") != made_by:
            person = {**self._make(number), "made_by": made_by}
            save_weights(person, path)
        return person

    def _cut(self, person: dict[str, Any], rng: np.random.Generator) -> Iterator[dict[str, Any]]:
        """Patches around random places of the brain, moved inwards where they would not fit."""
        shape = np.array(person["mask"].shape[1:])
        sizes = np.minimum(self.patch_size, shape)
        places = person["mask"][0].nonzero().numpy()
        for place in places[rng.integers(len(places), size=self.patches)]:
            start = np.clip(place - sizes // 2, 0, shape - sizes)
            patch = tuple(slice(first, first + size) for first, size in zip(start, sizes, strict=True))
            yield _of_contrast(person, str(rng.choice(list(person["contrasts"]))), patch)

    def _make(self, number: int) -> dict[str, Any]:
        """In half precision, which takes half the space."""
        visit, other = islice(next(islice(self.people.people(1, 1), number, None)), 2)
        rng = np.random.default_rng(derive_seed(self.seed, "fusion", visit.seed))
        sources = self._draw_sources(visit.volumes, visit.available, rng)
        channels = other.available.nonzero().flatten().tolist()
        targets = other.volumes[channels].clamp(max=self.upper)
        device = self.network.default_target.device
        with torch.inference_mode():
            codes = [
                self.network.encode_target(target[None, None].to(device), CONTRASTS[channel])
                for channel, target in zip(channels, targets, strict=True)
            ]
        self.inferer.fusion = fusion = KeepingFusion()
        self.inferer.harmonize(sources, self.network, codes, sources.flatten(1).any(1).float())
        return {
            "visible": self.network.foreground(sources).any(0, keepdim=True).half(),
            "mask": visit.mask[None].half(),
            "contrasts": {
                CONTRASTS[channel]: {"planes": planes.cpu().half(), "target": target[None].half()}
                for channel, planes, target in zip(channels, fusion.kept, targets, strict=True)
            },
            **visit.about,
        }

    def _draw_sources(self, volumes: Tensor, available: Tensor, rng: np.random.Generator) -> Tensor:
        """What is left of a visit's contrasts (4, X, Y, Z), at least one, some of them with an artifact."""
        kept = (available.numpy() > 0) & (rng.random(len(CONTRASTS)) >= self.contrast_dropout)
        if not kept.any():
            kept[rng.choice(available.nonzero().flatten().tolist())] = True
        sources = torch.zeros_like(volumes)
        for index in kept.nonzero()[0]:
            image = volumes[index, None]
            if rng.random() < self.degraded:
                image = torch.as_tensor(apply_artifact(image, draw_artifact(self.artifact, rng, image)))
            sources[index] = image[0].clamp(max=self.upper)
        return sources


def _of_contrast(person: dict[str, Any], contrast: str, patch: tuple[slice, ...] = ()) -> dict[str, Any]:
    """An example of one contrast, or a patch of it."""
    names = {name: value for name, value in person.items() if isinstance(value, str)}
    volumes = {
        **{name: person[name] for name in PERSON},
        **{name: person["contrasts"][contrast][name] for name in CONTRAST},
    }
    return {**{name: volume[:, *patch].float() for name, volume in volumes.items()}, **names, "contrast": contrast}
