"""Training data straight to memory: slices of simulated people, rendered while the network trains."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..base.seeds import derive_seed
from ..phantom.cohort import Cohort, SubjectPlan, VisitPlan, draw_cohort
from ..phantom.phantom import Phantom, PhantomParts
from ..phantom.scanner import RANGES_FILE, Scanner, load_ranges
from .slice_stream import Scan, ScanSlices, SliceStream, check_whole


@dataclass(eq=False)
class PhantomSlices(SliceStream):
    """Slices of a cohort's people, each person rendered once and scanned on several scanners.

    Each volume is divided by its percentile; `mask` is the brain. Every round of every epoch has new people, on the
    same scanners.
    """

    designs: Mapping[str, Mapping[str, Any]]
    """As in `configs/simulate.json`, like `cohort`, `subjects` and `protocols`."""
    cohort: str = "train"
    scanner_seed: int = 1
    subjects: int | None = None
    scanners_per_subject: int = 2
    """In place of the design's `visits`."""
    traveling: bool = False
    """Whether the truth of a sample is the same slice of the person's next visit, after the last one of the first."""
    bias_left: float = 1.0
    """The share of each scanner's `bias_strength` that further bias correction, N4 say, is to leave."""
    percentile: float = 95.0
    """Over all voxels, zeros included, as published weights expect."""
    protocols: str = str(RANGES_FILE)
    phantom: PhantomParts = Phantom()

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated; a first round is drawn to see it."""
        super().__post_init__()
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

    def people(self, epoch: int, round: int) -> Iterator[Iterator[ScanSlices]]:
        """The visits of each person of a round."""
        return (map(self.cut, visits) for visits in self.scans(epoch, round))

    def scans(self, epoch: int, round: int) -> Iterator[Iterator[Scan]]:
        """The same, not yet cut into slices."""
        cohort = self.draw(epoch, round)
        for plan in cohort.subjects:
            yield self._scan(f"epoch-{epoch}_round-{round}_{plan.name}", plan, cohort.scanners)

    def pair(self, visits: Iterator[ScanSlices]) -> Iterator[tuple[ScanSlices, ScanSlices | None]]:
        """Each visit, with the next one if people are traveling."""
        if not self.traveling:
            yield from super().pair(visits)
            return
        first = current = next(visits)
        for following in chain(visits, [first]):
            yield current, following
            current = following

    def _scan(self, name: str, plan: SubjectPlan, scanners: Mapping[str, Scanner]) -> Iterator[Scan]:
        """Render one person and acquire every visit."""
        parameters = self.phantom.draw_subject(plan.seed, plan.age, plan.lesion_load, plan.head)
        person = self.phantom.render_subject(parameters)
        brain, tissues = torch.from_numpy(person.brain > 0), torch.from_numpy(person.tissues).to(torch.int8)
        for visit in plan.visits:
            scanner = self._corrected(scanners[visit.scanner])
            yield Scan(
                volumes=self._acquire(person, scanner, visit),
                available=torch.tensor([float(contrast in visit.contrasts) for contrast in CONTRASTS]),
                mask=brain,
                tissues=tissues,
                about={"subject": name, "scanner": scanner.name, "site": scanner.site},
                seed=derive_seed(self.seed, name, scanner.name),
            )

    def _corrected(self, scanner: Scanner) -> Scanner:
        protocols = {
            contrast: replace(protocol, bias_strength=self.bias_left * protocol.bias_strength)
            for contrast, protocol in scanner.protocols.items()
        }
        return replace(scanner, protocols=protocols)

    def _acquire(self, person: Any, scanner: Scanner, visit: VisitPlan) -> Tensor:
        """Stack the contrasts (4, X, Y, Z) of a visit, scaled."""
        volumes = torch.zeros(len(CONTRASTS), *person.brain.shape)
        for contrast in visit.contrasts:
            image = self.phantom.acquire(person, scanner, contrast, visit.run_seed(1))
            peak = float(np.percentile(image, self.percentile))
            if peak <= 0:
                raise InputError(f"`percentile` must lie above the background of the images, got {self.percentile:g}")
            volumes[CONTRASTS.index(contrast)] = torch.from_numpy(image) / peak
        return volumes
