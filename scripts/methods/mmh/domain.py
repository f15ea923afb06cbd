"""The target domain: the images whose style the second stage of training is to give to all others."""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import torch

from ...base.arguments import as_path, as_text, check_whole
from ...base.errors import InputError
from ...images.siblings import contrast_of_name
from ...training.visits import Visit
from .grid import NetworkGrid
from .style import Style, StyleStatistics, foreground, histogram_distance
from .volumes import GridVolumes

logger = logging.getLogger(__name__)

AUTO = "auto"
SITE = "site:"


class TargetDomain:
    """The `visits` whose style is wanted: those of `site:<name>`, of the steadiest site (`auto`), or a folder's images.

    The steadiest site is the one whose images differ the least in style, by the mean Wasserstein distance between two
    of them, among sites of at least `fewest` images. Images are of one `contrast`.
    """

    def __init__(
        self,
        target: Any,
        visits: Sequence[Visit],
        contrast: str,
        preprocessing: Callable[[dict[str, Any]], dict[str, Any]],
        grid: NetworkGrid,
        statistics: StyleStatistics,
        kept: int = 200,
        fewest: int = 3,
    ) -> None:
        check_whole("fewest", fewest, 2)
        self.contrast = contrast
        self.preprocessing = preprocessing
        self.grid = grid
        self.statistics = statistics
        self.kept = kept
        self.fewest = fewest
        self.name = as_text(target, "target")
        self.visits = self._choose(self.name, [visit for visit in visits if contrast in visit.sources])
        if len(self.visits) < 2:
            raise InputError(
                f"a target domain must have at least two images of {contrast}, `{self.name}` has {len(self.visits)}"
            )

    @cached_property
    def volumes(self) -> GridVolumes:
        """Its images on the network's grid."""
        return self._volumes(self.visits)

    @cached_property
    def style(self) -> Style:
        """That of each image."""
        return self._style(self.volumes)

    def _choose(self, target: str, visits: Sequence[Visit]) -> Sequence[Visit]:
        sites: dict[str, list[Visit]] = defaultdict(list)
        for visit in visits:
            sites[visit.site].append(visit)
        if target == AUTO:
            return sites[self._steadiest(sites)]
        if not target.startswith(SITE):
            return self._of_folder(as_path(target))
        name = target.removeprefix(SITE)
        if name not in sites:
            raise InputError(
                f"`target` must be a site with {self.contrast} images, {', '.join(sorted(sites)) or 'none'}, got {name}"
            )
        return sites[name]

    def _of_folder(self, folder: Path) -> Sequence[Visit]:
        images = sorted(path for path in folder.rglob("*") if path.name.endswith((".nii", ".nii.gz")))
        if not images:
            raise InputError(
                f"`target` must be {SITE}<name>, {AUTO} or a folder of images, got {folder}, which holds none"
            )
        contrasts = {contrast_of_name(image) for image in images}
        if contrasts != {self.contrast}:
            found = ", ".join(sorted(contrast or "unknown" for contrast in contrasts))
            raise InputError(
                f"volumes of a target domain must be of one contrast, {self.contrast}, those in {folder} are of {found}"
            )
        names = [image.name.split(".nii")[0] for image in images]
        return [
            Visit(name, name, folder.name, folder.name, {self.contrast: image})
            for name, image in zip(names, images, strict=True)
        ]

    def _steadiest(self, sites: Mapping[str, Sequence[Visit]]) -> str:
        """The name of the site whose images are the most alike in style."""
        distances = {}
        for site, visits in sites.items():
            if len(visits) >= self.fewest:
                histograms = self._style(self._volumes(visits)).histogram
                pairs = [histogram_distance(first, second) for first, second in combinations(histograms, 2)]
                distances[site] = float(torch.stack(pairs).mean())
                logger.info("site %s: %d images, %.5f apart", site, len(visits), distances[site])
        if not distances:
            raise InputError(
                f"target `{AUTO}` needs a site with at least {self.fewest} images of {self.contrast}; sites are "
                f"{', '.join(sorted(sites)) or 'unknown'}"
            )
        return min(sorted(distances), key=distances.__getitem__)

    def _volumes(self, visits: Sequence[Visit]) -> GridVolumes:
        return GridVolumes(visits, self.contrast, self.preprocessing, self.grid, self.kept)

    def _style(self, volumes: GridVolumes) -> Style:
        images = torch.stack([volumes.volume(index) for index in range(len(volumes))])
        return self.statistics(images, foreground(images))
