"""From values to pixels."""

import numpy as np

# Color at evenly spaced values from the lowest to the highest. Less, alike and more; and little to much.
_DIVERGING = ((120, 200, 255), (40, 90, 190), (0, 0, 0), (190, 60, 30), (255, 200, 110))
_SEQUENTIAL = ((0, 0, 0), (74, 26, 110), (176, 54, 92), (240, 132, 50), (252, 240, 160))


def gray(values: np.ndarray) -> np.ndarray:
    """Values (H, W) from 0, black, to 1, white."""
    return (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)


def diverging(values: np.ndarray) -> np.ndarray:
    """Values (H, W) from -1, blue, over 0, black, to 1, orange, as (H, W, 3)."""
    return _blend((values + 1) / 2, _DIVERGING)


def sequential(values: np.ndarray) -> np.ndarray:
    """Values (H, W) from 0, black, to 1, light yellow, as (H, W, 3)."""
    return _blend(values, _SEQUENTIAL)


def _blend(values: np.ndarray, colors: tuple[tuple[int, int, int], ...]) -> np.ndarray:
    levels = np.arange(256) / 255
    stops = np.linspace(0, 1, len(colors))
    table = np.stack([np.interp(levels, stops, channel) for channel in zip(*colors, strict=True)], axis=1)
    return np.rint(table).astype(np.uint8)[gray(values)]
