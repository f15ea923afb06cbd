"""One person as maps from which slices are made: proton density, T1 and T2 of solid tissue, and tissue fractions.

The same sense of a person as in `subject.py`, on the anatomy of MNI152 or of Colin27, without what only whole volumes
need.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import binary_closing, binary_fill_holes

from ..base.errors import InputError
from ..base.regions import REGIONS
from ..images.grid import GRID_SHAPE
from ..phantom.anatomy import tissue_shares
from ..phantom.atlas import PALLIDUM, load_atlas
from ..phantom.deformation import STRIDE, coarse, draw_velocity, identity, integrate, sample
from ..phantom.fields import seeded, smooth_field
from ..phantom.head import render_head
from ..phantom.inserts import insert, vessel_share
from ..phantom.lesions import render_lesions
from ..phantom.model import anatomy_model, pattern_model
from ..phantom.parameters import SubjectParameters
from ..phantom.tissue import Relaxation, render_relaxation
from .colin27 import build_colin27, find_colin27, sample_fine

ANATOMIES = ("mni152", "colin27")
TISSUES = ("csf", "gm", "wm", "deep_gm", "lesion", "other")
"""The tissues of `PersonMaps.fractions`, in this order; `other` is the head, and dura, vessels and choroid plexus."""

_DEEP = tuple(REGIONS.index(name) + 1 for name in ("caudate", "thalamus", "putamen", "brainstem")) + (PALLIDUM,)


@dataclass(frozen=True)
class Anatomy:
    """What people are warped from: `levels` and `regions` as in `atlas.Atlas`, and levels on finer voxels if any."""

    name: str
    levels: torch.Tensor
    regions: torch.Tensor
    folding: float = 1.0
    """Share of `folding_mm` by which boundaries are moved at random; the folds of one person need less of it."""
    white_mm: float = 0.0
    """By how much white matter is thicker than in the levels."""
    fluid_mm: float = 0.0
    """By how much fluid is wider than in the levels: an average of scans closes narrow sulci."""
    fine: torch.Tensor | None = None
    origin: torch.Tensor | None = None
    step: torch.Tensor | None = None

    def at(self, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Levels (8, X, Y, Z) and regions (X, Y, Z) at grid voxels `places` (3, X, Y, Z)."""
        levels = sample(self.levels, places)
        if self.fine is not None and self.origin is not None and self.step is not None:
            inside = (levels[2] > -3)[None]
            levels[:2] = torch.where(inside, sample_fine(self.fine, self.origin, self.step, places), levels[:2])
        levels[0] += self.white_mm
        levels[1] += self.fluid_mm
        return levels, sample(self.regions[None], places)[0]


@dataclass(frozen=True)
class PersonMaps:
    """A person on the working grid; where nothing of the person is, all maps are 0.

    `relaxation` (3, X, Y, Z) float32 is PD, T1 and T2 (s, at 3 T) of the solid tissue of a voxel; fluid is apart from
    it, as `csf` of the `fractions` (6, X, Y, Z), uint8, which add up to 255 inside the person.
    """

    relaxation: torch.Tensor
    fractions: torch.Tensor


def load_anatomy(
    name: str, colin27: Path | str, cache: Path, white_mm: float = 0.0, fluid_mm: float = 0.0, folding: float = 1.0
) -> Anatomy:
    """Anatomy `mni152`, or `colin27` from the folder of its files; `cache` keeps what takes long to make of those.

    The numbers are those of `Anatomy`.
    """
    return replace(
        _read_anatomy(name, str(colin27), Path(cache)), white_mm=white_mm, fluid_mm=fluid_mm, folding=folding
    )


@lru_cache(maxsize=2)
def _read_anatomy(name: str, colin27: str, cache: Path) -> Anatomy:
    """An anatomy as its files have it, once per process."""
    if name == "mni152":
        atlas = load_atlas()
        return Anatomy(name, atlas.levels, atlas.regions)
    if name != "colin27":
        raise InputError(f"`anatomy` must be one of {', '.join(ANATOMIES)}, got {name}")
    find_colin27(colin27)
    kept = cache / "colin27.npz"
    if not kept.is_file():
        maps = build_colin27(colin27)
        beside = kept.with_name("colin27.part.npz")
        np.savez(beside, **vars(maps))
        beside.replace(kept)
    with np.load(kept) as content:
        arrays = {key: torch.from_numpy(np.asarray(content[key])) for key in content.files}
    levels, fine, origin, step = (arrays[key].float() for key in ("levels", "fine", "origin", "step"))
    return Anatomy(name, levels, arrays["regions"], fine=fine, origin=origin, step=step)


