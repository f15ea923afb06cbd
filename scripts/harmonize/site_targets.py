"""Targets that are sites of the cohort: the mean code of a site's images, of a named site or of the steadiest one."""

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ..base.contrasts import CONTRASTS
from ..base.errors import InputError
from ..base.progress import Progress
from ..base.ranks import gather, own_rank
from ..jobs.jobs import Job
from ..jobs.naming import site_code_path
from ..jobs.targets import SiteTarget, StoredCode, TargetSpec, write_target_code
from ..methods.base import Code
from .subjects import to_reason
from .targets import TargetPreparation

logger = logging.getLogger(__name__)

# Those of the images of one site, by contrast.
_Codes = Mapping[str, list[Code]]


@dataclass(frozen=True)
class SiteTargets:
    """Knows the codes of the sites of `cohort`, to all of which belongs one image of each person and contrast.

    The steadiest site is the one whose codes vary the least between people: the trace of its covariance, averaged
    over the contrasts that are wanted. A site of fewer than `fewest_images` in one of them is not considered. A code is
    also written to `folder`, since it can be the target of other runs: new people would change the mean.
    """

    cohort: Sequence[Job]
    preparation: TargetPreparation
    folder: str | Path
    fewest_images: int = 3

    def __post_init__(self) -> None:
        if self.fewest_images < 2:
            raise InputError(
                f"`fewest_images` must be at least 2, since one image does not vary, got {self.fewest_images}"
            )

    def resolve(self, jobs: Sequence[Job]) -> list[Job]:
        """The `jobs` with codes where their targets are sites."""
        wanted = {(c, t) for job in self.cohort for c, t in job.targets.items() if isinstance(t, SiteTarget)}
        if not wanted:
            return list(jobs)
        contrasts = [c for c in CONTRASTS if c in {contrast for contrast, _ in wanted}]
        encoded = self._encode(contrasts, {target.site for _, target in wanted})
        unnamed = [c for c in contrasts if (c, SiteTarget(None)) in wanted]
        steadiest = self._steadiest(encoded, unnamed) if unnamed else ""
        codes: dict[tuple[str, SiteTarget], StoredCode] = {
            (c, target): self._code(encoded, c, target.site or steadiest) for c, target in wanted
        }

        def resolved(contrast: str, target: TargetSpec) -> TargetSpec:
            return codes[contrast, target] if isinstance(target, SiteTarget) else target

        return [replace(job, targets={c: resolved(c, t) for c, t in job.targets.items()}) for job in jobs]

    def _encode(self, contrasts: Sequence[str], sites: Collection[str | None]) -> dict[str, _Codes]:
        """The codes of some sites, or of all where None is among them; what cannot be read is left out.

        Each process encodes a share of the images, and then all have all.
        """
        if not self.preparation.method.can.stored_codes:
            name = self.preparation.method.name
            raise InputError(f"a site as the target needs a method whose codes have a mean, as HACA3's; this is {name}")
        made_up = {
            c
            for job in self.cohort
            for c, t in job.targets.items()
            if isinstance(t, SiteTarget) and job.contrasts_instead(c)
        }
        rank, ranks = own_rank()
        images = list(self._images(contrasts, sites).items())[rank::ranks]
        progress, found = Progress("encode sites, images", len(images)), []
        for (site, contrast, subject), path in images:
            try:
                # Other images of the visit take their time, and are needed where somebody lacks the contrast.
                prepared = self.preparation(path, contrast, CONTRASTS if contrast in made_up else ())
                found.append((site, subject, prepared.code))
            except Exception as error:
                logger.warning("site %s is judged without %s: %s", site, subject, to_reason(error))
            progress.step()
        encoded: dict[str, dict[str, list[Code]]] = defaultdict(lambda: defaultdict(list))
        for site, _, code in sorted((each for part in gather(found) for each in part), key=lambda each: each[:2]):
            encoded[site][code.contrast].append(code)
        return {site: dict(of_site) for site, of_site in encoded.items()}

    def _images(self, contrasts: Sequence[str], sites: Collection[str | None]) -> dict[tuple[str, str, str], Path]:
        """The first image of each site, contrast and subject."""
        images: dict[tuple[str, str, str], Path] = {}
        for job in self.cohort:
            if job.site is not None and (job.site in sites or None in sites):
                for contrast in [contrast for contrast in contrasts if contrast in job.sources]:
                    images.setdefault((job.site, contrast, job.subject), job.sources[contrast])
        return images

    def _steadiest(self, encoded: Mapping[str, _Codes], contrasts: Sequence[str]) -> str:
        variability = {}
        for site, codes in encoded.items():
            counts = {contrast: len(codes.get(contrast, ())) for contrast in contrasts}
            if min(counts.values()) >= self.fewest_images:
                variability[site] = sum(_variability(codes[c]) for c in contrasts) / len(contrasts)
            logger.info("site %s: images %s, variability of codes %s", site, counts, variability.get(site, "not taken"))
        if not variability:
            raise InputError(
                f"target `auto` needs a site with at least {self.fewest_images} people who have each of"
                f" {', '.join(contrasts)}; sites are {', '.join(sorted(encoded)) or 'unknown'}"
            )
        return min(sorted(variability), key=variability.__getitem__)

    def _code(self, encoded: Mapping[str, _Codes], contrast: str, site: str) -> StoredCode:
        codes = encoded.get(site, {}).get(contrast)
        if not codes:
            there = sorted({job.site for job in self.cohort if job.site is not None and contrast in job.sources})
            raise InputError(
                f"target `site:{site}` must be a site with {contrast} images that can be read; sites with such images"
                f" are {', '.join(there) or 'unknown'}"
            )
        origin = f"mean of {len(codes)} images of site {site}"
        logger.info("the target of %s is the %s", contrast, origin)
        made_by = self.preparation.weights.code_maker
        code = type(codes[0]).mean(codes, origin=origin, weights=made_by, name=f"site:{site}")
        write_target_code(site_code_path(Path(self.folder), site, contrast), code.to_json())
        return StoredCode(
            contrast, code.numbers(), code.scale, origin, made_by, code.name, code.head, method=code.method
        )


def _variability(codes: Sequence[Code]) -> float:
    """The trace of the covariance of what differs between scanners."""
    return float(torch.tensor([code.describe()["appearance"] for code in codes]).var(0).sum())
