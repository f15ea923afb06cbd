"""From a volume on the working grid to the picture of one slice: pixels, colors and outlines.

The working grid is LAS: x grows towards the left, y towards the front, z upwards. Pictures follow the convention of
radiologists: the patient's right side is on the left of the picture, and so is the nose.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import avg_pool2d, pad

# Colors at evenly spaced values from the lowest to the highest: less, alike and more; and little to much.
DIVERGING = ((120, 200, 255), (40, 90, 190), (0, 0, 0), (190, 60, 30), (255, 200, 110))
SEQUENTIAL = ((0, 0, 0), (74, 26, 110), (176, 54, 92), (240, 132, 50), (252, 240, 160))


@dataclass(frozen=True)
class Plane:
    """One of the three; `edges` says what lies at the left, right, top and bottom of its picture."""

    name: str
    axis: int
    letter: str
    edges: str

    def cut(self, volume: np.ndarray, index: int) -> np.ndarray:
        """Slice `index` of a volume (X, Y, Z) as a picture (H, W), its first row being the top."""
        picture = volume.take(index, self.axis)
        if self.axis == 0:
            picture = picture[::-1]
        return np.ascontiguousarray(picture[:, ::-1].T)

    def middle(self, volume: np.ndarray) -> int:
        """The slice in the middle of a volume."""
        return volume.shape[self.axis] // 2

    def fullest(self, mask: np.ndarray) -> int:
        """The slice with most of a mask; of several such, the first."""
        return int(mask.sum(axis=tuple(axis for axis in range(3) if axis != self.axis)).argmax())


PLANES = (Plane("axial", 2, "z", "RLAP"), Plane("coronal", 1, "y", "RLSI"), Plane("sagittal", 0, "x", "APSI"))


@dataclass(frozen=True)
class Cell:
    """One picture (H, W) or (H, W, 3); `outlines` are paths and their colors, `edges` letters at its four sides.

    `shift` is where in the picture the outlines begin, to the right and down.
    """

    pixels: np.ndarray
    outlines: Sequence[tuple[str, str]] = ()
    edges: str = ""
    shift: tuple[int, int] = (0, 0)

    def framed(self, height: int, width: int) -> "Cell":
        """The same in the middle of a larger picture that is black around it."""
        above, left = (height - self.pixels.shape[0]) // 2, (width - self.pixels.shape[1]) // 2
        around = [(above, height - self.pixels.shape[0] - above), (left, width - self.pixels.shape[1] - left)]
        pixels = np.pad(self.pixels, [*around, *[(0, 0)] * (self.pixels.ndim - 2)])
        return Cell(pixels, self.outlines, self.edges, (left, above))


def gray(values: np.ndarray) -> np.ndarray:
    """Values from 0, black, to 1, white, as 8-bit grays."""
    return (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)


def diverging(values: np.ndarray) -> np.ndarray:
    """Values (H, W) from -1, blue, over 0, black, to 1, orange, as (H, W, 3)."""
    return _blend((values + 1) / 2, DIVERGING)


def sequential(values: np.ndarray) -> np.ndarray:
    """Values (H, W) from 0, black, to 1, light yellow, as (H, W, 3)."""
    return _blend(values, SEQUENTIAL)


def _blend(values: np.ndarray, colors: Sequence[tuple[int, int, int]]) -> np.ndarray:
    stops = np.linspace(0, 1, len(colors))
    table = np.stack([np.interp(np.arange(256) / 255, stops, channel) for channel in zip(*colors, strict=True)], axis=1)
    return np.rint(table).astype(np.uint8)[gray(values)]


def encode_png(pixels: np.ndarray) -> bytes:
    """Pixels (H, W) or (H, W, 3), uint8, as the content of a PNG file; equal pixels give equal bytes."""
    # The report says at its start if this is missing.
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(content, "PNG", compress_level=9)
    return content.getvalue()


def outline(picture: np.ndarray, level: float) -> str:
    """The SVG path around what of a picture (H, W) is above a level, along the borders of pixels.

    The picture is smoothed first, so that the path does not follow the noise and leaves out single pixels.
    """
    smooth = torch.from_numpy(np.ascontiguousarray(picture, np.float32))[None, None]
    for _ in range(2):
        smooth = avg_pool2d(pad(smooth, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return border((smooth[0, 0] > level).numpy())


def border(mask: np.ndarray) -> str:
    """The SVG path around what is True in a mask (H, W); empty where nothing is."""
    padded = np.pad(mask, 1)
    vertical = [f"M{x} {start}V{stop}" for x, start, stop in _runs(padded[1:-1, 1:] != padded[1:-1, :-1])]
    horizontal = [f"M{start} {y}H{stop}" for y, start, stop in _runs((padded[1:, 1:-1] != padded[:-1, 1:-1]).T)]
    return "".join(vertical + horizontal)


def _runs(edges: np.ndarray) -> list[tuple[int, int, int]]:
    """Column, start and stop of every run of True along the columns of an array."""
    steps = np.diff(np.pad(edges, ((1, 1), (0, 0))).astype(np.int8), axis=0)
    columns, starts = np.nonzero(steps.T == 1)
    return list(zip(columns.tolist(), starts.tolist(), np.nonzero(steps.T == -1)[1].tolist(), strict=True))
