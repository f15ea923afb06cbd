"""One simulated person on several scanners: how alike the images are as they come, and after histogram matching."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.transforms.utils import generate_spatial_bounding_box

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..methods.classical.baseline import Baseline
from ..metrics.image import psnr
from ..metrics.scaling import divide_by_percentile
from ..metrics.ssim import windowed_ssim
from ..phantom.cohort import Cohort, VisitPlan, draw_cohort
from ..phantom.phantom import Phantom, PhantomParts
from ..phantom.scanner import RANGES_FILE, load_ranges
from .realism_report import MATCHED, RESCAN, UNHARMONIZED, PairNumber


@dataclass(frozen=True)
class ScannerPairs:
    """Compares the images that `scanners` scanners of a cohort's design make of one person with the first one's.

    Inside the brain, each image divided by its percentile there, data range 1. `matching` is the baseline that gives an
    image the look of the first scanner's.
    """

    designs: Mapping[str, Mapping[str, Any]]
    matching: Baseline
    cohort: str = "treat"
    contrasts: Sequence[str] = ("t1w", "t2w", "flair")
    scanners: int = 9
    seed: int = 1
    scanner_seed: int = 1
    percentile: float = 95.0
    protocols: str = str(RANGES_FILE)
    phantom: PhantomParts = Phantom()

    def __post_init__(self) -> None:
        """Refuse what cannot be compared."""
        if isinstance(self.scanners, bool) or not isinstance(self.scanners, int) or self.scanners < 2:
            raise InputError(f"`scanners` of pairs must be a whole number of at least 2, got {self.scanners}")
        known = self.draw().subjects[0].visits[0].contrasts
        for contrast in self.contrasts:
            if contrast not in known:
                raise InputError(f"`contrasts` of pairs must be among {', '.join(known)}, got {contrast}")

    def draw(self) -> Cohort:
        """Draw the design with one person who visits all the scanners."""
        visits = {"visits": [self.scanners] * 2, "total_visits": None}
        designs = {name: {**design, **visits} for name, design in self.designs.items()}
        return draw_cohort(str(self.cohort), designs, load_ranges(self.protocols), self.seed, self.scanner_seed, 1)

    def measure(self) -> list[PairNumber]:
        """Render the person once, and compare contrast by contrast."""
        cohort = self.draw()
        plan = cohort.subjects[0]
        person = self.phantom.render_subject(
            self.phantom.draw_subject(plan.seed, plan.age, plan.lesion_load, plan.head)
        )
        return [row for contrast in self.contrasts for row in self._compare_scanners(cohort, person, contrast)]

    def _compare_scanners(self, cohort: Cohort, person: Any, contrast: str) -> Iterator[PairNumber]:
        brain = person.brain > 0
        box = tuple(slice(*ends) for ends in zip(*generate_spatial_bounding_box(brain[None]), strict=True))
        inside = brain[box]

        def scan(visit: VisitPlan, run: int) -> np.ndarray:
            scanner = cohort.scanners[visit.scanner]
            image = self.phantom.acquire(person, scanner, contrast, visit.run_seed(run))
            return np.where(inside, image[box], np.float32(0))

        def row(kind: str, visit: VisitPlan, image: np.ndarray) -> PairNumber:
            ours, wanted = (divide_by_percentile(values, inside, self.percentile) for values in (image, reference))
            similarity = windowed_ssim(ours, wanted, inside).value
            return PairNumber(contrast, kind, visit.scanner, psnr(ours, wanted, inside), similarity)

        first, *others = cohort.subjects[0].visits
        reference = scan(first, run=1)
        for visit in others:
            image = scan(visit, run=1)
            yield row(UNHARMONIZED, visit, image)
            yield row(MATCHED, visit, self._matched(image, reference, contrast))
        yield row(RESCAN, first, scan(first, run=2))

    def _matched(self, image: np.ndarray, reference: np.ndarray, contrast: str) -> np.ndarray:
        sources = torch.zeros(1, len(CONTRASTS), *image.shape)
        sources[0, CONTRASTS.index(contrast)] = torch.from_numpy(image)
        target = self.matching.encode_target(torch.from_numpy(reference)[None, None], contrast)
        return self.matching(sources, target)[0, 0].numpy()
