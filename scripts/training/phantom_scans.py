"""Training data straight to memory: simulated people, rendered and scanned while the network trains."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..base.arguments import check_whole
from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..base.seeds import derive_seed
from ..phantom.cohort import Cohort, SubjectPlan, VisitPlan, draw_cohort
from ..phantom.phantom import Phantom, PhantomParts
from ..phantom.scanner import RANGES_FILE, Scanner, load_ranges
from .scans import Place, Scan, ScanStream


@dataclass(eq=False)
class PhantomScans(ScanStream):
    """A cohort's people, each rendered once and scanned on several scanners.

    Scans go through the `preprocessing`; without any, each volume is divided by its percentile. `mask` is the brain.
    Every round of every epoch has new people, on the same scanners.
    """

    designs: Mapping[str, Mapping[str, Any]]
    """As in `configs/simulate.json`, like `cohort`, `subjects` and `protocols`."""
    seed: int = 1
    cohort: str = "train"
    scanner_seed: int = 1
    subjects: int | None = None
    scanners_per_subject: int = 2
    """In place of the design's `visits`."""
    traveling: bool = False
    """Whether the truth of a sample is what the person's next visit shows, after the last one the first."""
    bias_left: float = 1.0
    """The share of each scanner's `bias_strength` that further bias correction, N4 say, is to leave."""
    preprocessing: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    """As at inference: of `image` (4, X, Y, Z) and `available` (4,)."""
    percentile: float = 95.0
    """Over all voxels, zeros included, as published weights expect."""
    protocols: str = str(RANGES_FILE)
    phantom: PhantomParts = Phantom()

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated; a first round is drawn to see it."""
        check_whole("scanners_per_subject", self.scanners_per_subject)
        if not 0 <= self.bias_left <= 1:
            raise InputError(f"`bias_left` must be between 0 and 1, got {self.bias_left}")
        if self.traveling and self.scanners_per_subject < 2:
            raise InputError(f"`traveling` needs `scanners_per_subject` of at least 2, got {self.scanners_per_subject}")
        self.draw()

    def draw(self, epoch: int = 1, round: int = 1) -> Cohort:
        """Draw the people of a round, both counted from 1, and their visits."""
        visits = {"visits": [self.scanners_per_subject] * 2, "total_visits": None}
        designs = {name: {**design, **visits} for name, design in self.designs.items()}
        seed = derive_seed(self.seed, "epoch", epoch, round)
        return draw_cohort(
            str(self.cohort), designs, load_ranges(self.protocols), seed, self.scanner_seed, self.subjects
        )

    @property
    def visits_per_person(self) -> int:
        """One for each scanner."""
        return self.scanners_per_subject

    def places(self) -> list[Place]:
        """Those of the cohort."""
        return sorted({Place(scanner.site, scanner.name) for scanner in self.draw().scanners.values()})

    def people(self, epoch: int, round: int) -> Iterator[Iterator[Scan]]:
        """The scans of each person of a round."""
        cohort = self.draw(epoch, round)
        for plan in cohort.subjects:
            yield self._scan(f"epoch-{epoch}_round-{round}_{plan.name}", plan, cohort.scanners)

    def _scan(self, name: str, plan: SubjectPlan, scanners: Mapping[str, Scanner]) -> Iterator[Scan]:
        """Render one person and acquire every visit."""
        parameters = self.phantom.draw_subject(plan.seed, plan.age, plan.lesion_load, plan.head)
        person = self.phantom.render_subject(parameters)
        brain, tissues = torch.from_numpy(person.brain > 0), torch.from_numpy(person.tissues).to(torch.int8)
        for visit in plan.visits:
            scanner = self._corrected(scanners[visit.scanner])
            available = torch.tensor([float(contrast in visit.contrasts) for contrast in CONTRASTS])
            yield Scan(
                volumes=self._prepare(self._acquire(person, scanner, visit), available),
                available=available,
                mask=brain,
                tissues=tissues,
                about={"subject": name, "scanner": scanner.name, "site": scanner.site},
                seed=derive_seed(self.seed, name, scanner.name),
                name=f"{name}_{scanner.name}",
            )

    def _corrected(self, scanner: Scanner) -> Scanner:
        protocols = {
            contrast: replace(protocol, bias_strength=self.bias_left * protocol.bias_strength)
            for contrast, protocol in scanner.protocols.items()
        }
        return replace(scanner, protocols=protocols)

    def _acquire(self, person: Any, scanner: Scanner, visit: VisitPlan) -> Tensor:
        """Stack the contrasts (4, X, Y, Z) of a visit."""
        volumes = torch.zeros(len(CONTRASTS), *person.brain.shape)
        for contrast in visit.contrasts:
            image = self.phantom.acquire(person, scanner, contrast, visit.run_seed(1))
            volumes[CONTRASTS.index(contrast)] = torch.from_numpy(image)
        return volumes

    def _prepare(self, volumes: Tensor, available: Tensor) -> Tensor:
        if self.preprocessing is not None:
            prepared: Tensor = self.preprocessing({"image": volumes, "available": available})["image"]
            return prepared
        for channel in available.nonzero().flatten().tolist():
            peak = float(np.percentile(volumes[channel].numpy(), self.percentile))
            if peak <= 0:
                raise InputError(f"`percentile` must lie above the background of the images, got {self.percentile:g}")
            volumes[channel] /= peak
        return volumes
