"""The head around the brain: fluid, skull, scalp, eyes, face, neck and the air in them, by layers and ellipsoids."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ..images.grid import GRID_AFFINE, GRID_SHAPE
from .fields import seeded, smooth_field
from .model import tissue_table
from .parameters import SubjectParameters
from .tissue import Relaxation

Box = tuple[slice, slice, slice]

# Surfaces of the head bend over many millimetres, so a coarser lattice loses nothing.
_STRIDE = 4
_REACH_MM = 3.0
_SOLIDS = ("skin", "fat", "muscle", "bone", "marrow", "dura", "vitreous")
_EVERYWHERE: Box = (slice(None), slice(None), slice(None))


@dataclass(frozen=True)
class Part:
    """One ellipsoid of a tissue: centre (signed x), radii and tilt as in `head.json`; broken into cells if any."""

    kind: str
    ellipsoid: tuple[float, ...]
    cells_mm: float | None


@dataclass(frozen=True)
class HeadParameters:
    """Everything about a head but its random fields: thickness of layers, [PD, T1, T2] of tissues, and the parts."""

    layers_mm: dict[str, float]
    tissues: dict[str, tuple[float, ...]]
    septa_width: float
    diploe_share: float
    outline: tuple[Part, ...]
    parts: tuple[Part, ...]
    field_of_view_mm: tuple[tuple[float, float], ...]


@lru_cache(maxsize=1)
def head_model() -> dict[str, Any]:
    """How heads differ: the content of `head.json`, read once per process."""
    content: dict[str, Any] = json.loads((Path(__file__).parent / "head.json").read_text())
    return content


def draw_head(seed: int) -> HeadParameters:
    """Draw the head of the subject with this seed."""
    model, rng = head_model(), np.random.default_rng([seed, 2])
    return HeadParameters(
        layers_mm={name: float(rng.uniform(*span)) for name, span in model["layers_mm"].items()},
        tissues={kind: _draw_tissue(kind, rng) for kind in _SOLIDS},
        septa_width=float(rng.uniform(*model["septa"]["width"])),
        diploe_share=float(rng.uniform(*model["diploe"]["share"])),
        outline=tuple(_draw_part({"kind": "skin", "ellipsoids": model["outline"]}, rng)),
        parts=tuple(part for block in model["parts"] for part in _draw_part(block, rng)),
        field_of_view_mm=tuple(
            (float(rng.uniform(*low)), float(rng.uniform(*high))) for low, high in model["field_of_view_mm"].values()
        ),
    )


def _draw_tissue(kind: str, rng: np.random.Generator) -> tuple[float, ...]:
    """[PD, T1, T2] of this person's tissue."""
    model = head_model()
    shift = rng.normal(0, list(model["tissue_spread"].values())) * (kind not in model["steady"])
    return tuple((np.array(tissue_table()[kind]) * np.exp(shift)).tolist())


def _draw_part(block: dict[str, Any], rng: np.random.Generator) -> list[Part]:
    """Both sides of each ellipsoid of a block, each side with a place and size of its own."""
    model = head_model()
    parts = []
    for x, *centre, rx, ry, rz, tilt in block["ellipsoids"]:
        for side in (-1, 1) if x else (1,):
            moved = np.array([side * x, *centre]) + rng.normal(0, model["centre_spread_mm"], 3)
            size = np.array([rx, ry, rz]) * np.exp(rng.normal(0, block.get("size_spread", model["size_spread"])))
            parts.append(Part(block["kind"], (*moved.tolist(), *size.tolist(), tilt), block.get("cells_mm")))
    return parts


class _Canvas:
    """Relaxation of the head's solid tissue while it is being painted, later paint over earlier; empty at first."""

    def __init__(self, tissues: dict[str, tuple[float, ...]]) -> None:
        self.tissues = tissues
        self.pd = torch.zeros(GRID_SHAPE)
        self.log_t1, self.log_t2 = (torch.full(GRID_SHAPE, float(np.log(tissues["skin"][i]))) for i in (1, 2))

    def paint(self, kind: str, share: torch.Tensor, box: Box = _EVERYWHERE) -> None:
        """Give `share` of each voxel of the box to the tissue `kind`; air is proton density 0."""
        pd, *times = self.tissues.get(kind, (0.0,))
        self.pd[box].lerp_(torch.tensor(pd), share)
        for values, time in zip((self.log_t1, self.log_t2), times, strict=False):
            values[box].lerp_(torch.tensor(time).log(), share)


