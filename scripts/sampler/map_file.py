"""The file of one person's maps: cubes of 8 voxels a side, of which a slice in any orientation reads only one layer.

The file is, in this order, and in the byte order of x86 and ARM,

- one line of JSON, `MapHeader`, filled up with blanks to `HEADER_BYTES`;
- `index` (x, y, z) int32: for each cube of the person's box the number of its record, -1 where it is all zero;
- `voxels`: the records of voxels that were drawn from the foreground at random, see `VOXEL`;
- `cubes`: one record of 8 x 8 x 8 voxels after the other: PD, T1 and T2 in float16, then the fractions in uint8.

All of a cube's maps stand together, so that reading a slice touches few pages of the file, and cubes that are all zero
take no room.
"""

import errno
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import InputError
from .person_maps import TISSUES, PersonMaps

VERSION = 2
HEADER_BYTES = 16384
SIDE = 8
RELAXATION = 3
_CUBE = (SIDE, SIDE, SIDE)
CUBE = np.dtype([("relaxation", "<f2", (RELAXATION, *_CUBE)), ("fractions", "u1", (len(TISSUES), *_CUBE))])
VOXEL = np.dtype(
    [
        ("relaxation", "<f2", (RELAXATION,)),
        ("fractions", "u1", (len(TISSUES),)),
        ("blurred", "u1", (3, len(TISSUES))),
        ("place", "u1", (3,)),
    ]
)
"""A voxel: its maps, its fractions blurred along each axis of the grid by `BLUR_MM`, and where on the grid it lies."""

BLUR_MM = 1.6
"""Standard deviation of the Gaussian."""
_BLUR_REACH = 4

_RELAXATION_BYTES = 2 * RELAXATION * SIDE**3
# Maps in a cube: how many, their type, and where in the record they stand.
_FIELDS = (
    (RELAXATION, "<f2", (0, _RELAXATION_BYTES)),
    (len(TISSUES), "u1", (_RELAXATION_BYTES, CUBE.itemsize)),
)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class MapHeader:
    """What a file says of itself; `corner` is the first grid voxel of the box, `about` is the person."""

    version: int
    corner: tuple[int, int, int]
    cubes_along: tuple[int, int, int]
    records: int
    voxels: int
    grid: tuple[int, int, int]
    foreground: int
    """How many voxels of the grid the person fills."""
    filled: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    """Per axis, how many foreground voxels each slice of the grid has."""
    about: dict[str, Any]


@dataclass(frozen=True)
class MapFile:
    """An opened file; arrays are memory-mapped."""

    header: MapHeader
    index: np.ndarray
    voxels: np.ndarray
    cubes: np.ndarray


def write_maps(path: Path, maps: PersonMaps, about: dict[str, Any], voxels: int, seed: int) -> None:
    """Write the maps and what they are `about`; the file has its name only once it is whole."""
    foreground = maps.fractions.sum(dim=0).numpy() > 0
    corner, along = _box(foreground)
    inside = tuple(slice(c, c + SIDE * n) for c, n in zip(corner, along, strict=True))
    cubes = np.zeros(along, dtype=CUBE)
    for name, values in (("relaxation", maps.relaxation.half()), ("fractions", maps.fractions)):
        cubes[name] = _in_cubes(values.numpy()[(slice(None), *inside)])
    used = cubes["fractions"].any(axis=(3, 4, 5, 6))
    index = np.full(along, -1, dtype="<i4")
    index[used] = np.arange(used.sum(), dtype="<i4")
    x, y, z = (tuple(foreground.sum(axis=_others(axis)).tolist()) for axis in range(3))
    header = MapHeader(
        VERSION,
        corner,
        along,
        int(used.sum()),
        voxels,
        _three(foreground.shape),
        int(foreground.sum()),
        (x, y, z),
        about,
    )
    drawn = _draw_voxels(maps, foreground, voxels, seed)
    text = json.dumps(asdict(header)).encode()
    if len(text) > HEADER_BYTES:
        raise ValueError(f"the header of {path.name} must have at most {HEADER_BYTES} bytes, got {len(text)}")
    _write_whole(path, [text.ljust(HEADER_BYTES), index.tobytes(), drawn.tobytes(), cubes[used].tobytes()])


