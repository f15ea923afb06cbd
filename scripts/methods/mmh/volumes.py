"""Training data of MMH: whole volumes on the network's grid, of one contrast each."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from monai.utils import ensure_tuple
from torch import Tensor

from ...base.arguments import check_whole, refuse_unknown
from ...base.contrasts import CONTRASTS
from ...base.errors import InputError
from ...base.seeds import derive_seed
from ...images.sources import read_sources
from ...jobs.selection import chosen_labels
from ...training.epochs import EpochDataset
from ...training.samples import share_of_worker
from ...training.visits import Visit
from .grid import NetworkGrid

Kept = TypeVar("Kept")
# A visit, and which of its contrasts.
Item = tuple[Visit, str]


class Remembered(Generic[Kept]):
    """What was made last for names, at most `most` of them."""

    def __init__(self, most: int) -> None:
        check_whole("kept", most, 0)
        self.most = most
        self.things: OrderedDict[str, Kept] = OrderedDict()

    def get(self, name: str, make: Callable[[], Kept]) -> Kept:
        """What is remembered for a name, else what `make` makes."""
        thing = self.things.pop(name) if name in self.things else make()
        if self.most:
            self.things[name] = thing
            if len(self.things) > self.most:
                self.things.popitem(last=False)
        return thing


class People:
    """The `visits` of those to `train` on and of those `held_out`, to `validate`."""

    def __init__(self, visits: Sequence[Visit], held_out: Any) -> None:
        if held_out is None:
            raise InputError("`held_out` must name the subjects that training does not see, such as --held_out 03")
        there = [visit.subject for visit in visits]
        labels = chosen_labels(held_out, "held_out", "sub", there)
        if labels == set(there):
            raise InputError(f"`held_out` must leave subjects to train on, got all: {', '.join(sorted(labels))}")
        self.train = [visit for visit in visits if visit.subject not in labels]
        self.validate = [visit for visit in visits if visit.subject in labels]


class GridVolumes(EpochDataset):
    """Volumes of `visits` without end, in another order at every round; one visit gives one for each of `contrasts`.

    A sample holds `image` (1, X, Y, Z) from -1 to 1, the index of its `contrast`, and names. The last `kept` volumes
    stay in memory, in half precision: of 2 mm one takes 1.2 MB, of 1 mm 10 MB.
    """

    def __init__(
        self,
        visits: Sequence[Visit],
        contrasts: str | Sequence[str],
        preprocessing: Callable[[dict[str, Any]], dict[str, Any]],
        grid: NetworkGrid,
        kept: int = 200,
        seed: int = 1,
    ) -> None:
        super().__init__()
        self.contrasts = ensure_tuple(contrasts)
        refuse_unknown(self.contrasts, CONTRASTS, "contrast of `contrasts`")
        self.preprocessing = preprocessing
        self.grid = grid
        self.seed = seed
        self.items = [(visit, contrast) for visit in visits for contrast in self.contrasts if contrast in visit.sources]
        if not self.items:
            raise InputError(
                f"volumes to train on must be of {', '.join(self.contrasts)}, the cohort has none of these"
            )
        self.remembered: Remembered[Tensor] = Remembered(kept)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield this worker's samples."""
        first, step = share_of_worker(self.process, self.processes)
        for round in count(1):
            seed = derive_seed(self.seed, "volumes", self.epoch, round)
            # Every process has volumes, were there fewer of these than processes.
            order = np.random.default_rng(seed).permutation(len(self.items))
            yield from (self.sample(index) for index in np.resize(order, max(len(order), step))[first::step])

    def sample(self, index: int) -> dict[str, Any]:
        """One volume, with names."""
        visit, contrast = self.items[index]
        return {
            "image": self.volume(index),
            "contrast": CONTRASTS.index(contrast),
            "name": f"{visit.name} {contrast}",
            "subject": visit.subject,
            "scanner": visit.scanner,
            "site": visit.site,
        }

    def volume(self, index: int) -> Tensor:
        """(1, X, Y, Z)."""
        visit, contrast = self.items[index]
        return self.remembered.get(f"{visit.name} {contrast}", lambda: self._read(visit, contrast)).float()

    def _read(self, visit: Visit, contrast: str) -> Tensor:
        sources = read_sources({contrast: visit.sources[contrast]})
        data = {"image": torch.from_numpy(sources.stack), "available": torch.from_numpy(sources.available)}
        volume = self.preprocessing(data)["image"][CONTRASTS.index(contrast)]
        return self.grid.to_network(volume[None, None], f"{visit.name}, {contrast},")[0].half()


class TargetPairs(EpochDataset):
    """Each of the `sources`, with one of the `targets`, drawn at random, as `target` and `target_name`."""

    def __init__(self, sources: GridVolumes, targets: GridVolumes, seed: int = 1) -> None:
        super().__init__()
        wanted = {contrast for _, contrast in targets.items}
        if wanted != {contrast for _, contrast in sources.items}:
            raise InputError(
                f"sources must be of the target's contrast, {', '.join(sorted(wanted))}, got "
                f"{', '.join(sorted({contrast for _, contrast in sources.items}))}"
            )
        self.sources = sources
        self.targets = targets
        self.seed = seed

    def set_epoch(self, epoch: int, process: int = 0, processes: int = 1) -> None:
        """Choose the epoch that iterating gives, counted from 1, and this process's share of it."""
        super().set_epoch(epoch, process, processes)
        if hasattr(self, "sources"):
            self.sources.set_epoch(epoch, process, processes)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield this worker's samples."""
        for number, sample in enumerate(self.sources):
            yield {**sample, **self._target(number, sample)}

    def _target(self, number: int, sample: Mapping[str, Any]) -> dict[str, Any]:
        seed = derive_seed(self.seed, "target", self.epoch, number, sample["name"])
        drawn = self.targets.sample(int(np.random.default_rng(seed).integers(len(self.targets))))
        return {"target": drawn["image"], "target_name": drawn["name"]}