def render_head(
    parameters: SubjectParameters,
    coordinates: torch.Tensor,
    surface_mm: torch.Tensor,
    solid: Relaxation,
    fluid: torch.Tensor,
) -> tuple[Relaxation, torch.Tensor]:
    """Fill what lies outside the brain: return solid tissue and fluid share (X, Y, Z) of brain and head together.

    `coordinates` (3, X, Y, Z) are the template voxels of the subject's; `surface_mm` is the depth in the brain.
    """
    head, model = draw_head(parameters.seed), head_model()
    generator, edge = seeded(parameters.seed, 40), model["edge_mm"]
    near = F.avg_pool3d(_millimetres(coordinates)[None], _STRIDE)[0]
    scalp, skull, bath, view = _shells(head, near, surface_mm, generator)

    canvas = _Canvas(head.tissues)
    _paint_layers(canvas, head, scalp, skull, generator)
    _vary(canvas, generator)
    for part in head.parts:
        _paint_part(canvas, part, coordinates, near, generator)
    canvas.pd *= torch.sigmoid(torch.minimum(scalp, view) / edge)

    # The skull never cuts into the brain or the fluid just outside it.
    outside = torch.sigmoid(-torch.maximum(bath, surface_mm + model["closest_mm"]) / edge)
    left = fluid * (1 - outside)
    share = outside / (1 - left).clamp(min=1e-3)
    return Relaxation(
        pd=torch.lerp(solid.pd, canvas.pd, share),
        t1=torch.lerp(solid.t1.log(), canvas.log_t1, share).exp(),
        t2=torch.lerp(solid.t2.log(), canvas.log_t2, share).exp(),
    ), left


def _millimetres(coordinates: torch.Tensor) -> torch.Tensor:
    scale, offset = (torch.tensor(v, dtype=torch.float32) for v in (np.diag(GRID_AFFINE)[:3], GRID_AFFINE[:3, 3]))
    return coordinates * scale[:, None, None, None] + offset[:, None, None, None]


def ellipsoid_level(ellipsoid: Sequence[float], points: torch.Tensor) -> torch.Tensor:
    """About how many millimetres each of `points` (3, ...) lies inside the ellipsoid."""
    cx, cy, cz, rx, ry, rz, tilt = ellipsoid
    cos, sin = np.cos(np.deg2rad(tilt)), np.sin(np.deg2rad(tilt))
    x, y, z = points[0] - cx, points[1] - cy, points[2] - cz
    unit = [x / rx, (y * cos + z * sin) / ry, (z * cos - y * sin) / rz]
    radius = torch.sqrt(unit[0] ** 2 + unit[1] ** 2 + unit[2] ** 2)
    slope = torch.sqrt((unit[0] / rx) ** 2 + (unit[1] / ry) ** 2 + (unit[2] / rz) ** 2)
    # At the very centre both vanish; their ratio there is at least the smallest radius.
    return (1 - radius) * torch.where(slope > 0, radius / slope, min(rx, ry, rz))


