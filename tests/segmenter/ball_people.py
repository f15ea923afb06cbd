"""People who are a ball of white matter in a shell of gray matter, with a ball of fluid in the middle."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import torch

from scripts.base.regions import REGIONS
from scripts.images.grid import GRID_SHAPE
from scripts.metrics.segmentation_network import MIDDLE
from scripts.phantom.truth import FLUID, GREY, WHITE

RADII = {"fluid": 14, "white": 34, "grey": 46}
VENTRICLES, GREY_MATTER, WHITE_MATTER = (
    REGIONS.index(name) + 1 for name in ("ventricles", "cerebrum_gm", "cerebral_wm")
)
KINDS = {"t1w": {"white": (0.8, 1.0), "grey": (0.4, 0.6), "fluid": (0.05, 0.2)}}


@dataclass(frozen=True)
class BallPhantom:
    """As `Phantom`; the place of the ball along the first axis tells the seed."""

    def draw_subject(self, seed: int, age: float, lesion_load: float, head: bool) -> SimpleNamespace:
        assert head
        return SimpleNamespace(seed=seed, age=age, lesion_load=lesion_load)

    def render_subject(self, parameters: SimpleNamespace) -> SimpleNamespace:
        centre = (MIDDLE[0] + parameters.seed % 5 - 2, *MIDDLE[1:])
        x, y, z = (((np.arange(n) - c) ** 2).astype(np.float32) for n, c in zip(GRID_SHAPE, centre, strict=True))
        distance = np.sqrt(x[:, None, None] + y[:, None] + z)
        fluid, white, brain = (distance < RADII[name] for name in ("fluid", "white", "grey"))
        # From the outside to the inside.
        tissues, regions, t1 = (
            np.full(GRID_SHAPE, value, kind) for value, kind in ((0, "u1"), (0, "u1"), (1.42, "f4"))
        )
        for inside, tissue, region in (
            (brain, GREY, GREY_MATTER),
            (white, WHITE, WHITE_MATTER),
            (fluid, FLUID, VENTRICLES),
        ):
            tissues[inside], regions[inside] = tissue, region
        t1[white] = 0.85
        solid = SimpleNamespace(pd=torch.from_numpy(brain * np.float32(0.8)), t1=torch.from_numpy(t1))
        return SimpleNamespace(
            solid=solid,
            fluid=torch.from_numpy(fluid).float(),
            surface_mm=torch.from_numpy(RADII["grey"] - distance),
            tissues=tissues,
            regions=regions,
        )