def render_maps(parameters: SubjectParameters, anatomy: Anatomy) -> PersonMaps:
    """Turn the parameters into maps."""
    model, seed = anatomy_model(), parameters.seed
    places = _places(parameters, anatomy)
    levels, regions = anatomy.at(places)
    surface_mm, ventricle_mm, plexus, falx = levels[2], levels[3], levels[5], levels[7]
    white, fluid = tissue_shares(parameters, levels, regions, anatomy.folding)
    lesions = render_lesions(parameters, white, fluid, ventricle_mm)
    solid = render_relaxation(seed, white, regions, -levels[0])
    if parameters.lesion_load > 0:
        solid = solid.blend("lesion", lesions / (1 - fluid).clamp(min=1e-3))
    white_left, lesion_left = white * (1 - fluid - lesions).clamp(min=0), lesions

    kept, first = torch.ones_like(fluid), fluid
    texture = torch.sigmoid(2 * smooth_field(GRID_SHAPE, model["plexus_spacing_mm"], seeded(seed, 31)))
    sulcal = fluid * (ventricle_mm < -model["sulcal_margin_mm"])
    midline = falx * sulcal * (surface_mm > model["dura_depth_mm"])
    inserts = (
        ("choroid_plexus", plexus * texture),
        ("dura", midline * model["dura_share"]),
        ("vessel", sulcal * vessel_share(seed)),
    )
    for kind, share in inserts:
        solid, fluid = insert(solid, fluid, kind, share)
        kept = kept * (1 - share)
    if parameters.head:
        before = fluid
        solid, fluid = render_head(parameters, places, surface_mm, solid, fluid)
        # Where there was no fluid there is no head either.
        kept = kept * torch.where(before > 1e-3, fluid / before.clamp(min=1e-3), 1.0)
    deep = torch.isin(regions, torch.tensor(_DEEP, dtype=regions.dtype))
    grey = (1 - first - lesions).clamp(min=0) * (1 - white)
    solid_parts = [grey * ~deep, white_left, grey * deep, lesion_left]
    foreground = _head_mask(solid, fluid) if parameters.head else _brain_mask(seed, surface_mm)
    return _finish(solid, [fluid] + [part * kept for part in solid_parts], foreground)


def _places(parameters: SubjectParameters, anatomy: Anatomy) -> torch.Tensor:
    """Voxels of the anatomy (3, X, Y, Z) that the person's voxels show; as `anatomy.template_coordinates` has them."""
    model = anatomy_model()
    velocity = draw_velocity(GRID_SHAPE, model["warp_mm"], seeded(parameters.seed, 2))
    distance = F.avg_pool3d(coarse(anatomy.levels[3:4])[None], 3, 1, 1)[0, 0]
    inward = torch.stack(torch.gradient(distance)) / STRIDE
    inward = inward / inward.norm(dim=0).clamp(min=1)
    velocity += parameters.ventricle_mm * inward * torch.exp(-((distance / model["ventricle_reach_mm"]) ** 2))
    centre = torch.tensor([(n - 1) / 2 for n in GRID_SHAPE])[:, None, None, None]
    affine = torch.tensor(parameters.affine)
    places = torch.einsum("ij,jxyz->ixyz", affine[:, :3], identity(GRID_SHAPE) - centre)
    # In this order, so that rounding is that of `anatomy.py`, too: where lesions lie depends on it.
    return places + (affine[:, 3, None, None, None] + centre + integrate(velocity, GRID_SHAPE))


def _brain_mask(seed: int, surface_mm: torch.Tensor) -> torch.Tensor:
    """Brain extraction keeps a thin, uneven rim of fluid."""
    model = pattern_model()
    wobble = smooth_field(GRID_SHAPE, model["stripping_spacing_mm"], seeded(seed, 50))
    return surface_mm + model["stripping_rim_mm"] + model["stripping_spread_mm"] * wobble > 0


def _head_mask(solid: Relaxation, fluid: torch.Tensor, coarseness: int = 4, least: float = 0.05) -> torch.Tensor:
    """The head with the air that it encloses, as removing the background leaves it."""
    shows = torch.maximum(solid.pd, fluid) > least
    small = F.max_pool3d(shows[None, None].float(), coarseness)[0, 0].numpy() > 0
    closed = binary_closing(np.pad(small, 2), iterations=2)[2:-2, 2:-2, 2:-2]
    filled = torch.from_numpy(binary_fill_holes(closed) & ~small)
    cavities = F.interpolate(filled[None, None].float(), scale_factor=coarseness)[0, 0] > 0
    return shows | cavities | _enclosed(shows)


def _enclosed(shows: torch.Tensor) -> torch.Tensor:
    """Voxels with something on both sides along every axis, such as bone between scalp and brain."""
    votes = torch.zeros(shows.shape, dtype=torch.uint8)
    for axis in range(3):
        before = torch.cummax(shows.byte(), dim=axis).values
        after = torch.cummax(shows.byte().flip(axis), dim=axis).values.flip(axis)
        votes += before & after
    return votes == 3


def _finish(solid: Relaxation, parts: list[torch.Tensor], foreground: torch.Tensor) -> PersonMaps:
    """Cut to the foreground and round the fractions so that they add up to 255 there; the last one takes the rest."""
    rounded = torch.stack([(255 * part).round_().to(torch.uint8) for part in parts])
    total = rounded.sum(dim=0, dtype=torch.int16)
    # Rounding can make five parts one or two more than the whole; that is taken from the largest.
    over = (total - 255).clamp(min=0)
    if over.any():
        largest = rounded.amax(dim=0)
        for part in rounded:
            taken = torch.where((part == largest) & (over > 0), over, 0)
            part -= taken.to(torch.uint8)
            over = over - taken
    rest = 255 - rounded.sum(dim=0, dtype=torch.int16)
    fractions = torch.cat([rounded, rest.to(torch.uint8)[None]]) * foreground
    relaxation = torch.stack([solid.pd, solid.t1, solid.t2]) * foreground
    return PersonMaps(relaxation, fractions)