def _shells(
    head: HeadParameters, near: torch.Tensor, surface_mm: torch.Tensor, generator: torch.Generator
) -> list[torch.Tensor]:
    """Depth in millimetres (X, Y, Z) below the surfaces of scalp, skull and fluid, and inside the field of view."""
    model, thickness = head_model(), head.layers_mm
    surface = F.avg_pool3d(surface_mm[None, None], _STRIDE)[0, 0]

    def uneven(names: Sequence[str]) -> torch.Tensor:
        law = model["thickness"]
        field = smooth_field(surface.shape, law["spacing_mm"] / _STRIDE, generator)
        return sum(thickness[name] for name in names) * torch.exp(law["spread"] * field)

    bath = surface + uneven(["fluid"])
    # Bone bridges the brain's dents and the scalp those of the bone, each keeping at least half of its thickness.
    bone, scalp = uneven(["skull"]), uneven(["galea", "fat", "skin"])
    skull = torch.maximum(_rounded(bath, model["rounding_mm"][0]) + bone, bath + bone / 2)
    vault = torch.maximum(_rounded(skull, model["rounding_mm"][1]) + scalp, skull + scalp / 2)
    blend = model["union_mm"]
    lumps = [vault] + [ellipsoid_level(part.ellipsoid, near) for part in head.outline]
    scalp = blend * torch.logsumexp(torch.stack(lumps) / blend, dim=0)
    faces = [
        torch.minimum(axis - low, high - axis) for axis, (low, high) in zip(near, head.field_of_view_mm, strict=True)
    ]
    view = torch.stack(faces).amin(dim=0)
    stack = torch.stack([scalp, skull, bath, view])[None]
    return list(F.interpolate(stack, scale_factor=_STRIDE, mode="trilinear", align_corners=False)[0])


def _rounded(depth: torch.Tensor, width_mm: float) -> torch.Tensor:
    """Mean of the coarse map over cubes about `width_mm` wide."""
    half = round(width_mm / _STRIDE / 2)
    return F.avg_pool3d(depth[None, None], 2 * half + 1, 1, half, count_include_pad=False)[0, 0]


def _paint_layers(
    canvas: _Canvas, head: HeadParameters, scalp: torch.Tensor, skull: torch.Tensor, generator: torch.Generator
) -> None:
    """Skin, fat below it, muscle with sheets of fat below that, and the skull with its marrow."""
    model, thickness = head_model(), head.layers_mm
    edge = model["edge_mm"]
    canvas.paint("skin", torch.ones(()))
    canvas.paint("fat", torch.sigmoid((scalp - thickness["skin"]) / edge))
    septa = smooth_field(GRID_SHAPE, model["septa"]["spacing_mm"], generator).abs() - head.septa_width
    depth = scalp - thickness["skin"] - thickness["fat"]
    canvas.paint("muscle", torch.sigmoid(depth / edge) * torch.sigmoid(10 * septa))
    canvas.paint("bone", torch.sigmoid(skull / edge))
    inner = torch.minimum(skull, thickness["skull"] - skull) - thickness["table"]
    cells = torch.sigmoid(4 * smooth_field(GRID_SHAPE, model["diploe"]["spacing_mm"], generator))
    marrow = torch.sigmoid(inner / edge) * (1 - (1 - head.diploe_share) * cells)
    # The base of the skull has no such layer.
    heights = GRID_AFFINE[2, 2] * torch.arange(GRID_SHAPE[2]) + GRID_AFFINE[2, 3]
    vault = torch.sigmoid((heights - model["diploe"]["lowest_mm"]) / model["diploe"]["fade_mm"])
    canvas.paint("marrow", marrow * vault.float())


def _paint_part(
    canvas: _Canvas, part: Part, coordinates: torch.Tensor, near: torch.Tensor, generator: torch.Generator
) -> None:
    """Paint one ellipsoid, working only in the box of voxels that it can reach."""
    hit = (ellipsoid_level(part.ellipsoid, near) > -_REACH_MM).nonzero()
    if not len(hit):
        return
    low, high = hit.amin(dim=0) - 1, hit.amax(dim=0) + 2
    x, y, z = (slice(max(int(a) * _STRIDE, 0), int(b) * _STRIDE) for a, b in zip(low, high, strict=True))
    level = ellipsoid_level(part.ellipsoid, _millimetres(coordinates[:, x, y, z]))
    share = torch.sigmoid(level / head_model()["edge_mm"])
    if part.cells_mm is not None:
        share *= torch.sigmoid(4 * smooth_field(share.shape, part.cells_mm, generator))
    canvas.paint(part.kind, share, (x, y, z))


def _vary(canvas: _Canvas, generator: torch.Generator) -> None:
    """Give each property a texture of its own."""
    texture = head_model()["texture"]
    fields = [texture[name] * smooth_field(GRID_SHAPE, texture["spacing_mm"], generator) for name in ("pd", "t1", "t2")]
    canvas.pd *= fields[0].exp_()
    canvas.log_t1 += fields[1]
    canvas.log_t2 += fields[2]