def _three(shape: Any) -> tuple[int, int, int]:
    return int(shape[0]), int(shape[1]), int(shape[2])


def _others(axis: int) -> tuple[int, int]:
    first, second = (other for other in range(3) if other != axis)
    return first, second


def _box(foreground: np.ndarray) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """First voxel and number of cubes per axis of a box around the foreground that lies inside the grid."""
    corner, along = [], []
    for axis, size in enumerate(foreground.shape):
        places = np.flatnonzero(foreground.any(axis=_others(axis)))
        count = -(-(int(places[-1]) + 1 - int(places[0])) // SIDE)
        corner.append(max(min(int(places[0]), size - count * SIDE), 0))
        along.append(count)
    return _three(corner), _three(along)


def _in_cubes(values: np.ndarray) -> np.ndarray:
    """Values (C, X, Y, Z) as (x, y, z, C, 8, 8, 8)."""
    x, y, z = (size // SIDE for size in values.shape[1:])
    return values.reshape(-1, x, SIDE, y, SIDE, z, SIDE).transpose(1, 3, 5, 0, 2, 4, 6)


def _draw_voxels(maps: PersonMaps, foreground: np.ndarray, count: int, seed: int) -> np.ndarray:
    places = np.flatnonzero(foreground)
    chosen = np.unravel_index(np.random.default_rng(seed).choice(places, count), foreground.shape)
    drawn = np.zeros(count, dtype=VOXEL)
    x, y, z = chosen
    drawn["relaxation"] = maps.relaxation.numpy()[:, x, y, z].T
    drawn["fractions"] = maps.fractions.numpy()[:, x, y, z].T
    drawn["place"] = np.stack(chosen, axis=1)
    drawn["blurred"] = blurred_at(maps.fractions.numpy(), drawn["place"])
    return drawn


def blurred_at(fractions: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Fractions (6, X, Y, Z) at places (V, 3), blurred along each axis: (V, 3, 6), uint8."""
    steps = np.arange(-_BLUR_REACH, _BLUR_REACH + 1)
    weights = np.exp(-((steps / BLUR_MM) ** 2) / 2)
    weights /= weights.sum()
    found = np.zeros((len(places), 3, len(fractions)))
    for axis in range(3):
        for step, weight in zip(steps, weights, strict=True):
            index = places.astype(int)
            index[:, axis] += step
            inside = (index[:, axis] >= 0) & (index[:, axis] < fractions.shape[1 + axis])
            x, y, z = index[inside].T
            found[inside, axis] += weight * fractions[:, x, y, z].T
    return np.round(found).astype(np.uint8)


def _write_whole(path: Path, parts: list[bytes]) -> None:
    beside = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        with beside.open("wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        if error.errno in _NO_ROOM:
            size = sum(len(part) for part in parts)
            raise InputError(
                f"{path.parent} must have room for the library, but {path.name} of {size} bytes does not fit: {error}; "
                "make room and run the same command again, it goes on where it stopped"
            ) from error
        raise
    finally:
        beside.unlink(missing_ok=True)


def open_maps(path: Path) -> MapFile:
    """Open a file; refuse one that is cut short, of another version, or something else."""
    header = read_header(path)
    index_bytes = 4 * int(np.prod(header.cubes_along))
    voxel_start = HEADER_BYTES + index_bytes
    cube_start = voxel_start + header.voxels * VOXEL.itemsize
    expected, found = cube_start + header.records * CUBE.itemsize, path.stat().st_size
    if found != expected:
        raise InputError(
            f"{path} must have {expected} bytes, got {found}: it is cut short or damaged; delete it and make it again"
        )
    index = np.fromfile(path, "<i4", index_bytes // 4, offset=HEADER_BYTES).reshape(header.cubes_along)
    voxels = np.fromfile(path, VOXEL, header.voxels, offset=voxel_start)
    cubes = np.memmap(path, np.uint8, "r", offset=cube_start, shape=(header.records, CUBE.itemsize))
    return MapFile(header, index, voxels, cubes)


def read_header(path: Path) -> MapHeader:
    """The header alone."""
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(HEADER_BYTES))
        version = content["version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} must be a file of a map library, but its header cannot be read: {error}") from error
    if version != VERSION:
        raise InputError(f"{path} must be of version {VERSION} of the map library, got version {version}")
    missing = [item.name for item in fields(MapHeader) if item.name not in content]
    if missing:
        raise InputError(f"{path} must be a file of a map library, but its header lacks {', '.join(missing)}")
    for name in ("corner", "cubes_along", "grid"):
        content[name] = _three(content[name])
    return MapHeader(**content)


def read_planes(
    file: MapFile,
    axis: int,
    positions: Sequence[int],
    low: tuple[int, int],
    size: tuple[int, int],
    flips: tuple[bool, bool] = (False, False),
) -> list[tuple[np.ndarray, np.ndarray]]:
    """A window of some slices across `axis` at grid `positions`: relaxation (3, V, U) and fractions (6, V, U) of each.

    U and V are the two other axes of the grid in their order, `low` and `size` are along U and V; the window may
    reach over the grid. What lies outside the person is 0. `flips` are those of V and of U. Slices of the same layer
    of cubes cost little more than one of them.
    """
    corner, along = file.header.corner, file.header.cubes_along
    u, v = _others(axis)
    # Cubes that the window touches along U and V, and where in them it begins.
    (u_first, u_count, u_from), (v_first, v_count, v_from) = (
        _touched(low[side] - corner[other], size[side]) for side, other in enumerate((u, v))
    )
    kept: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    planes = []
    for position in positions:
        layer, offset = divmod(position - corner[axis], SIDE)
        if layer not in kept:
            index = _piece(file.index, axis, layer, (u_first, v_first), (u_count, v_count), (along[u], along[v]))
            kept[layer] = index >= 0, file.cubes[index[index >= 0]]
        used, records = kept[layer]
        found = []
        for count, kind, (start, stop) in _FIELDS:
            whole = np.zeros((count, SIDE * v_count, SIDE * u_count), kind)
            turned = whole[:, :: -1 if flips[0] else 1, :: -1 if flips[1] else 1]
            cubes = turned.reshape(count, v_count, SIDE, u_count, SIDE).transpose(3, 1, 0, 4, 2)
            part = records[:, start:stop].view(kind).reshape(len(records), count, *_CUBE)
            cubes[used] = part[(slice(None),) * (2 + axis) + (offset,)]
            top = SIDE * v_count - v_from - size[1] if flips[0] else v_from
            left = SIDE * u_count - u_from - size[0] if flips[1] else u_from
            found.append(whole[:, top : top + size[1], left : left + size[0]])
        planes.append((found[0], found[1]))
    return planes


def _touched(start: int, size: int) -> tuple[int, int, int]:
    """First cube and number of cubes that a piece of an axis touches, and where in the first one it begins."""
    first = start // SIDE
    return first, -(-(start + size) // SIDE) - first, start - first * SIDE


def _piece(
    index: np.ndarray, axis: int, layer: int, first: tuple[int, int], count: tuple[int, int], along: tuple[int, int]
) -> np.ndarray:
    """Numbers of the records of some cubes of a layer, -1 where there is none."""
    piece = np.full(count, -1, dtype=np.int64)
    if not 0 <= layer < index.shape[axis]:
        return piece
    low = [max(f, 0) for f in first]
    high = [min(f + n, size) for f, n, size in zip(first, count, along, strict=True)]
    if low[0] < high[0] and low[1] < high[1]:
        inside = tuple(slice(a - f, b - f) for a, b, f in zip(low, high, first, strict=True))
        piece[inside] = np.take(index, layer, axis=axis)[low[0] : high[0], low[1] : high[1]]
    return piece


def read_volume_maps(file: MapFile) -> tuple[np.ndarray, np.ndarray]:
    """All of a person on the grid: relaxation (3, X, Y, Z) float16 and fractions (6, X, Y, Z) uint8."""
    grid = file.header.grid
    planes = read_planes(file, 0, range(grid[0]), (0, 0), grid[1:])
    relaxation, fractions = (np.stack([plane[which] for plane in planes], axis=1) for which in (0, 1))
    return relaxation.transpose(0, 1, 3, 2), fractions.transpose(0, 1, 3, 2)
