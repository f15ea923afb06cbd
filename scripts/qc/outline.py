"""The outline of a mask as a path of an SVG picture, along the borders of its pixels."""

import numpy as np


def outline(mask: np.ndarray) -> str:
    """The path around what is True in a mask (H, W); empty where nothing is."""
    padded = np.pad(mask, 1)
    vertical = [f"M{x} {start}V{stop}" for x, start, stop in _runs(padded[1:-1, 1:] != padded[1:-1, :-1])]
    horizontal = [f"M{start} {y}H{stop}" for y, start, stop in _runs((padded[1:, 1:-1] != padded[:-1, 1:-1]).T)]
    return "".join(vertical + horizontal)


def _runs(edges: np.ndarray) -> list[tuple[int, int, int]]:
    """Column, start and stop of every run of True along the columns of an array."""
    steps = np.diff(np.pad(edges, ((1, 1), (0, 0))).astype(np.int8), axis=0)
    columns, starts = np.nonzero(steps.T == 1)
    stops = np.nonzero(steps.T == -1)[1]
    return list(zip(columns.tolist(), starts.tolist(), stops.tolist(), strict=True))
